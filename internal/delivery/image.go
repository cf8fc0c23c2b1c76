package delivery

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"slipway.dev/internal/blueprint"
	"slipway.dev/internal/engine"
)

// Image is an image as a service runs it.
type Image struct {
	Reference    string `json:"image"`                // <repository>@sha256:…, or what the manifest names
	Repository   string `json:"repository,omitempty"` // empty for an image the manifest names
	Tag          string `json:"tag"`
	Architecture string `json:"-"`      // X86_64 or ARM64; empty where it is not known
	Pushed       bool   `json:"pushed"` // now, rather than there already
}

// Tag is the tag of the image that the folder's present state gives: the commit; with files that differ from it, the commit and a
// hash; without a repository, a hash. The same files give the same tag.
func (p *Project) Tag() (string, error) {
	service, err := p.service()
	if err != nil {
		return "", err
	}
	folder, err := openBuildFolder(p.Dir, service.Dockerfile)
	if err != nil {
		return "", err
	}
	if p.Git.Revision != "" {
		differs, err := folder.differs(p.Git.Changed)
		if err != nil || !differs {
			return p.Git.Revision, err
		}
	}
	sum, err := folder.sum()
	if err != nil {
		return "", err
	}
	if p.Git.Revision == "" {
		return sum[:12], nil
	}
	return p.Git.Revision + "-dirty-" + sum[:12], nil
}

// findImage looks a tag up in the service's repository. A nil image is not there.
func (p *Project) findImage(ctx context.Context, repository, tag string) (*Image, error) {
	name := blueprint.RepoName(p.Manifest.Namespace, p.Manifest.Service.Name)
	out, err := p.Target.Clients.ECR.DescribeImages(ctx, &ecr.DescribeImagesInput{
		RepositoryName: &name, ImageIds: []ecrtypes.ImageIdentifier{{ImageTag: &tag}},
	})
	var noImage *ecrtypes.ImageNotFoundException
	var noRepository *ecrtypes.RepositoryNotFoundException
	if errors.As(err, &noImage) || errors.As(err, &noRepository) || err == nil && len(out.ImageDetails) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up image %s:%s: %w", name, tag, err)
	}
	return &Image{Reference: repository + "@" + aws.ToString(out.ImageDetails[0].ImageDigest), Repository: repository, Tag: tag}, nil
}

// build makes the image of the present state on this machine and returns its architecture in ECS's words.
func (p *Project) build(ctx context.Context, engineOf ImageEngine, name string) (architecture string, err error) {
	service := p.Manifest.Service
	p.step("Building image " + name + " from " + filepath.Join(p.Dir, service.Dockerfile))
	output := &lines{report: func(line string) { p.report(Event{Kind: EventOutput, Text: line}) }}
	defer output.flush()
	info, err := engineOf.Info(ctx)
	if err != nil {
		return "", err
	}
	_, err = engineOf.Build(ctx, engine.Build{Dir: p.Dir, Dockerfile: service.Dockerfile, Tags: []string{name}, Progress: output})
	return architectureOf(info.Arch), err
}

// architectureOf translates Go's name of a processor into ECS's.
func architectureOf(goarch string) string {
	if goarch == "arm64" {
		return "ARM64"
	}
	return "X86_64"
}

// push sends a built image to the target's registry.
func (p *Project) push(ctx context.Context, engineOf ImageEngine, reference string) (digest string, err error) {
	login, err := p.registryLogin(ctx)
	if err != nil {
		return "", err
	}
	if reference, err = login.reach(ctx, engineOf, reference); err != nil {
		return "", err
	}
	p.step("Pushing image " + reference)
	output := &lines{report: func(line string) { p.report(Event{Kind: EventOutput, Text: line}) }}
	defer output.flush()
	return engineOf.Push(ctx, reference, login.Auth, output)
}

// registryLogin is what docker login does with the target's registry.
type registryLogin struct {
	engine.Auth
	endpoint string // "https://111122223333.dkr.ecr.eu-west-1.amazonaws.com"
}

func (p *Project) registryLogin(ctx context.Context) (registryLogin, error) {
	out, err := p.Target.Clients.ECR.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return registryLogin{}, fmt.Errorf("log in to the image registry: %w", err)
	}
	if len(out.AuthorizationData) == 0 {
		return registryLogin{}, errors.New("log in to the image registry: it gave no token")
	}
	token, err := base64.StdEncoding.DecodeString(aws.ToString(out.AuthorizationData[0].AuthorizationToken))
	user, password, ok := strings.Cut(string(token), ":")
	if err != nil || !ok {
		return registryLogin{}, errors.New("log in to the image registry: its token is not user:password")
	}
	return registryLogin{engine.Auth{Username: user, Password: password}, aws.ToString(out.AuthorizationData[0].ProxyEndpoint)}, nil
}

// reach gives an image the name by which the registry can be reached now. The stack remembers the address that the registry had when
// it was made; a twin may have moved to another port since.
func (r registryLogin) reach(ctx context.Context, engineOf ImageEngine, reference string) (string, error) {
	_, host, _ := strings.Cut(r.endpoint, "://")
	old, path, ok := strings.Cut(reference, "/")
	if !ok || host == "" || host == old {
		return reference, nil
	}
	now := host + "/" + path
	return now, engineOf.Tag(ctx, reference, now)
}

// repository is the address of the service's image repository, from its stack.
func (p *Project) repository(ctx context.Context) (string, error) {
	stack := p.name(blueprint.KindRepo, p.Manifest.Service.Name)
	repo, err := p.describe(ctx, stack)
	if err != nil {
		return "", err
	}
	return repositoryOf(repo)
}

func repositoryOf(repo *Stack) (string, error) {
	if address := repo.Outputs["RepoUrl"]; address != "" {
		return address, nil
	}
	return "", fmt.Errorf("stack %s has no output RepoUrl", repo.Name)
}

// lines cuts output into lines.
type lines struct {
	report func(line string)
	rest   []byte
}

// Write takes output as it comes.
func (l *lines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		end := bytes.IndexByte(l.rest, '\n')
		if end < 0 {
			return len(b), nil
		}
		l.report(strings.TrimRight(string(l.rest[:end]), "\r"))
		l.rest = l.rest[end+1:]
	}
}

func (l *lines) flush() {
	if len(l.rest) > 0 {
		io.WriteString(l, "\n")
	}
}
