package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// stack is a stack and, while one is under way, its operation.
type stack struct {
	ID, Name              string
	Status, Reason        string
	Created               time.Time
	Updated, Deleted      time.Time
	Current               definition // what is deployed, or was last asked for in a creation
	Outputs               []output
	DisableRollback       bool
	OnFailure             string
	TerminationProtection bool
	TimeoutMinutes        int
	Policy                string
	ParentID, RootID      string
	ChangeSetID           string
	Operation             *stackOperation
}

// definition is everything a user gives for a stack.
type definition struct {
	Template     string
	Parameters   map[string]string // raw values
	Shown        []shownParameter
	Tags         map[string]string
	Capabilities []string
	RoleARN      string
	Notify       []string
	Description  string
}

// shownParameter is a parameter as DescribeStacks shows it: NoEcho values masked.
type shownParameter struct{ Name, Value, Resolved string }

type output struct{ Name, Description, Value, ExportName string }

// stackOperation is what is being done to a stack.
type stackOperation struct {
	ID      string
	Kind    string // createStack, updateStack, deleteStack
	Phase   phase
	Target  definition // where the forward phase goes
	Source  definition // where a rollback goes back to
	Started time.Time
	Token   string // of the client
	Retain  []string
	Failed  []string // logical ids whose failure started the rollback
	Failure string
	// Cancelled makes the forward phase turn back.
	Cancelled bool
}

// phase is a stage of a stack operation. Its order: forward, then cleanup; where forward fails: back (an update) or undo (a
// creation). A deletion has one phase.
type phase string

const (
	forward phase = "forward" // create and update towards Target
	cleanup phase = "cleanup" // delete what Target no longer has
	back    phase = "back"    // update towards Source again
	sweep   phase = "sweep"   // delete what the failed update had made
	undo    phase = "undo"    // delete everything a failed creation made
	removal phase = "removal" // delete the stack
)

const underWay = "under way"

// stacks keeps stacks by ARN; those with an operation are in a group of their own.
var stacks = &store.Table[stack]{Name: "cfn_stacks", Sealed: true, By: func(s stack) string {
	if s.Operation != nil {
		return underWay
	}
	return ""
}}

// names finds the living stack of a name.
var names = &store.Table[string]{Name: "cfn_names"}

func (s *Service) key(ctx context.Context, id string) store.Key {
	c := operation.CallerOf(ctx)
	return store.Key{Account: c.Account, Region: c.Region, ID: id}
}

// find returns a stack by name or ARN; a deleted one only by ARN.
func (s *Service) find(ctx context.Context, tx *store.Tx, nameOrID string) (stack, error) {
	id := nameOrID
	if !strings.HasPrefix(nameOrID, "arn:") {
		found, err := names.Get(tx, s.key(ctx, nameOrID))
		if errors.Is(err, store.ErrNotFound) {
			return stack{}, wire.Errorf("ValidationError", "Stack with id %s does not exist", nameOrID)
		}
		if err != nil {
			return stack{}, err
		}
		id = found
	}
	st, err := stacks.Get(tx, s.key(ctx, id))
	if errors.Is(err, store.ErrNotFound) {
		return st, wire.Errorf("ValidationError", "Stack with id %s does not exist", nameOrID)
	}
	return st, err
}

func (s *Service) save(ctx context.Context, tx *store.Tx, st stack) error {
	return stacks.Put(tx, s.key(ctx, st.ID), st)
}

// begin starts an operation and tells the engine once the transaction has committed.
func (s *Service) begin(ctx context.Context, tx *store.Tx, st *stack, op stackOperation, status string) error {
	op.ID, op.Started = newID(), s.Clock.Now()
	st.Operation = &op
	if err := s.setStatus(ctx, tx, st, status, cause(op.Kind)); err != nil {
		return err
	}
	tx.AfterCommit(s.wake.Wake)
	return nil
}

func cause(kind string) string {
	if kind == "deleteStack" || kind == "createStack" || kind == "updateStack" {
		return "User Initiated"
	}
	return ""
}

// setStatus changes a stack's status and writes the event of it.
func (s *Service) setStatus(ctx context.Context, tx *store.Tx, st *stack, status, reason string) error {
	st.Status, st.Reason = status, reason
	if reason == "User Initiated" {
		st.Reason = ""
	}
	if err := s.save(ctx, tx, *st); err != nil {
		return err
	}
	tx.AfterCommit(s.Changed.Notify)
	return s.record(ctx, tx, *st, event{LogicalID: st.Name, PhysicalID: st.ID, Type: "AWS::CloudFormation::Stack", Status: status, Reason: reason})
}

func inProgress(status string) bool { return strings.HasSuffix(status, "_IN_PROGRESS") }

// mayUpdate reports why a stack cannot be updated now, in AWS's words.
func mayUpdate(st stack) error {
	switch st.Status {
	case "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE", "CREATE_FAILED", "UPDATE_FAILED":
		return nil
	}
	return wire.Errorf("ValidationError", "Stack:%s is in %s state and can not be updated.", st.ID, st.Status)
}

func stackARN(ctx context.Context, name string) string {
	return operation.ARN(ctx, "cloudformation", fmt.Sprintf("stack/%s/%s", name, newID()))
}
