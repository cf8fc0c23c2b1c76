package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	api "slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

var validName = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]*$`)

// CreateStack starts the creation of a stack.
func (s *Service) CreateStack(ctx context.Context, in *api.CreateStackInput) (*api.CreateStackOutput, error) {
	body, err := s.body(ctx, in.TemplateBody, in.TemplateURL)
	if err != nil {
		return nil, err
	}
	d := definition{Template: body, Tags: tagMap(in.Tags), Capabilities: in.Capabilities, RoleARN: wire.Value(in.RoleARN), Notify: in.NotificationARNs}
	if d.Parameters, err = given(in.Parameters, nil); err != nil {
		return nil, err
	}
	if in.DisableRollback != nil && in.OnFailure != nil {
		return nil, wire.Errorf("ValidationError", "Cannot specify both DisableRollback and OnFailure")
	}
	var id string
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		st, err := s.newStack(ctx, tx, in.StackName)
		if err != nil {
			return err
		}
		id = st.ID
		st.DisableRollback = wire.Value(in.DisableRollback) || wire.Value(in.OnFailure) == "DO_NOTHING"
		st.OnFailure, st.TerminationProtection = wire.Value(in.OnFailure), wire.Value(in.EnableTerminationProtection)
		st.TimeoutMinutes, st.Policy = wire.Value(in.TimeoutInMinutes), wire.Value(in.StackPolicyBody)
		if _, err := s.prepare(ctx, st, &d); err != nil {
			return err
		}
		st.Current = d
		return s.begin(ctx, tx, &st, stackOperation{Kind: "createStack", Phase: forward, Target: d, Token: wire.Value(in.ClientRequestToken)}, "CREATE_IN_PROGRESS")
	})
	return &api.CreateStackOutput{StackId: &id}, err
}

// newStack claims the name.
func (s *Service) newStack(ctx context.Context, tx *store.Tx, name string) (stack, error) {
	if !validName.MatchString(name) || len(name) > 128 {
		return stack{}, wire.Errorf("ValidationError", "1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", name)
	}
	if old, err := s.find(ctx, tx, name); err == nil {
		return stack{}, &wire.Error{Code: "AlreadyExistsException", Message: fmt.Sprintf("Stack [%s] already exists", old.Name)}
	} else if !wire.HasCode(err, "ValidationError") {
		return stack{}, err
	}
	st := stack{ID: stackARN(ctx, name), Name: name, Created: s.Clock.Now()}
	st.RootID = st.ID
	return st, names.Put(tx, s.key(ctx, name), st.ID)
}

// UpdateStack starts an update. A change of nothing is an error, as on AWS.
func (s *Service) UpdateStack(ctx context.Context, in *api.UpdateStackInput) (*api.UpdateStackOutput, error) {
	var id string
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		st, err := s.find(ctx, tx, in.StackName)
		if err != nil {
			return err
		}
		id = st.ID
		if err := mayUpdate(st); err != nil {
			return err
		}
		d, err := s.target(ctx, st, change{in.TemplateBody, in.TemplateURL, wire.Value(in.UsePreviousTemplate), in.Parameters, in.Tags, in.Capabilities, in.RoleARN, in.NotificationARNs})
		if err != nil {
			return err
		}
		changes, err := s.compare(ctx, tx, st, &d)
		if err != nil {
			return err
		}
		if changes.none(st, d) {
			return wire.Errorf("ValidationError", "No updates are to be performed.")
		}
		st.DisableRollback = wire.Value(in.DisableRollback)
		if in.StackPolicyBody != nil {
			st.Policy = *in.StackPolicyBody
		}
		return s.beginUpdate(ctx, tx, &st, d, wire.Value(in.ClientRequestToken))
	})
	return &api.UpdateStackOutput{StackId: &id}, err
}

func (s *Service) beginUpdate(ctx context.Context, tx *store.Tx, st *stack, d definition, token string) error {
	st.Updated = s.Clock.Now()
	return s.begin(ctx, tx, st, stackOperation{Kind: "updateStack", Phase: forward, Target: d, Source: st.Current, Token: token}, "UPDATE_IN_PROGRESS")
}

// change is what an update or a change set asks for.
type change struct {
	body, url    *string
	previous     bool
	parameters   []api.Parameter
	tags         []api.Tag
	capabilities []string
	role         *string
	notify       []string
}

// target is the definition a change leads to.
func (s *Service) target(ctx context.Context, st stack, c change) (d definition, err error) {
	d = definition{Template: st.Current.Template, Tags: st.Current.Tags, Capabilities: c.capabilities, RoleARN: st.Current.RoleARN, Notify: st.Current.Notify}
	if !c.previous {
		if d.Template, err = s.body(ctx, c.body, c.url); err != nil {
			return d, err
		}
	}
	if c.tags != nil {
		d.Tags = tagMap(c.tags)
	}
	if c.role != nil {
		d.RoleARN = *c.role
	}
	if c.notify != nil {
		d.Notify = c.notify
	}
	d.Parameters, err = given(c.parameters, st.Current.Parameters)
	return d, err
}

// given reads the parameters of a request; UsePreviousValue takes the stack's.
func given(list []api.Parameter, previous map[string]string) (map[string]string, error) {
	values := map[string]string{}
	for _, p := range list {
		name := wire.Value(p.ParameterKey)
		if !wire.Value(p.UsePreviousValue) {
			values[name] = wire.Value(p.ParameterValue)
			continue
		}
		if previous == nil {
			return nil, wire.Errorf("ValidationError", "Invalid input for parameter key %s. Cannot specify usePreviousValue as true for a parameter key not in the previous template", name)
		}
		if value, ok := previous[name]; ok {
			values[name] = value
		}
	}
	return values, nil
}

func tagMap(tags []api.Tag) map[string]string {
	m := map[string]string{}
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

// DeleteStack starts the deletion of a stack. Deleting one that does not exist succeeds.
func (s *Service) DeleteStack(ctx context.Context, in *api.DeleteStackInput) (*api.DeleteStackOutput, error) {
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		st, err := s.find(ctx, tx, in.StackName)
		if wire.HasCode(err, "ValidationError") {
			return nil
		}
		if err != nil || st.Status == "DELETE_COMPLETE" || st.Status == "DELETE_IN_PROGRESS" {
			return err
		}
		return s.beginDelete(ctx, tx, st, in)
	})
	return &api.DeleteStackOutput{}, err
}

func (s *Service) beginDelete(ctx context.Context, tx *store.Tx, st stack, in *api.DeleteStackInput) error {
	switch {
	case st.TerminationProtection:
		return wire.Errorf("ValidationError", "Stack [%s] cannot be deleted while TerminationProtection is enabled", st.Name)
	case inProgress(st.Status) && st.Status != "REVIEW_IN_PROGRESS" && st.Status != "CREATE_IN_PROGRESS":
		return wire.Errorf("ValidationError", "Stack [%s] cannot be deleted while in status %s", st.Name, st.Status)
	case len(in.RetainResources) > 0 && st.Status != "DELETE_FAILED":
		return wire.Errorf("ValidationError", "Invalid operation on stack [%s]. Specify which resources to retain only when the stack is in the DELETE_FAILED state.", st.ID)
	}
	if st.Status == "REVIEW_IN_PROGRESS" {
		return s.forget(ctx, tx, &st)
	}
	return s.begin(ctx, tx, &st, stackOperation{Kind: "deleteStack", Phase: removal, Token: wire.Value(in.ClientRequestToken), Retain: slices.Clone(in.RetainResources)}, "DELETE_IN_PROGRESS")
}

// forget ends a stack's life: the name is free, the ARN still answers.
func (s *Service) forget(ctx context.Context, tx *store.Tx, st *stack) error {
	st.Deleted = s.Clock.Now()
	if err := s.setStatus(ctx, tx, st, "DELETE_COMPLETE", ""); err != nil {
		return err
	}
	st.Operation = nil
	k := s.key(ctx, st.ID)
	err := changeSets.DeleteBy(tx, k.Account, k.Region, st.ID)
	return errors.Join(err, names.Delete(tx, s.key(ctx, st.Name)), s.save(ctx, tx, *st))
}

// UpdateTerminationProtection switches the protection against deletion.
func (s *Service) UpdateTerminationProtection(ctx context.Context, in *api.UpdateTerminationProtectionInput) (*api.UpdateTerminationProtectionOutput, error) {
	out := &api.UpdateTerminationProtectionOutput{}
	return out, s.edit(ctx, in.StackName, func(st *stack) {
		st.TerminationProtection, out.StackId = in.EnableTerminationProtection, &st.ID
	})
}

// SetStackPolicy stores a stack policy.
func (s *Service) SetStackPolicy(ctx context.Context, in *api.SetStackPolicyInput) (*api.SetStackPolicyOutput, error) {
	return &api.SetStackPolicyOutput{}, s.edit(ctx, in.StackName, func(st *stack) { st.Policy = wire.Value(in.StackPolicyBody) })
}

// GetStackPolicy returns the stored stack policy.
func (s *Service) GetStackPolicy(ctx context.Context, in *api.GetStackPolicyInput) (*api.GetStackPolicyOutput, error) {
	out := &api.GetStackPolicyOutput{}
	return out, s.edit(ctx, in.StackName, func(st *stack) { out.StackPolicyBody = wire.Maybe(st.Policy) })
}

func (s *Service) edit(ctx context.Context, name string, change func(*stack)) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		st, err := s.find(ctx, tx, name)
		if err != nil {
			return err
		}
		change(&st)
		return s.save(ctx, tx, st)
	})
}
