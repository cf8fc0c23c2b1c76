package ssm

import (
	"context"

	api "slipway.dev/internal/twin/api/ssm"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
)

func (s *Service) resources() []resource.Type {
	return []resource.Type{{
		Name: "AWS::SSM::Parameter", Fidelity: operation.Runs, Inert: []string{"Policies", "Tier"},
		Create: func(ctx context.Context, r resource.Request) (string, error) { return s.put(ctx, r, false) },
		Update: func(ctx context.Context, r resource.Request) error { _, err := s.put(ctx, r, true); return err },
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteParameter(ctx, &api.DeleteParameterInput{Name: r.PhysicalID})
			return resource.Absent(err, "ParameterNotFound")
		},
		Attributes: func(ctx context.Context, r resource.Request) (map[string]any, error) {
			return map[string]any{"Type": r.Text("Type"), "Value": r.Text("Value")}, nil
		},
	}}
}

func (s *Service) put(ctx context.Context, r resource.Request, overwrite bool) (string, error) {
	in := &api.PutParameterInput{Overwrite: &overwrite}
	if err := r.Into(in, "Tags"); err != nil {
		return "", err
	}
	in.Name = r.PhysicalID
	if !overwrite {
		in.Name = r.Name("Name", 1011)
		in.Tags = resource.TagList(r.AllTags(), func(k, v string) api.Tag { return api.Tag{Key: k, Value: v} })
	}
	_, err := s.PutParameter(ctx, in)
	return in.Name, err
}
