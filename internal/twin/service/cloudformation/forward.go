package cloudformation

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"slipway.dev/internal/cfn"
	"slipway.dev/internal/cfn/schema"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// start creates a resource, updates it, or sees that there is nothing to do.
func (t *turn) start(p *plan, d definition, declared *cfn.Resource) (done bool, err error) {
	r := t.rows[declared.LogicalID]
	if r != nil && t.st.Operation.Phase == back {
		return t.restore(p, r)
	}
	properties, err := t.resolve(p, declared)
	if r == nil {
		r = &stackResource{StackID: t.st.ID, LogicalID: declared.LogicalID, Type: declared.Type, Fresh: true}
		t.rows[declared.LogicalID] = r
		return t.create(p, d, declared, r, properties, err)
	}
	if err != nil {
		return t.refuse(r, "UPDATE", err)
	}
	return t.change(p, d, declared, r, properties)
}

// resolve evaluates a resource's properties and gives scalars the types of the schema.
func (t *turn) resolve(p *plan, declared *cfn.Resource) (map[string]any, error) {
	properties, err := p.eval.ResolveProperties(declared)
	if err != nil {
		return nil, err
	}
	typ, ok := schema.Lookup(declared.Type)
	if !ok {
		return properties, nil
	}
	properties = typ.Coerce(properties)
	if problems := typ.Validate(properties); len(problems) > 0 {
		var texts []string
		for _, problem := range problems {
			texts = append(texts, problem.String())
		}
		return nil, wire.Errorf("ValidationError", "Properties validation failed for resource %s with message: %s", declared.LogicalID, strings.Join(texts, "; "))
	}
	return properties, nil
}

func (t *turn) create(p *plan, d definition, declared *cfn.Resource, r *stackResource, properties map[string]any, failed error) (bool, error) {
	t.moved = true
	r.Properties, r.Tags, r.Token = properties, d.Tags, t.st.Operation.ID+"/"+r.LogicalID
	r.declare(p, declared)
	if err := t.mark(t.ctx, t.tx, t.st, r, "CREATE_IN_PROGRESS", ""); err != nil {
		return false, err
	}
	if failed != nil {
		return t.refuse(r, "CREATE", failed)
	}
	err := t.call(func(ctx context.Context, typ resource.Type) error {
		live, err := t.live(ctx, p, properties)
		if err != nil {
			return err
		}
		r.PhysicalID, err = typ.Create(ctx, t.request(t.st, *r, live, nil))
		return err
	}, r)
	if err != nil {
		return t.refuse(r, "CREATE", err)
	}
	return t.initiated(r, "CREATE_IN_PROGRESS", "Resource creation Initiated")
}

// initiated waits for the resource, or is done with it where its service needs no time.
func (t *turn) initiated(r *stackResource, status, reason string) (bool, error) {
	r.Step = settling
	if err := t.mark(t.ctx, t.tx, t.st, r, status, reason); err != nil {
		return false, err
	}
	return t.settle(r)
}

// declare copies what the template says of the resource beside its properties.
func (r *stackResource) declare(p *plan, declared *cfn.Resource) {
	r.DependsOn = p.graph.DependsOn(declared.LogicalID)
	r.DeletionPolicy, r.ReplacePolicy = declared.DeletionPolicy, declared.UpdateReplacePolicy
}

// live resolves the dynamic references of properties for one call; the result is not kept.
func (t *turn) live(ctx context.Context, p *plan, properties map[string]any) (map[string]any, error) {
	p.eval.Dynamic = t.dynamic(ctx)
	defer func() { p.eval.Dynamic = nil }()
	resolved, err := p.eval.ResolveDynamic(properties)
	if err != nil {
		return nil, err
	}
	live, ok := resolved.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("properties are %T", resolved)
	}
	return live, nil
}

// call lets a resource's service act in a savepoint: what a failing call wrote is undone.
func (t *turn) call(f func(ctx context.Context, typ resource.Type) error, r *stackResource) error {
	typ, ok := t.types[r.Type]
	if !ok {
		return wire.Errorf("ValidationError", "The twin does not serve the resource type %s", r.Type)
	}
	return t.Store.Update(t.ctx, func(ctx context.Context, tx *store.Tx) error { return f(ctx, typ) })
}

// settle asks whether a resource has come to rest.
func (t *turn) settle(r *stackResource) (bool, error) {
	verb, _, _ := strings.Cut(r.Status, "_")
	settled := true
	err := t.call(func(ctx context.Context, typ resource.Type) (err error) {
		req := t.request(t.st, *r, r.Properties, nil)
		if typ.Settled != nil {
			if settled, err = typ.Settled(ctx, req); err != nil || !settled {
				return err
			}
		}
		if typ.Attributes != nil {
			r.Attributes, err = typ.Attributes(ctx, req)
		}
		return err
	}, r)
	switch {
	case err != nil:
		t.moved = true
		return t.refuse(r, verb, err)
	case !settled:
		return false, nil
	}
	t.moved = true
	r.Step, r.Operation = atRest, t.visit()
	if t.st.Operation.Phase == back {
		r.Before = nil
	}
	return true, t.mark(t.ctx, t.tx, t.st, r, verb+"_COMPLETE", "")
}

// refuse marks a resource as failed.
func (t *turn) refuse(r *stackResource, verb string, err error) (bool, error) {
	t.moved = true
	r.Step = atRest
	if merr := t.mark(t.ctx, t.tx, t.st, r, verb+"_FAILED", message(err)); merr != nil {
		return false, merr
	}
	return false, t.fail(r.LogicalID, err)
}

// change updates an existing resource: in place, by replacement, or not at all.
func (t *turn) change(p *plan, d definition, declared *cfn.Resource, r *stackResource, properties map[string]any) (bool, error) {
	before := r.version()
	kind := t.kindOf(*r, declared.Type, properties, d.Tags)
	if kind == unchanged {
		r.declare(p, declared)
		r.Operation = t.visit()
		return true, t.saveRow(t.ctx, t.tx, *r)
	}
	t.moved = true
	if r.Before == nil {
		r.Before = &before
	}
	r.Properties, r.Tags, r.Type = properties, d.Tags, declared.Type
	r.declare(p, declared)
	reason := ""
	if kind == replace {
		reason = "Requested update requires the creation of a new physical resource; hence creating one."
	}
	if err := t.mark(t.ctx, t.tx, t.st, r, "UPDATE_IN_PROGRESS", reason); err != nil {
		return false, err
	}
	return t.apply(p, r, kind, before)
}

// apply calls the service for an update or a replacement.
func (t *turn) apply(p *plan, r *stackResource, kind difference, before version) (bool, error) {
	err := t.call(func(ctx context.Context, typ resource.Type) error {
		live, err := t.live(ctx, p, r.Properties)
		if err != nil {
			return err
		}
		if kind == inPlace && typ.Update == nil {
			return nil // only a replacement could have changed it, and that one was not made
		}
		if kind == inPlace {
			return typ.Update(ctx, t.request(t.st, *r, live, before.Properties))
		}
		r.Token = t.visit() + "/" + r.LogicalID
		id, err := typ.Create(ctx, t.request(t.st, *r, live, nil))
		if err == nil {
			r.Replaced = append(r.Replaced, before)
			r.PhysicalID = id
		}
		return err
	}, r)
	if err != nil {
		return t.refuse(r, "UPDATE", err)
	}
	if kind == inPlace {
		r.Step = settling
		if err := t.saveRow(t.ctx, t.tx, *r); err != nil {
			return false, err
		}
		return t.settle(r)
	}
	return t.initiated(r, "UPDATE_IN_PROGRESS", "Resource creation Initiated")
}

// difference is what an update has to do with a resource.
type difference int

const (
	unchanged difference = iota
	inPlace
	replace
)

func (t *turn) kindOf(r stackResource, newType string, properties map[string]any, tags map[string]string) difference {
	typ := t.types[newType]
	switch {
	case newType != r.Type:
		return replace
	case len(cfn.DiffProperties(r.Properties, properties)) == 0:
		if maps.Equal(r.Tags, tags) || typ.Update == nil || !taggable(newType) {
			return unchanged
		}
		return inPlace
	case typ.Update == nil:
		return replace
	}
	if s, ok := schema.Lookup(newType); ok && s.Replacement(r.Properties, properties) == schema.Always {
		return replace
	}
	return inPlace
}

func taggable(name string) bool {
	s, ok := schema.Lookup(name)
	return ok && s.TagProperty != ""
}

// restore brings a resource back to what it was before the failed update.
func (t *turn) restore(p *plan, r *stackResource) (bool, error) {
	before := r.Before
	if before == nil {
		r.Operation = t.visit()
		return true, t.saveRow(t.ctx, t.tx, *r)
	}
	t.moved = true
	now := r.version()
	r.become(*before)
	if before.PhysicalID != now.PhysicalID {
		r.Replaced, r.Before = []version{now}, nil
		r.Operation = t.visit()
		if err := t.mark(t.ctx, t.tx, t.st, r, "UPDATE_IN_PROGRESS", ""); err != nil {
			return false, err
		}
		return true, t.mark(t.ctx, t.tx, t.st, r, "UPDATE_COMPLETE", "")
	}
	r.Replaced = nil
	if err := t.mark(t.ctx, t.tx, t.st, r, "UPDATE_IN_PROGRESS", ""); err != nil {
		return false, err
	}
	return t.apply(p, r, inPlace, now)
}
