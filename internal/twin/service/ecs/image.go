package ecs

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"

	"slipway.dev/internal/engine"
	"slipway.dev/internal/twin/api/ecr"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// ecrImage is an image of AWS's ECR: 123456789012.dkr.ecr.us-east-1.amazonaws.com/app/web:v1.
var ecrImage = regexp.MustCompile(`^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/(.+)$`)

// twinImage is an image of the twin's ECR: 127.0.0.1:4566/123456789012/us-east-1/app/web:v1.
var twinImage = regexp.MustCompile(`^([^/]+)/(\d{12})/([a-z0-9-]+)/(.+)$`)

// imageOf is the name under which the engine can have an image: ECR here is the twin.
func (s *Service) imageOf(_ context.Context, image string) string {
	if m := ecrImage.FindStringSubmatch(image); m != nil {
		return s.registry() + "/" + m[1] + "/" + m[2] + "/" + m[3]
	}
	if m := twinImage.FindStringSubmatch(image); m != nil && isLoopback(m[1]) {
		return s.registry() + "/" + m[2] + "/" + m[3] + "/" + m[4] // the twin may have another port today
	}
	return image
}

// registry is the twin's address as an image name spells it.
func (s *Service) registry() string {
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		return s.Endpoint
	}
	return u.Host
}

func isLoopback(host string) bool {
	return strings.HasPrefix(host, "127.0.0.1:") || strings.HasPrefix(host, "localhost:")
}

// ofTwin reports whether an image, as imageOf spells it, is one of the twin's ECR, and where.
func (s *Service) ofTwin(image string) (account, region string, ok bool) {
	m := twinImage.FindStringSubmatch(image)
	if m == nil || m[1] != s.registry() {
		return "", "", false
	}
	return m[2], m[3], true
}

// pullAll gets the images of a task's containers.
func (s *Service) pullAll(ctx context.Context, docker *engine.Engine, t task, d definition) error {
	t, err := s.changeTask(ctx, t.ID, func(_ context.Context, _ *store.Tx, t *task) (bool, error) {
		first := t.PullStarted.IsZero()
		if first {
			t.PullStarted = s.Clock.Now()
		}
		return first, nil
	})
	if err != nil {
		return err
	}
	whole := ctx
	ctx, cancel := s.whileWanted(ctx, t.ID)
	defer cancel()
	pulled := map[string]bool{}
	notes := []string{}
	for _, c := range d.ContainerDefinitions {
		image := s.imageOf(ctx, *c.Image)
		if pulled[image] {
			continue
		}
		note, err := s.pull(ctx, docker, image)
		if err != nil && whole.Err() == nil && ctx.Err() != nil {
			return nil // it is to stop: the next step does that
		}
		if err != nil && (ctx.Err() != nil || errors.Is(err, engine.ErrEngineGone)) {
			return err
		}
		if err != nil {
			return s.fail(ctx, t, fmt.Sprintf("CannotPullContainerError: %v", err), t.container(*c.Name))
		}
		if note != "" {
			notes = append(notes, fmt.Sprintf("(task %s) %s", t.ID, note))
		}
		pulled[image] = true
	}
	_, err = s.changeTask(whole, t.ID, func(ctx context.Context, tx *store.Tx, t *task) (bool, error) {
		t.PullStopped = s.Clock.Now()
		return true, s.noteOf(ctx, tx, *t, notes...)
	})
	return err
}

// whileWanted is a context that ends when the task is to stop.
func (s *Service) whileWanted(ctx context.Context, id string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		for ctx.Err() == nil {
			changed := s.Changed.Wait()
			wanted := false
			err := s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
				t, err := taskRows.Get(tx, s.key(ctx, id))
				wanted = err == nil && t.Desired != taskStopped
				return err
			})
			if err != nil || !wanted {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}()
	return ctx, cancel
}

// pull gets an image. One of the twin's ECR is always asked for; one from elsewhere only where the engine does not have it.
// An image that the engine has and nobody can be asked for is used, with a note.
func (s *Service) pull(ctx context.Context, docker *engine.Engine, image string) (note string, err error) {
	has, err := docker.HasImage(ctx, image)
	if err != nil {
		return "", err
	}
	account, region, own := s.ofTwin(image)
	if has && !own {
		return "", nil
	}
	auth := engine.Auth{}
	if own {
		if auth, err = s.registryAuth(operation.AsService(ctx, principal, account, region)); err != nil && !has {
			return "", err
		}
	}
	if err == nil {
		err = docker.Pull(ctx, image, auth, io.Discard)
	}
	if err != nil && has && ctx.Err() == nil {
		return fmt.Sprintf("uses image %s as the container engine has it: it could not be pulled (%v).", image, err), nil
	}
	return "", err
}

func (s *Service) registryAuth(ctx context.Context) (engine.Auth, error) {
	out, err := s.ecr.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return engine.Auth{}, fmt.Errorf("log in to ECR: %w", err)
	}
	if len(out.AuthorizationData) == 0 {
		return engine.Auth{}, errors.New("log in to ECR: no authorization data")
	}
	plain, err := base64.StdEncoding.DecodeString(wire.Value(out.AuthorizationData[0].AuthorizationToken))
	if err != nil {
		return engine.Auth{}, fmt.Errorf("log in to ECR: %w", err)
	}
	user, password, _ := strings.Cut(string(plain), ":")
	return engine.Auth{Username: user, Password: password}, nil
}

// noteOf writes events of a task's service.
func (s *Service) noteOf(ctx context.Context, tx *store.Tx, t task, messages ...string) error {
	if t.Service == "" || len(messages) == 0 {
		return nil
	}
	k := s.key(ctx, t.Cluster+"/"+t.Service)
	v, err := services.Get(tx, k)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, text := range messages {
		v.note(s.Clock.Now(), fmt.Sprintf("(service %s) %s", v.Name, text))
	}
	return services.Put(tx, k, v)
}
