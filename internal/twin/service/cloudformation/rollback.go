package cloudformation

import (
	"fmt"
	"slices"
	"strings"
)

// turnBack ends the forward phase after a failure: what is still on its way is given up, then the operation rolls back, or
// stays where it is when the user wants that.
func (t *turn) turnBack() error {
	t.moved = true
	op := t.st.Operation
	slices.Sort(op.Failed)
	op.Failed = slices.Compact(op.Failed)
	if err := t.giveUp(); err != nil {
		return err
	}
	switch {
	case op.Phase == back:
		return t.end("UPDATE_ROLLBACK_FAILED", t.summary("update"))
	case op.Kind == "createStack" && t.st.DisableRollback:
		return t.end("CREATE_FAILED", t.summary("create"))
	case op.Kind == "updateStack" && t.st.DisableRollback:
		return t.end("UPDATE_FAILED", t.summary("update"))
	case op.Kind == "createStack":
		return t.toPhase(undo, "ROLLBACK_IN_PROGRESS", t.summary("create")+" Rollback requested by user.")
	}
	return t.toPhase(back, "UPDATE_ROLLBACK_IN_PROGRESS", t.summary("update"))
}

func (t *turn) summary(verb string) string {
	if len(t.st.Operation.Failed) == 0 {
		return t.st.Operation.Failure
	}
	return fmt.Sprintf("The following resource(s) failed to %s: [%s].", verb, strings.Join(t.st.Operation.Failed, ", "))
}

// giveUp cancels what has not settled yet.
func (t *turn) giveUp() error {
	for _, r := range t.rows {
		if r.Step != settling {
			continue
		}
		verb, _, _ := strings.Cut(r.Status, "_")
		r.Step = atRest
		word := map[string]string{"CREATE": "creation", "UPDATE": "update"}[verb]
		if err := t.mark(t.ctx, t.tx, t.st, r, verb+"_FAILED", "Resource "+word+" cancelled"); err != nil {
			return err
		}
	}
	return nil
}

func (t *turn) toPhase(p phase, status, reason string) error {
	t.moved = true
	t.st.Operation.Phase = p
	t.st.Operation.Failed = nil
	return t.setStatus(t.ctx, t.tx, &t.st, status, reason)
}

// end closes the operation with a final status.
func (t *turn) end(status, reason string) error {
	t.moved = true
	for _, r := range t.rows {
		// A rollback that failed may be continued: it still has to know what was.
		if status != "UPDATE_ROLLBACK_FAILED" && (r.Before != nil || r.Fresh) {
			r.Before, r.Fresh = nil, false
			if err := t.saveRow(t.ctx, t.tx, *r); err != nil {
				return err
			}
		}
	}
	if err := t.setStatus(t.ctx, t.tx, &t.st, status, reason); err != nil {
		return err
	}
	t.st.Operation = nil
	return t.save(t.ctx, t.tx, t.st)
}
