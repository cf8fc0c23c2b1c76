package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway.dev/internal/blueprint"
	"slipway.dev/internal/engine"
	"slipway.dev/internal/manifest"
)

// Project is a manifest on its way to a target.
type Project struct {
	Manifest *manifest.Manifest
	Dir      string // folder of the manifest, from which the image is built
	Target   *Target
	Reporter Reporter // nil reports nothing
	Engine   func(context.Context) (ImageEngine, error)
	Version  string // of slipway
	Git      Git

	DisableIAM       bool // leave every stack about IAM alone
	SkipVersionCheck bool // touch stacks of another major version
	AllowDataLoss    bool // lift stack policies and termination protection
	Yes              bool // do not ask
	// Confirm asks a person. Nil answers no.
	Confirm func(question string) (bool, error)

	role     roleOnce
	underWay underWay
}

// ImageEngine is what delivery asks of a container engine.
type ImageEngine interface {
	Build(ctx context.Context, b engine.Build) (imageID string, err error)
	Tag(ctx context.Context, image, ref string) error
	Push(ctx context.Context, ref string, auth engine.Auth, progress io.Writer) (digest string, err error)
	Info(ctx context.Context) (engine.Info, error)
}

// facts are what rendering needs to know besides the manifest.
func (p *Project) facts() blueprint.Facts {
	return blueprint.Facts{Version: p.Version, Revision: p.Git.Revision, RepoSlug: p.Git.Slug}
}

// environment resolves the name a user gave: any case; none is the first of the file.
func (p *Project) environment(name string) (*manifest.Environment, error) {
	if name != "" {
		return p.Manifest.FindEnvironment(name)
	}
	if len(p.Manifest.Environments) == 0 {
		return nil, fmt.Errorf("%s has no environments: add one, or begin with slipway init", p.Manifest.Path)
	}
	first := &p.Manifest.Environments[0]
	if len(p.Manifest.Environments) > 1 {
		p.step(fmt.Sprintf("Taking %s, the first environment of %s; choose with --env %s", first.Name, p.Manifest.Path, strings.Join(p.Manifest.EnvironmentNames(), "|")))
	}
	return first, nil
}

func (p *Project) service() (*manifest.Service, error) {
	if p.Manifest.Service == nil {
		return nil, fmt.Errorf("%s describes no service: add a service section", p.Manifest.Path)
	}
	return p.Manifest.Service, nil
}

// ErrDeclined says that the user was asked and did not say yes.
var ErrDeclined = errors.New("nothing was done")

// admit asks before the first stack of a namespace is made in an AWS account.
func (p *Project) admit(ctx context.Context) error {
	if p.Target.Name != TargetAWS || p.Yes {
		return nil
	}
	stacks, err := p.stacks(ctx)
	if err != nil || len(stacks) > 0 {
		return err
	}
	return p.ask(fmt.Sprintf("Nothing of the namespace %s is in the AWS account %s (%s) yet. Create it there?",
		p.Manifest.Namespace, p.Target.Account, p.Target.Region))
}

func (p *Project) ask(question string) error {
	if p.Yes {
		return nil
	}
	if p.Confirm == nil {
		return fmt.Errorf("%s: %w", question, ErrDeclined)
	}
	yes, err := p.Confirm(question)
	if err == nil && !yes {
		err = ErrDeclined
	}
	return err
}

// pace is how long to wait between looks at the server: it grows from least to most.
type pace struct{ next, most time.Duration }

func (p *Project) pace() *pace {
	if p.Target.local() {
		return &pace{25 * time.Millisecond, 400 * time.Millisecond}
	}
	return &pace{500 * time.Millisecond, 2 * time.Second}
}

// wait waits; it returns the reason when ctx ends first.
func (w *pace) wait(ctx context.Context) error {
	timer := time.NewTimer(w.next)
	defer timer.Stop()
	w.next = min(w.next*3/2, w.most)
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// underWay is what goes on at the server when the tool stops looking.
type underWay struct {
	lock  sync.Mutex
	byKey map[string]Operation
}

func (u *underWay) begin(stack string, o Operation) {
	u.lock.Lock()
	defer u.lock.Unlock()
	if u.byKey == nil {
		u.byKey = map[string]Operation{}
	}
	u.byKey[stack] = o
}

func (u *underWay) end(stack string) {
	u.lock.Lock()
	defer u.lock.Unlock()
	delete(u.byKey, stack)
}

// UnderWay names the stacks that CloudFormation is still working on for this project, and what it does to them. After an
// interruption these go on by themselves: each finishes or is rolled back.
func (p *Project) UnderWay() []Event {
	p.underWay.lock.Lock()
	defer p.underWay.lock.Unlock()
	var list []Event
	for _, name := range slices.Sorted(maps.Keys(p.underWay.byKey)) {
		list = append(list, Event{Stack: name, Operation: p.underWay.byKey[name]})
	}
	return list
}
