package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Media types of the two kinds of manifest that describe one image.
const (
	ociManifest    = "application/vnd.oci.image.manifest.v1+json"
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
)

// settleArchitecture finds out which processor an image was built for, where that is not known yet: the deployed service tells when
// it runs the very image, and else the registry.
func (p *Project) settleArchitecture(ctx context.Context, image *Image, deployed *Stack) error {
	if image.Architecture != "" || image.Repository == "" {
		return nil
	}
	if deployed.exists() && deployed.Parameters["ImageUrl"] == image.Reference {
		image.Architecture = deployed.Parameters["CpuArchitecture"]
	}
	if image.Architecture != "" {
		return nil
	}
	var err error
	if image.Architecture, err = p.architecture(ctx, image); err != nil {
		return fmt.Errorf("find out which processor image %s:%s is built for: %w", image.Repository, image.Tag, err)
	}
	return nil
}

// architecture reads the image's configuration from the registry (https://distribution.github.io/distribution/spec/api/), which ECR
// allows with the login that docker uses. It is empty for an image that is built for several processors.
func (p *Project) architecture(ctx context.Context, image *Image) (string, error) {
	login, err := p.registryLogin(ctx)
	if err != nil {
		return "", err
	}
	_, name, _ := strings.Cut(image.Repository, "/")
	base := login.endpoint + "/v2/" + name
	var manifest struct {
		Config struct{ Digest string }
	}
	if err := p.getJSON(ctx, base+"/manifests/"+image.Tag, login, &manifest); err != nil {
		return "", err
	}
	if manifest.Config.Digest == "" {
		return "", nil
	}
	var config struct{ Architecture string }
	if err := p.getJSON(ctx, base+"/blobs/"+manifest.Config.Digest, login, &config); err != nil {
		return "", err
	}
	return architectureOf(config.Architecture), nil
}

func (p *Project) getJSON(ctx context.Context, url string, login registryLogin, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.SetBasicAuth(login.Username, login.Password)
	request.Header.Set("Accept", ociManifest+", "+dockerManifest+", */*")
	answer, err := p.Target.Clients.HTTP.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the registry answered %s to GET %s", answer.Status, url)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}
