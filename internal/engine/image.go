package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"
)

// Auth is a login at an image registry. The zero value is anonymous. Printing it shows the user name only.
type Auth struct {
	Username      string
	Password      string
	IdentityToken string
}

// String keeps the password out of logs and errors.
func (a Auth) String() string { return "login of " + a.Username }

// GoString keeps the password out of %#v as well.
func (a Auth) GoString() string { return a.String() }

// Image is an image on the engine.
type Image struct {
	ID           string   // sha256 of its configuration
	Tags         []string // name:tag
	Digests      []string // name@sha256:…, one for each repository it was pulled from or pushed to
	Size         int64    // bytes on disk
	OS, Arch     string
	CreatedAt    time.Time
	Labels       map[string]string
	Entrypoint   []string
	Command      []string
	Env          []string
	User         string
	WorkingDir   string
	ExposedPorts []Port // Container and Protocol only, by number
	HealthCheck  *HealthCheck
}

// HasImage says whether the engine has an image, by its name or id.
func (e *Engine) HasImage(ctx context.Context, ref string) (bool, error) {
	_, err := e.InspectImage(ctx, ref)
	if errors.Is(err, ErrImageNotFound) {
		return false, nil
	}
	return err == nil, err
}

// InspectImage describes an image of the engine. One it does not have is ErrImageNotFound.
func (e *Engine) InspectImage(ctx context.Context, ref string) (Image, error) {
	result, err := e.api.ImageInspect(ctx, ref)
	if err != nil {
		return Image{}, imageFailure("inspect image", ref, err)
	}
	created, err := parseTime(result.Created)
	if err != nil {
		return Image{}, fmt.Errorf("inspect image %s: %w", ref, err)
	}
	found := Image{
		ID: prefixed(result.ID), Tags: result.RepoTags, Digests: result.RepoDigests, Size: result.Size,
		OS: result.Os, Arch: goArch(result.Architecture), CreatedAt: created,
	}
	if config := result.Config; config != nil {
		found.Labels, found.Env, found.User, found.WorkingDir = config.Labels, config.Env, config.User, config.WorkingDir
		found.Entrypoint, found.Command = config.Entrypoint, config.Cmd
		found.ExposedPorts = exposedPorts(config.ExposedPorts)
		if check := config.Healthcheck; check != nil {
			found.HealthCheck = &HealthCheck{
				Command: check.Test, Interval: check.Interval, Timeout: check.Timeout,
				StartPeriod: check.StartPeriod, Retries: check.Retries,
			}
		}
	}
	return found, nil
}

// prefixed spells an image id as Docker does; Podman leaves the algorithm out.
func prefixed(id string) string {
	if id == "" || strings.Contains(id, ":") {
		return id
	}
	return "sha256:" + id
}

func exposedPorts(from map[string]struct{}) []Port {
	var ports []Port
	for text := range from {
		if port, err := network.ParsePort(text); err == nil { // an image may say anything here; what is no port exposes nothing
			ports = append(ports, Port{Container: int(port.Num()), Protocol: string(port.Proto())})
		}
	}
	slices.SortFunc(ports, func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.Container, b.Container), cmp.Compare(a.Protocol, b.Protocol))
	})
	return ports
}

// imageFailure is failure where what is not found can only be an image.
func imageFailure(operation, ref string, err error) error {
	err = failure(operation, ref, err)
	var refused *Error
	if errors.As(err, &refused) && errors.Is(refused.Kind, ErrNotFound) {
		refused.Kind = ErrImageNotFound
	}
	return err
}

// imageDigest finds the manifest digest an image has in the repository of ref, "" where it has none.
func (e *Engine) imageDigest(ctx context.Context, imageID, ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "" // an image may be named by its id
	}
	if exact, ok := named.(reference.Digested); ok {
		return exact.Digest().String()
	}
	key := imageID + " " + named.Name()
	if digest, ok := e.digests.Load(key); ok {
		return digest.(string)
	}
	found, err := e.InspectImage(ctx, imageID)
	if err != nil {
		return "" // a container outlives its image's removal
	}
	digest := digestIn(found.Digests, named.Name())
	if digest != "" {
		e.digests.Store(key, digest)
	}
	return digest
}

func digestIn(digests []string, repository string) string {
	for _, text := range digests {
		named, err := reference.ParseNormalizedNamed(text)
		if err != nil || named.Name() != repository {
			continue
		}
		if exact, ok := named.(reference.Digested); ok {
			return exact.Digest().String()
		}
	}
	return ""
}

// Pull gets an image from its registry. One that is not there, or not to be had anonymously, is ErrImageNotFound; a
// refused login ErrDenied.
func (e *Engine) Pull(ctx context.Context, ref string, auth Auth, progress io.Writer) error {
	login, err := auth.encode()
	if err != nil {
		return fmt.Errorf("pull image %s: %w", ref, err)
	}
	body, err := e.api.ImagePull(ctx, ref, client.ImagePullOptions{RegistryAuth: login})
	if err != nil {
		return imageFailure("pull image", ref, err)
	}
	defer body.Close()
	return imageFailure("pull image", ref, readMessages(body, progress, nil))
}

// Push sends an image to the registry in its name and returns the digest of the manifest there.
func (e *Engine) Push(ctx context.Context, ref string, auth Auth, progress io.Writer) (digest string, err error) {
	login, err := auth.encode()
	if err != nil {
		return "", fmt.Errorf("push image %s: %w", ref, err)
	}
	body, err := e.api.ImagePush(ctx, ref, client.ImagePushOptions{RegistryAuth: login})
	if err != nil {
		return "", imageFailure("push image", ref, err)
	}
	defer body.Close()
	err = readMessages(body, progress, func(m message) {
		if found := m.digest(); found != "" {
			digest = found
		}
	})
	if err == nil && digest == "" {
		err = errors.New("the engine did not name the digest it pushed")
	}
	return digest, imageFailure("push image", ref, err)
}

// Tag gives an image a further name.
func (e *Engine) Tag(ctx context.Context, image, ref string) error {
	_, err := e.api.ImageTag(ctx, client.ImageTagOptions{Source: image, Target: ref})
	return imageFailure("tag image", image, err)
}

// RemoveImage takes a name off an image, and removes it with its last. One that is gone is no error; one a container
// uses is ErrConflict.
func (e *Engine) RemoveImage(ctx context.Context, ref string, force bool) error {
	_, err := e.api.ImageRemove(ctx, ref, client.ImageRemoveOptions{Force: force, PruneChildren: true})
	if err = imageFailure("remove image", ref, err); errors.Is(err, ErrImageNotFound) {
		return nil
	}
	return err
}

// Load takes in images from a tar archive as `docker save` writes it and returns their names, or ids where unnamed.
func (e *Engine) Load(ctx context.Context, tar io.Reader) (refs []string, err error) {
	result, err := e.api.ImageLoad(ctx, tar, client.ImageLoadWithQuiet(true))
	if err != nil {
		return nil, failure("load images into", "the engine", err)
	}
	defer result.Close()
	err = readMessages(result, nil, func(m message) {
		for _, mark := range []string{"Loaded image: ", "Loaded image ID: ", "Loaded image(s): "} {
			if ref, ok := strings.CutPrefix(strings.TrimSpace(m.Stream), mark); ok {
				refs = append(refs, strings.Split(ref, ",")...)
			}
		}
	})
	return refs, failure("load images into", "the engine", err)
}

func (a Auth) encode() (string, error) {
	return authconfig.Encode(registry.AuthConfig{Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken})
}
