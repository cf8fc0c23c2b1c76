package delivery

import (
	"context"
	"errors"
	"slices"

	"slipway.dev/internal/blueprint"
)

// Deployment is what a delivery led to.
type Deployment struct {
	Environment string   `json:"environment"`
	Service     string   `json:"service,omitempty"`
	Revision    string   `json:"revision,omitempty"` // tag of the image
	Image       string   `json:"image,omitempty"`
	URL         string   `json:"url,omitempty"`   // where it answers
	Hosts       []string `json:"hosts,omitempty"` // the Host headers it answers to, where it answers to no others
	Changed     bool     `json:"changed"`         // something was created, updated or pushed
}

// Up brings up everything of the file in an environment: the environment, the service's image and the service. The empty name is
// the first environment of the file.
func (p *Project) Up(ctx context.Context, name string) (*Deployment, error) {
	env, err := p.environment(name)
	if err != nil {
		return nil, err
	}
	if err := p.admit(ctx); err != nil {
		return nil, err
	}
	facts := p.facts()
	if facts.AZCount, err = p.zoneCount(ctx, []string{env.Name}); err != nil {
		return nil, err
	}
	stacks, err := blueprint.Render(p.Manifest, env.Name, facts)
	if err != nil {
		return nil, err
	}
	watch := p.watchOutcomes()
	base := slices.DeleteFunc(stacks, func(s blueprint.Stack) bool { return s.Kind == blueprint.KindService })
	there, image, err := p.prepare(ctx, base)
	if err != nil {
		return nil, err
	}
	d := &Deployment{Environment: env.Name}
	if balancer := there[p.name(blueprint.KindLoadBalancer, env.Name)]; balancer != nil {
		d.URL = p.Target.reachable(balancer.Outputs["BaseUrl"])
	}
	if image != nil {
		d, err = p.deploy(ctx, env.Name, image)
	}
	if err != nil {
		return nil, err
	}
	d.Hosts = p.hostsOf(d.Service)
	d.Changed = watch() || image != nil && image.Pushed
	return d, nil
}

// prepare brings up everything but the service, and makes its image meanwhile. Both are brought to an end, whatever becomes of the
// other. Without a service the image is nil.
func (p *Project) prepare(ctx context.Context, stacks []blueprint.Stack) (there map[string]*Stack, image *Image, err error) {
	w, err := newProgress(p.wanted(stacks))
	if err != nil {
		return nil, nil, err
	}
	made := make(chan error, 1)
	go func() {
		var err error
		image, err = p.ship(ctx, w)
		made <- err
	}()
	err = sideBySide(p.wanted(stacks), func(s blueprint.Stack) error { return w.upsert(ctx, p, s) })
	err = errors.Join(err, <-made)
	return w.stacks, image, err
}

// ship makes sure the image is in the repository: built and pushed, unless a tag of its very state is there.
func (p *Project) ship(ctx context.Context, w *progress) (*Image, error) {
	service := p.Manifest.Service
	if service == nil {
		return nil, nil
	}
	if service.ImageRepository != "" {
		return &Image{Reference: service.ImageRepository, Tag: p.Git.Revision}, nil
	}
	tag, err := p.Tag()
	if err != nil {
		return nil, err
	}
	return p.shipAs(ctx, tag, w)
}

// shipAs builds while the repository's stack comes up, where the repository is not there already.
func (p *Project) shipAs(ctx context.Context, tag string, w *progress) (*Image, error) {
	repo := p.name(blueprint.KindRepo, p.Manifest.Service.Name)
	known, err := p.find(ctx, repo)
	if err != nil {
		return nil, err
	}
	if known.exists() && known.Outputs["RepoUrl"] != "" {
		image, err := p.findImage(ctx, known.Outputs["RepoUrl"], tag)
		if err != nil || image != nil {
			return image, err
		}
	}
	engineOf, err := p.Engine(ctx)
	if err != nil {
		return nil, err
	}
	local := blueprint.RepoName(p.Manifest.Namespace, p.Manifest.Service.Name) + ":" + tag
	architecture, err := p.build(ctx, engineOf, local)
	if err != nil {
		return nil, err
	}
	if err := w.await([]string{repo}); err != nil {
		return nil, nil // the stack's own error is the one to tell
	}
	address, err := p.repository(ctx)
	if err != nil {
		return nil, err
	}
	return p.pushAs(ctx, engineOf, local, address, tag, architecture)
}

func (p *Project) pushAs(ctx context.Context, engineOf ImageEngine, local, address, tag, architecture string) (*Image, error) {
	if err := engineOf.Tag(ctx, local, address+":"+tag); err != nil {
		return nil, err
	}
	digest, err := p.push(ctx, engineOf, address+":"+tag)
	if err != nil {
		return nil, err
	}
	return &Image{Reference: address + "@" + digest, Repository: address, Tag: tag, Architecture: architecture, Pushed: true}, nil
}

// watchOutcomes notes from now on whether any stack changes; the function returned tells.
func (p *Project) watchOutcomes() func() bool {
	inner, seen := p.Reporter, &changes{}
	p.Reporter = ReporterFunc(func(e Event) {
		seen.note(e)
		if inner != nil {
			inner.Report(e)
		}
	})
	return func() bool {
		p.Reporter = inner
		return seen.any.Load()
	}
}
