package delivery

import (
	"context"
	"errors"
	"slices"
	"sync"

	"slipway.dev/internal/blueprint"
)

// errBlocked says that a stack was not touched because one it needs did not come up.
var errBlocked = errors.New("not touched")

// progress is what has become of stacks that come up side by side.
type progress struct {
	lock   sync.Mutex
	stacks map[string]*Stack
	done   map[string]chan struct{}
	failed map[string]bool
}

// UpsertAll brings stacks up, each as soon as those it depends on are there, and the others side by side. When one fails, those
// under way are followed to their end and those that need it are left alone. It returns the stacks that are there, by name.
func (p *Project) UpsertAll(ctx context.Context, stacks []blueprint.Stack) (map[string]*Stack, error) {
	w, err := newProgress(p.wanted(stacks))
	if err != nil {
		return nil, err
	}
	err = sideBySide(p.wanted(stacks), func(s blueprint.Stack) error { return w.upsert(ctx, p, s) })
	return w.stacks, err
}

// wanted leaves out stacks about IAM where they are somebody else's business.
func (p *Project) wanted(stacks []blueprint.Stack) []blueprint.Stack {
	if !p.DisableIAM {
		return stacks
	}
	return slices.DeleteFunc(slices.Clone(stacks), func(s blueprint.Stack) bool { return s.Kind.Type() == "iam" })
}

func newProgress(stacks []blueprint.Stack) (*progress, error) {
	if _, err := blueprint.Waves(stacks); err != nil {
		return nil, err
	}
	w := &progress{stacks: map[string]*Stack{}, done: map[string]chan struct{}{}, failed: map[string]bool{}}
	for _, s := range stacks {
		w.done[s.Name] = make(chan struct{})
	}
	return w, nil
}

func (w *progress) upsert(ctx context.Context, p *Project, s blueprint.Stack) error {
	var up *Stack
	err := w.await(s.DependsOn)
	if err == nil {
		up, err = p.Upsert(ctx, s)
	}
	w.finish(s.Name, up, err)
	if errors.Is(err, errBlocked) {
		return nil // what stopped it is the error
	}
	return err
}

// await waits for the stacks of this delivery that are named; others are taken to be there.
func (w *progress) await(names []string) error {
	for _, name := range names {
		if done, ours := w.done[name]; ours {
			<-done
		}
	}
	w.lock.Lock()
	defer w.lock.Unlock()
	if slices.ContainsFunc(names, func(name string) bool { return w.failed[name] }) {
		return errBlocked
	}
	return nil
}

func (w *progress) finish(name string, s *Stack, err error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	if err != nil {
		w.failed[name] = true
	} else {
		w.stacks[name] = s
	}
	close(w.done[name])
}
