package cloudformation

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"slipway.dev/internal/twin/resource"
)

// advanceRemoval deletes what the phase wants gone: everything (a deletion, a failed creation) or what an update left behind.
func (t *turn) advanceRemoval() error {
	if t.st.Operation.Phase == removal {
		if refused, err := t.exportsInUse(); err != nil || refused {
			return err
		}
	}
	leaving := t.condemned()
	pending := false
	for _, r := range leaving {
		if !t.free(r, leaving) {
			pending = true
			continue
		}
		gone, err := t.remove(r)
		if err != nil {
			return err
		}
		pending = pending || !gone
	}
	old, err := t.removeReplaced()
	if err != nil || pending || old {
		return err
	}
	return t.removed()
}

// condemned are the resources this phase deletes and has not failed to delete.
func (t *turn) condemned() []*stackResource {
	var list []*stackResource
	for _, r := range t.rows {
		if t.stays(r) || slices.Contains(t.st.Operation.Failed, r.LogicalID) {
			continue
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b *stackResource) int { return strings.Compare(a.LogicalID, b.LogicalID) })
	return list
}

// stays: after an update only resources that the phase before did not visit are deleted.
func (t *turn) stays(r *stackResource) bool {
	id := t.st.Operation.ID + "/"
	switch t.st.Operation.Phase {
	case cleanup:
		return r.Operation == id+string(forward)
	case sweep:
		return r.Operation == id+string(back)
	}
	return false
}

// free reports whether nothing that is still there needs the resource.
func (t *turn) free(r *stackResource, leaving []*stackResource) bool {
	return !slices.ContainsFunc(leaving, func(other *stackResource) bool {
		return other != r && slices.Contains(other.DependsOn, r.LogicalID)
	}) && !slices.ContainsFunc(t.st.Operation.Failed, func(id string) bool {
		return t.rows[id] != nil && slices.Contains(t.rows[id].DependsOn, r.LogicalID)
	})
}

// remove takes a resource one step towards its end and reports whether it is gone.
func (t *turn) remove(r *stackResource) (gone bool, err error) {
	if r.Step == leaving {
		return t.vanish(r)
	}
	t.moved = true
	if t.retained(r) {
		return true, t.skip(r)
	}
	if r.PhysicalID == "" {
		return true, t.drop(r)
	}
	if err := t.mark(t.ctx, t.tx, t.st, r, "DELETE_IN_PROGRESS", ""); err != nil {
		return false, err
	}
	if err := t.discard(r, r.version()); err != nil {
		return false, t.notRemoved(r, err)
	}
	r.Step = leaving
	return t.vanish(r)
}

func (t *turn) retained(r *stackResource) bool {
	switch r.DeletionPolicy {
	case "Retain":
		return true
	case "RetainExceptOnCreate":
		return t.st.Operation.Phase != undo && !r.Fresh
	}
	return slices.Contains(t.st.Operation.Retain, r.LogicalID)
}

func (t *turn) skip(r *stackResource) error {
	if err := t.mark(t.ctx, t.tx, t.st, r, "DELETE_SKIPPED", ""); err != nil {
		return err
	}
	return t.drop(r)
}

func (t *turn) drop(r *stackResource) error {
	delete(t.rows, r.LogicalID)
	return resources.Delete(t.tx, t.rowKey(t.ctx, *r))
}

// discard asks the service to delete one physical resource.
func (t *turn) discard(r *stackResource, v version) error {
	was := *r
	was.become(v)
	return t.call(func(ctx context.Context, typ resource.Type) error {
		return typ.Delete(ctx, t.request(t.st, was, v.Properties, nil))
	}, &was)
}

// vanish looks whether a deletion has come to rest.
func (t *turn) vanish(r *stackResource) (bool, error) {
	gone := true
	err := t.call(func(ctx context.Context, typ resource.Type) (err error) {
		if typ.Gone != nil {
			gone, err = typ.Gone(ctx, t.request(t.st, *r, r.Properties, nil))
		}
		return err
	}, r)
	switch {
	case err != nil:
		return false, t.notRemoved(r, err)
	case !gone:
		return false, t.saveRow(t.ctx, t.tx, *r)
	}
	t.moved = true
	if err := t.mark(t.ctx, t.tx, t.st, r, "DELETE_COMPLETE", ""); err != nil {
		return false, err
	}
	return true, t.drop(r)
}

// notRemoved: in a cleanup a resource that cannot be deleted is left behind; elsewhere it fails the operation.
func (t *turn) notRemoved(r *stackResource, err error) error {
	t.moved = true
	r.Step = atRest
	if err := t.mark(t.ctx, t.tx, t.st, r, "DELETE_FAILED", message(err)); err != nil {
		return err
	}
	if p := t.st.Operation.Phase; p == cleanup || p == sweep {
		return t.drop(r)
	}
	t.st.Operation.Failed = append(t.st.Operation.Failed, r.LogicalID)
	return t.save(t.ctx, t.tx, t.st)
}

// removeReplaced deletes what replacements have left; it reports whether some is still there.
func (t *turn) removeReplaced() (bool, error) {
	for _, r := range t.rows {
		for len(r.Replaced) > 0 {
			t.moved = true
			if err := t.removeVersion(r, r.Replaced[0]); err != nil {
				return false, err
			}
			r.Replaced = r.Replaced[1:]
			if err := t.saveRow(t.ctx, t.tx, *r); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

func (t *turn) removeVersion(r *stackResource, v version) error {
	e := event{LogicalID: r.LogicalID, PhysicalID: v.PhysicalID, Type: v.Type, Status: "DELETE_IN_PROGRESS"}
	if v.ReplacePolicy == "Retain" {
		e.Status = "DELETE_SKIPPED"
		return t.record(t.ctx, t.tx, t.st, e)
	}
	if err := t.record(t.ctx, t.tx, t.st, e); err != nil {
		return err
	}
	e.Status = "DELETE_COMPLETE"
	if err := t.discard(r, v); err != nil {
		e.Status, e.Reason = "DELETE_FAILED", message(err)
	}
	return t.record(t.ctx, t.tx, t.st, e)
}

// removed ends a phase in which there is nothing left to delete.
func (t *turn) removed() error {
	op := t.st.Operation
	switch op.Phase {
	case cleanup:
		return t.end("UPDATE_COMPLETE", "")
	case sweep:
		return t.end("UPDATE_ROLLBACK_COMPLETE", "")
	case undo:
		if len(op.Failed) > 0 {
			return t.end("ROLLBACK_FAILED", t.summary("delete"))
		}
		if t.st.OnFailure == "DELETE" {
			return t.vanishStack()
		}
		return t.end("ROLLBACK_COMPLETE", "")
	}
	if len(op.Failed) > 0 {
		return t.end("DELETE_FAILED", t.summary("delete"))
	}
	return t.vanishStack()
}

func (t *turn) vanishStack() error {
	t.moved = true
	if err := t.withdrawExports(); err != nil {
		return err
	}
	return t.forget(t.ctx, t.tx, &t.st)
}

// exportsInUse refuses to delete a stack whose exports others import.
func (t *turn) exportsInUse() (refused bool, err error) {
	for _, o := range t.st.Outputs {
		if o.ExportName == "" {
			continue
		}
		users, err := t.importersOf(t.ctx, t.tx, o.ExportName)
		if err != nil {
			return false, err
		}
		if len(users) > 0 {
			reason := fmt.Sprintf("Export %s cannot be deleted as it is in use by %s", o.ExportName, strings.Join(users, ", "))
			return true, t.end("DELETE_FAILED", reason)
		}
	}
	return false, nil
}
