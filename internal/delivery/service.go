package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"slipway.dev/internal/blueprint"
)

// Push builds the image and pushes it under a tag; the empty tag is that of the present files. A tag that is in the repository
// already stays as it is, because tags are immutable.
func (p *Project) Push(ctx context.Context, tag string) (*Image, error) {
	service, err := p.service()
	if err != nil {
		return nil, err
	}
	if service.ImageRepository != "" {
		return nil, fmt.Errorf("service.imageRepository names an image that is used as it is (%s): there is nothing to push", service.ImageRepository)
	}
	if err := p.admit(ctx); err != nil {
		return nil, err
	}
	if tag == "" {
		if tag, err = p.Tag(); err != nil {
			return nil, err
		}
	}
	repo, err := blueprint.Repo(p.Manifest, p.facts())
	if err != nil {
		return nil, err
	}
	w, err := newProgress([]blueprint.Stack{repo})
	if err != nil {
		return nil, err
	}
	up := make(chan error, 1)
	go func() { up <- w.upsert(ctx, p, repo) }()
	image, err := p.shipAs(ctx, tag, w)
	return image, errors.Join(<-up, err)
}

// Deploy deploys an image that has been pushed into an environment that is up. The empty tag is that of the present files; an
// older one rolls back.
func (p *Project) Deploy(ctx context.Context, env, tag string) (*Deployment, error) {
	e, err := p.Manifest.FindEnvironment(env)
	if err != nil {
		return nil, err
	}
	if _, err := p.service(); err != nil {
		return nil, err
	}
	if err := p.admit(ctx); err != nil {
		return nil, err
	}
	if _, err := p.ready(ctx, blueprint.KindEnvironment, e.Name); err != nil {
		return nil, err
	}
	stacks, err := blueprint.Service(p.Manifest, e.Name, p.facts())
	if err != nil {
		return nil, err
	}
	changed := p.watchOutcomes()
	if _, err := p.UpsertAll(ctx, stacks[:len(stacks)-1]); err != nil {
		return nil, err
	}
	image, err := p.pushed(ctx, tag)
	if err != nil {
		return nil, err
	}
	d, err := p.deploy(ctx, e.Name, image)
	if err != nil {
		return nil, err
	}
	d.Hosts = p.hostsOf(d.Service)
	d.Changed = changed()
	return d, nil
}

// pushed finds the image to deploy.
func (p *Project) pushed(ctx context.Context, tag string) (*Image, error) {
	if named := p.Manifest.Service.ImageRepository; named != "" {
		return &Image{Reference: named, Tag: p.Git.Revision}, nil
	}
	if tag == "" {
		var err error
		if tag, err = p.Tag(); err != nil {
			return nil, err
		}
	}
	address, err := p.repository(ctx)
	if err != nil {
		return nil, err
	}
	image, err := p.findImage(ctx, address, tag)
	if err == nil && image == nil {
		err = fmt.Errorf("no image %s:%s in the repository: push it with slipway svc push, or give the --tag of one that is there", address, tag)
	}
	return image, err
}

// Undeploy deletes a service (the file's where none is named) from an environment. Images and environment stay.
func (p *Project) Undeploy(ctx context.Context, env, service string) error {
	env, service, err := p.deployed(env, service)
	if err != nil {
		return err
	}
	stacks, err := p.stacksOf(ctx, func(s *Stack) bool { return s.Tag("environment") == env && s.Tag("service") == service })
	if err != nil {
		return err
	}
	if len(stacks) == 0 {
		p.step(fmt.Sprintf("The service %s is not in the environment %s", service, env))
		return nil
	}
	return p.takeDown(ctx, fmt.Sprintf("the service %s in the environment %s", service, env), stacks)
}

// deployed resolves the environment's spelling and the service's name.
func (p *Project) deployed(env, service string) (string, string, error) {
	if service == "" {
		s, err := p.service()
		if err != nil {
			return "", "", err
		}
		service = s.Name
	}
	return p.spelling(env), service, nil
}

// ShowService lists where a service (the file's where none is named) is deployed.
func (p *Project) ShowService(ctx context.Context, service string) ([]ServiceState, error) {
	_, service, err := p.deployed("", service)
	if err != nil {
		return nil, err
	}
	stacks, err := p.stacksOf(ctx, func(s *Stack) bool {
		return s.Tag("type") == string(blueprint.KindService) && s.Tag("service") == service
	})
	if err != nil {
		return nil, err
	}
	var states []ServiceState
	for _, s := range stacks {
		state, err := p.serviceState(ctx, s)
		if err != nil {
			return nil, err
		}
		states = append(states, *state)
	}
	return states, nil
}

// serviceState reads what a service's stack does not know from ECS.
func (p *Project) serviceState(ctx context.Context, s *Stack) (*ServiceState, error) {
	state := &ServiceState{Service: s.Tag("service"), Environment: s.Tag("environment"), Revision: s.Tag("revision"), Status: s.Status, ChangedAt: s.ChangedAt}
	running, err := p.ecsService(ctx, state.Service, state.Environment)
	if err != nil {
		return nil, err
	}
	if running != nil {
		state.Running, state.Desired = int(running.RunningCount), int(running.DesiredCount)
	}
	if base := s.Outputs["BaseUrl"]; base != "" {
		state.URL = cmp.Or(p.urlOf(base, state.Service), p.Target.reachable(base))
		state.Hosts = p.hostsOf(state.Service)
	}
	return state, nil
}

// urlOf is where a service of the file answers; empty for one of another file.
func (p *Project) urlOf(base, service string) string {
	if s := p.Manifest.Service; s != nil && s.Name == service {
		return p.Target.serviceURL(base, s)
	}
	return ""
}

// hostsOf are the host names without which a service of the file is not found: a path of its own would be answered on every host.
func (p *Project) hostsOf(service string) []string {
	if s := p.Manifest.Service; s != nil && s.Name == service && len(s.PathPatterns) == 0 {
		return s.HostPatterns
	}
	return nil
}
