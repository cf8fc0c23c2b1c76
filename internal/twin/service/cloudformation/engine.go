package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway.dev/internal/cfn"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// principal is who the engine acts as.
const principal = "cloudformation.amazonaws.com"

// recheck is how long the engine waits for news before it looks for itself.
const recheck = time.Second

// work is one stack operation in the hands of its driver: what the steps have in common and need not be read again.
type work struct {
	*Service
	ctx   context.Context // acts as CloudFormation in the stack's account and region
	key   store.Key
	plans map[string]*plan // by template text: the target's and, in a rollback, the source's
}

// drive takes steps until the operation is over or the process ends.
func (s *Service) drive(ctx, life context.Context, k store.Key) {
	w := &work{Service: s, ctx: operation.AsService(ctx, principal, k.Account, k.Region), key: k, plans: map[string]*plan{}}
	for life.Err() == nil {
		news := s.Changed.Wait()
		moved, over, err := w.step()
		if err != nil {
			s.Log.Error("stack operation", "stack", k.ID, "error", err)
		}
		if over {
			return
		}
		if moved && err == nil {
			continue
		}
		select {
		case <-news:
		case <-s.Clock.After(recheck):
		case <-life.Done():
		}
	}
}

// turn is a step under way: one transaction.
type turn struct {
	*work
	ctx   context.Context
	tx    *store.Tx
	st    stack
	rows  map[string]*stackResource
	moved bool
}

// step does everything that can be done now, in one transaction.
func (w *work) step() (moved, over bool, err error) {
	err = w.Store.Update(w.ctx, func(ctx context.Context, tx *store.Tx) error {
		st, err := stacks.Get(tx, w.key)
		if err != nil || st.Operation == nil {
			over = true
			return err
		}
		t := &turn{work: w, ctx: ctx, tx: tx, st: st, rows: map[string]*stackResource{}}
		list, err := w.resourcesOf(ctx, tx, st.ID)
		if err != nil {
			return err
		}
		for i := range list {
			t.rows[list[i].LogicalID] = &list[i]
		}
		err = t.advance()
		moved, over = t.moved, t.st.Operation == nil
		return err
	})
	return moved, over, err
}

func (t *turn) advance() error {
	switch t.st.Operation.Phase {
	case forward:
		return t.advanceTo(t.st.Operation.Target)
	case back:
		return t.advanceTo(t.st.Operation.Source)
	}
	return t.advanceRemoval()
}

// planOf prepares a definition once a driver.
func (t *turn) planOf(d definition) (*plan, error) {
	if p := t.plans[d.Template]; p != nil {
		return p, nil
	}
	p, err := t.prepare(t.ctx, t.st, &d)
	if err != nil {
		return nil, err
	}
	t.plans[d.Template] = p
	return p, nil
}

// advanceTo brings the stack towards a definition: what is ready is created or updated, what settles is looked at.
func (t *turn) advanceTo(d definition) error {
	p, err := t.planOf(d)
	if err != nil {
		return t.fail("", err)
	}
	t.bind(p)
	if t.st.Operation.Cancelled && t.st.Operation.Phase == forward {
		return t.fail("", errors.New("User Initiated"))
	}
	if t.late() {
		return t.fail("", errors.New("Stack creation timed out"))
	}
	pending := false
	for _, id := range p.graph.IDs() {
		done, err := t.advanceResource(p, d, id)
		if err != nil {
			return err
		}
		pending = pending || !done
	}
	if len(t.st.Operation.Failed) > 0 {
		return t.turnBack()
	}
	if pending {
		return nil
	}
	t.moved = true
	return t.arrive(p, d)
}

// late reports whether a creation has used up its time.
func (t *turn) late() bool {
	limit := time.Duration(t.st.TimeoutMinutes) * time.Minute
	return limit > 0 && t.st.Operation.Kind == "createStack" && t.st.Operation.Phase == forward && t.Clock.Now().Sub(t.st.Operation.Started) > limit
}

// bind makes the plan's references read this turn's resources.
func (t *turn) bind(p *plan) {
	p.eval.Ref = func(id string) (any, error) {
		if r := t.rows[id]; r != nil {
			return r.PhysicalID, nil
		}
		return nil, fmt.Errorf("resource %s has not been created", id)
	}
	p.eval.GetAtt = func(id, attribute string) (any, error) { return t.attribute(id, attribute) }
	p.eval.Import = t.importer(t.ctx, p)
	p.eval.AZs = t.zones(t.ctx)
	p.eval.Dynamic = nil
}

func (t *turn) attribute(id, name string) (any, error) {
	r := t.rows[id]
	if r == nil {
		return nil, fmt.Errorf("resource %s has not been created", id)
	}
	if value, ok := lookup(r.Attributes, name); ok {
		return value, nil
	}
	return nil, wire.Errorf("ValidationError", "Requested attribute %s does not exist in schema for %s", name, r.Type)
}

// lookup finds an attribute by its name, or by the path the name spells ("Endpoint.Address").
func lookup(attributes map[string]any, name string) (any, bool) {
	if value, ok := attributes[name]; ok {
		return value, true
	}
	first, rest, nested := strings.Cut(name, ".")
	inner, ok := attributes[first].(map[string]any)
	if !nested || !ok {
		return nil, false
	}
	return lookup(inner, rest)
}

// advanceResource does what one resource is ready for and reports whether it is done for this phase.
func (t *turn) advanceResource(p *plan, d definition, id string) (done bool, err error) {
	r := t.rows[id]
	switch {
	case r != nil && r.Step == settling:
		return t.settle(r)
	case r != nil && r.Operation == t.visit():
		return true, nil
	case !t.ready(p, id) || len(t.st.Operation.Failed) > 0:
		return false, nil
	}
	return t.start(p, d, p.template.Resource(id))
}

// visit names the phase that settled a resource: a rollback visits the resources again.
func (t *turn) visit() string { return t.st.Operation.ID + "/" + string(t.st.Operation.Phase) }

func (t *turn) ready(p *plan, id string) bool {
	return !slices.ContainsFunc(p.graph.DependsOn(id), func(needed string) bool {
		r := t.rows[needed]
		return r == nil || r.Step != atRest || r.Operation != t.visit()
	})
}

// fail notes a failure; the rollback begins when this turn's work is done. An empty id is the stack itself.
func (t *turn) fail(id string, err error) error {
	op := t.st.Operation
	if op.Failure == "" {
		op.Failure = message(err)
	}
	if id == "" {
		return t.turnBack()
	}
	op.Failed = append(op.Failed, id)
	return t.save(t.ctx, t.tx, t.st)
}

// message is an error as an event shows it.
func message(err error) string {
	var known *wire.Error
	if errors.As(err, &known) {
		return fmt.Sprintf("%s (Error Code: %s)", known.Message, known.Code)
	}
	return cfn.Message(err)
}
