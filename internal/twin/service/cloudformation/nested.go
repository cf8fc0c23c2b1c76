package cloudformation

import (
	"context"
	"fmt"
	"maps"
	"strings"

	api "slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

func (s *Service) resources() []resource.Type {
	return []resource.Type{
		{
			Name: "AWS::CloudFormation::WaitConditionHandle", Fidelity: operation.Recorded,
			Create: func(ctx context.Context, r resource.Request) (string, error) {
				return fmt.Sprintf("%s/_slipway/signal/%s", s.Endpoint, resource.Suffix(r.Token, 24)), nil
			},
			Delete: func(context.Context, resource.Request) error { return nil },
		},
		{
			Name: "AWS::CloudFormation::Stack", Fidelity: operation.Runs, Inert: []string{"NotificationARNs"},
			Create: s.createNested, Update: s.updateNested, Settled: s.nestedSettled, Delete: s.deleteNested, Gone: s.nestedGone,
			Attributes: s.nestedOutputs,
		},
	}
}

// nested are the properties of AWS::CloudFormation::Stack.
type nested struct {
	TemplateURL      string
	Parameters       map[string]string
	TimeoutInMinutes *int
	NotificationARNs []string
}

func (n nested) parameters() []api.Parameter {
	var list []api.Parameter
	for k, v := range n.Parameters {
		list = append(list, api.Parameter{ParameterKey: new(k), ParameterValue: new(v)})
	}
	return list
}

var allCapabilities = []string{"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"}

func (s *Service) createNested(ctx context.Context, r resource.Request) (string, error) {
	var n nested
	if err := r.Into(&n, "Tags"); err != nil {
		return "", err
	}
	out, err := s.CreateStack(ctx, &api.CreateStackInput{StackName: r.Name("", 128), TemplateURL: &n.TemplateURL, Parameters: n.parameters(),
		TimeoutInMinutes: n.TimeoutInMinutes, Capabilities: allCapabilities, Tags: nestedTags(r)})
	if err != nil {
		return "", err
	}
	return *out.StackId, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		st, err := s.find(ctx, tx, *out.StackId)
		if err != nil {
			return err
		}
		parent, err := s.find(ctx, tx, r.StackID)
		if err != nil {
			return err
		}
		st.ParentID, st.RootID = parent.ID, parent.RootID
		return s.save(ctx, tx, st)
	})
}

func nestedTags(r resource.Request) []api.Tag {
	tags := r.AllTags()
	maps.DeleteFunc(tags, func(k, _ string) bool { return strings.HasPrefix(k, "aws:") })
	return tagList(tags)
}

func (s *Service) updateNested(ctx context.Context, r resource.Request) error {
	var n nested
	if err := r.Into(&n, "Tags"); err != nil {
		return err
	}
	_, err := s.UpdateStack(ctx, &api.UpdateStackInput{StackName: r.PhysicalID, TemplateURL: &n.TemplateURL, Parameters: n.parameters(),
		Capabilities: allCapabilities, Tags: nestedTags(r)})
	if wire.HasCode(err, "ValidationError") && strings.Contains(err.Error(), "No updates are to be performed") {
		return nil
	}
	return err
}

func (s *Service) nestedSettled(ctx context.Context, r resource.Request) (settled bool, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		st, err := s.find(ctx, tx, r.PhysicalID)
		if err != nil {
			return err
		}
		settled = !inProgress(st.Status)
		if settled && st.Status != "CREATE_COMPLETE" && st.Status != "UPDATE_COMPLETE" {
			return fmt.Errorf("Embedded stack %s was not successfully %s: %s", st.ID, map[bool]string{true: "created", false: "updated"}[st.Updated.IsZero()], st.Reason)
		}
		return nil
	})
	return settled, err
}

func (s *Service) deleteNested(ctx context.Context, r resource.Request) error {
	_, err := s.DeleteStack(ctx, &api.DeleteStackInput{StackName: r.PhysicalID})
	return err
}

func (s *Service) nestedGone(ctx context.Context, r resource.Request) (gone bool, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		st, err := s.find(ctx, tx, r.PhysicalID)
		gone = err != nil || st.Status == "DELETE_COMPLETE"
		if err == nil && st.Status == "DELETE_FAILED" {
			return fmt.Errorf("Embedded stack %s was not deleted: %s", st.ID, st.Reason)
		}
		return nil
	})
	return gone, err
}

func (s *Service) nestedOutputs(ctx context.Context, r resource.Request) (map[string]any, error) {
	outputs := map[string]any{}
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		st, err := s.find(ctx, tx, r.PhysicalID)
		for _, o := range st.Outputs {
			outputs["Outputs."+o.Name] = o.Value
		}
		return err
	})
	return outputs, err
}
