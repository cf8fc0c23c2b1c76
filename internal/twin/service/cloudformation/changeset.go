package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// changeSet is a prepared change of a stack.
type changeSet struct {
	ID, Name, StackID, StackName string
	Type                         string // CREATE or UPDATE
	Description                  string
	Created                      time.Time
	Status, Reason               string
	Execution                    string
	OnStackFailure               string
	Target                       definition
	Changes                      []api.Change // with property values; they are left out of answers that did not ask
}

var changeSets = &store.Table[changeSet]{Name: "cfn_change_sets", Sealed: true, By: func(c changeSet) string { return c.StackID }}

// CreateChangeSet compares a stack with what is asked for and keeps the result. A change of nothing makes a FAILED change set.
func (s *Service) CreateChangeSet(ctx context.Context, in *api.CreateChangeSetInput) (*api.CreateChangeSetOutput, error) {
	if len(in.ResourcesToImport) > 0 || wire.Value(in.ChangeSetType) == "IMPORT" || wire.Value(in.IncludeNestedStacks) || wire.Value(in.ImportExistingResources) {
		return nil, wire.Errorf("ValidationError", "The twin does not serve change sets of type IMPORT or with nested stacks")
	}
	var cs changeSet
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		st, kind, err := s.stackToChange(ctx, tx, in)
		if err != nil {
			return err
		}
		cs = changeSet{ID: operation.ARN(ctx, "cloudformation", fmt.Sprintf("changeSet/%s/%s", in.ChangeSetName, newID())), Name: in.ChangeSetName,
			StackID: st.ID, StackName: st.Name, Type: kind, Description: wire.Value(in.Description), Created: s.Clock.Now(), OnStackFailure: wire.Value(in.OnStackFailure)}
		if _, err := s.findChangeSet(ctx, tx, cs.Name, &st.ID); err == nil {
			return &wire.Error{Code: "AlreadyExistsException", Message: fmt.Sprintf("ChangeSet %s already exists", cs.Name)}
		}
		cs.Target, err = s.target(ctx, st, change{in.TemplateBody, in.TemplateURL, wire.Value(in.UsePreviousTemplate), in.Parameters, in.Tags, in.Capabilities, in.RoleARN, in.NotificationARNs})
		if err != nil {
			return err
		}
		if err := s.fillChangeSet(ctx, tx, st, &cs); err != nil {
			return err
		}
		return changeSets.Put(tx, s.key(ctx, cs.ID), cs)
	})
	return &api.CreateChangeSetOutput{Id: &cs.ID, StackId: &cs.StackID}, err
}

func (s *Service) fillChangeSet(ctx context.Context, tx *store.Tx, st stack, cs *changeSet) error {
	found, err := s.compare(ctx, tx, st, &cs.Target)
	if err != nil {
		return err
	}
	for _, c := range found.list {
		cs.Changes = append(cs.Changes, c.shown(true))
	}
	cs.Status, cs.Execution = "CREATE_COMPLETE", "AVAILABLE"
	if cs.Type == "UPDATE" && found.none(st, cs.Target) {
		cs.Status, cs.Execution = "FAILED", "UNAVAILABLE"
		cs.Reason = "The submitted information didn't contain changes. Submit different information to create a change set."
	}
	return nil
}

// stackToChange finds the stack, or makes the empty one that a change set of type CREATE stands on.
func (s *Service) stackToChange(ctx context.Context, tx *store.Tx, in *api.CreateChangeSetInput) (stack, string, error) {
	st, err := s.find(ctx, tx, in.StackName)
	exists := err == nil
	if err != nil && !wire.HasCode(err, "ValidationError") {
		return st, "", err
	}
	kind := wire.Value(in.ChangeSetType)
	if kind == "" {
		kind = "UPDATE"
	}
	switch {
	case kind == "UPDATE" && !exists:
		return st, "", wire.Errorf("ValidationError", "Stack [%s] does not exist", in.StackName)
	case kind == "UPDATE" && st.Status == "REVIEW_IN_PROGRESS":
		return st, "", wire.Errorf("ValidationError", "Stack:%s is in REVIEW_IN_PROGRESS state and can not be updated.", st.ID)
	case kind == "UPDATE":
		return st, kind, mayUpdate(st)
	case exists && st.Status == "REVIEW_IN_PROGRESS":
		return st, kind, nil
	case exists:
		return st, "", &wire.Error{Code: "ValidationError", Message: fmt.Sprintf("Stack [%s] already exists and cannot be created again with the changeSet [%s].", st.Name, in.ChangeSetName)}
	}
	if st, err = s.newStack(ctx, tx, in.StackName); err != nil {
		return st, "", err
	}
	return st, kind, s.setStatus(ctx, tx, &st, "REVIEW_IN_PROGRESS", "User Initiated")
}

func (s *Service) findChangeSet(ctx context.Context, tx *store.Tx, nameOrID string, stackName *string) (changeSet, error) {
	missing := &wire.Error{Code: "ChangeSetNotFound", Message: fmt.Sprintf("ChangeSet [%s] does not exist", nameOrID)}
	if strings.HasPrefix(nameOrID, "arn:") {
		cs, err := changeSets.Get(tx, s.key(ctx, nameOrID))
		if errors.Is(err, store.ErrNotFound) {
			return cs, missing
		}
		return cs, err
	}
	if stackName == nil {
		return changeSet{}, wire.Errorf("ValidationError", "StackName must be specified if ChangeSetName is not specified as an ARN.")
	}
	st, err := s.find(ctx, tx, *stackName)
	if err != nil {
		return changeSet{}, err
	}
	c := operation.CallerOf(ctx)
	all, err := changeSets.ListBy(tx, c.Account, c.Region, st.ID)
	if err != nil {
		return changeSet{}, err
	}
	i := slices.IndexFunc(all, func(cs changeSet) bool { return cs.Name == nameOrID })
	if i < 0 {
		return changeSet{}, missing
	}
	return all[i], nil
}

// DescribeChangeSet shows a change set.
func (s *Service) DescribeChangeSet(ctx context.Context, in *api.DescribeChangeSetInput) (*api.DescribeChangeSetOutput, error) {
	var cs changeSet
	var st stack
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if cs, err = s.findChangeSet(ctx, tx, in.ChangeSetName, in.StackName); err != nil {
			return err
		}
		st, err = s.find(ctx, tx, cs.StackID)
		return err
	})
	if err != nil {
		return nil, err
	}
	shown, next, err := page.Cut(cs.Changes, in.NextToken, nil, 100, "ValidationError")
	if err != nil {
		return nil, err
	}
	if !wire.Value(in.IncludePropertyValues) {
		shown = withoutValues(shown)
	}
	out := &api.DescribeChangeSetOutput{ChangeSetId: &cs.ID, ChangeSetName: &cs.Name, StackId: &cs.StackID, StackName: &cs.StackName,
		Status: &cs.Status, StatusReason: wire.Maybe(cs.Reason), ExecutionStatus: new(cs.executionOf(st)), CreationTime: &cs.Created, Changes: shown, NextToken: next,
		Description: wire.Maybe(cs.Description), Capabilities: cs.Target.Capabilities, Tags: tagList(cs.Target.Tags), NotificationARNs: []string{},
		IncludeNestedStacks: new(false), RollbackConfiguration: &api.RollbackConfiguration{}}
	for _, p := range cs.Target.Shown {
		out.Parameters = append(out.Parameters, api.Parameter{ParameterKey: &p.Name, ParameterValue: &p.Value, ResolvedValue: wire.Maybe(p.Resolved)})
	}
	return out, nil
}

func withoutValues(list []api.Change) []api.Change {
	out := make([]api.Change, len(list))
	for i, c := range list {
		change := *c.ResourceChange
		change.Details = slices.Clone(change.Details)
		for j, d := range change.Details {
			target := *d.Target
			target.BeforeValue, target.AfterValue = nil, nil
			change.Details[j].Target = &target
		}
		out[i] = api.Change{Type: c.Type, ResourceChange: &change}
	}
	return out
}

// executionOf follows the stack once the change set has been executed.
func (c changeSet) executionOf(st stack) string {
	switch {
	case c.Execution != "EXECUTE_IN_PROGRESS" || st.Operation != nil:
		return c.Execution
	case st.Status == "CREATE_COMPLETE" || st.Status == "UPDATE_COMPLETE":
		return "EXECUTE_COMPLETE"
	}
	return "EXECUTE_FAILED"
}

// ExecuteChangeSet starts the operation. The stack's other change sets are gone.
func (s *Service) ExecuteChangeSet(ctx context.Context, in *api.ExecuteChangeSetInput) (*api.ExecuteChangeSetOutput, error) {
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		cs, err := s.findChangeSet(ctx, tx, in.ChangeSetName, in.StackName)
		if err != nil {
			return err
		}
		if cs.Execution != "AVAILABLE" {
			return &wire.Error{Code: "InvalidChangeSetStatus", Message: fmt.Sprintf("ChangeSet [%s] cannot be executed in its current execution status of [%s]", cs.ID, cs.Execution)}
		}
		st, err := s.find(ctx, tx, cs.StackID)
		if err != nil {
			return err
		}
		k := s.key(ctx, cs.ID)
		cs.Execution, st.ChangeSetID = "EXECUTE_IN_PROGRESS", cs.ID
		st.DisableRollback = wire.Value(in.DisableRollback) || cs.OnStackFailure == "DO_NOTHING"
		if err := errors.Join(changeSets.DeleteBy(tx, k.Account, k.Region, st.ID), changeSets.Put(tx, k, cs)); err != nil {
			return err
		}
		return s.execute(ctx, tx, &st, cs, wire.Value(in.ClientRequestToken))
	})
	return &api.ExecuteChangeSetOutput{}, err
}

func (s *Service) execute(ctx context.Context, tx *store.Tx, st *stack, cs changeSet, token string) error {
	if cs.Type == "CREATE" {
		st.OnFailure, st.Current = cs.OnStackFailure, cs.Target
		return s.begin(ctx, tx, st, stackOperation{Kind: "createStack", Phase: forward, Target: cs.Target, Token: token}, "CREATE_IN_PROGRESS")
	}
	if err := mayUpdate(*st); err != nil {
		return err
	}
	return s.beginUpdate(ctx, tx, st, cs.Target, token)
}

// DeleteChangeSet removes a change set.
func (s *Service) DeleteChangeSet(ctx context.Context, in *api.DeleteChangeSetInput) (*api.DeleteChangeSetOutput, error) {
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		cs, err := s.findChangeSet(ctx, tx, in.ChangeSetName, in.StackName)
		if wire.HasCode(err, "ChangeSetNotFound") {
			return nil
		}
		if err != nil {
			return err
		}
		return changeSets.Delete(tx, s.key(ctx, cs.ID))
	})
	return &api.DeleteChangeSetOutput{}, err
}

// ListChangeSets lists a stack's change sets.
func (s *Service) ListChangeSets(ctx context.Context, in *api.ListChangeSetsInput) (*api.ListChangeSetsOutput, error) {
	var list []changeSet
	var st stack
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if st, err = s.find(ctx, tx, in.StackName); err != nil {
			return err
		}
		c := operation.CallerOf(ctx)
		list, err = changeSets.ListBy(tx, c.Account, c.Region, st.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	list, next, err := page.Cut(list, in.NextToken, nil, 100, "ValidationError")
	out := &api.ListChangeSetsOutput{NextToken: next, Summaries: []api.ChangeSetSummary{}}
	for _, cs := range list {
		out.Summaries = append(out.Summaries, api.ChangeSetSummary{ChangeSetId: &cs.ID, ChangeSetName: &cs.Name, StackId: &cs.StackID, StackName: &cs.StackName,
			Status: &cs.Status, StatusReason: wire.Maybe(cs.Reason), ExecutionStatus: new(cs.executionOf(st)), CreationTime: &cs.Created, Description: wire.Maybe(cs.Description)})
	}
	return out, err
}
