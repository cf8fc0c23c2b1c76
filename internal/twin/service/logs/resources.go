package logs

import (
	"context"
	"maps"
	"slices"

	api "slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
)

func (s *Service) resources() []resource.Type {
	return []resource.Type{s.groupType(), s.streamType(), s.filterType()}
}

// missing is the code of every "it is not there" of this service.
const missing = "ResourceNotFoundException"

func (s *Service) groupType() resource.Type {
	return resource.Type{
		Name: "AWS::Logs::LogGroup", Fidelity: operation.Runs,
		Inert:  []string{"KmsKeyId", "LogGroupClass", "DataProtectionPolicy", "FieldIndexPolicies", "ResourcePolicyDocument", "BearerTokenAuthenticationEnabled"},
		Create: s.createGroup,
		Update: s.updateGroup,
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteLogGroup(ctx, &api.DeleteLogGroupInput{LogGroupName: r.PhysicalID})
			return resource.Absent(err, missing)
		},
		Attributes: func(ctx context.Context, r resource.Request) (map[string]any, error) {
			return map[string]any{"Arn": groupARN(ctx, r.PhysicalID) + ":*"}, nil
		},
	}
}

// groupOthers are properties of a log group that are not members of CreateLogGroup.
var groupOthers = []string{"Tags", "RetentionInDays", "DataProtectionPolicy", "FieldIndexPolicies", "ResourcePolicyDocument", "BearerTokenAuthenticationEnabled"}

func (s *Service) createGroup(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreateLogGroupInput{}
	if err := r.Into(in, groupOthers...); err != nil {
		return "", err
	}
	in.LogGroupName, in.Tags = r.Name("LogGroupName", 512), r.AllTags()
	if _, err := s.CreateLogGroup(ctx, in); err != nil {
		return "", err
	}
	return in.LogGroupName, s.retain(ctx, in.LogGroupName, r)
}

// retain makes the retention what the property says; unset is for ever.
func (s *Service) retain(ctx context.Context, name string, r resource.Request) (err error) {
	in := &api.PutRetentionPolicyInput{LogGroupName: name}
	if err := resource.Into(map[string]any{"RetentionInDays": r.Properties["RetentionInDays"]}, in); err != nil {
		return err
	}
	if in.RetentionInDays == 0 {
		return s.change(ctx, name, func(g *group) { g.Retention = 0 })
	}
	_, err = s.PutRetentionPolicy(ctx, in)
	return err
}

func (s *Service) updateGroup(ctx context.Context, r resource.Request) error {
	in := &api.CreateLogGroupInput{}
	if err := r.Into(in, groupOthers...); err != nil {
		return err
	}
	err := s.change(ctx, r.PhysicalID, func(g *group) {
		g.Tags, g.KMSKey = r.AllTags(), ""
		if in.KmsKeyId != nil {
			g.KMSKey = *in.KmsKeyId
		}
		g.Protected = in.DeletionProtectionEnabled != nil && *in.DeletionProtectionEnabled
		if in.LogGroupClass != nil {
			g.Class = *in.LogGroupClass
		}
	})
	if err != nil {
		return err
	}
	return s.retain(ctx, r.PhysicalID, r)
}

func (s *Service) streamType() resource.Type {
	return resource.Type{
		Name: "AWS::Logs::LogStream", Fidelity: operation.Runs,
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			in := &api.CreateLogStreamInput{}
			if err := r.Into(in); err != nil {
				return "", err
			}
			in.LogStreamName = r.Name("LogStreamName", 512)
			_, err := s.CreateLogStream(ctx, in)
			return in.LogStreamName, err
		},
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteLogStream(ctx, &api.DeleteLogStreamInput{LogGroupName: groupName(r.Text("LogGroupName")), LogStreamName: r.PhysicalID})
			return resource.Absent(err, missing)
		},
	}
}

func (s *Service) filterType() resource.Type {
	put := func(ctx context.Context, r resource.Request) (string, error) {
		in := &api.PutMetricFilterInput{}
		if err := resource.Into(filterProperties(r), in); err != nil {
			return "", err
		}
		if in.FilterName = r.PhysicalID; in.FilterName == "" {
			in.FilterName = r.Name("FilterName", 512)
		}
		_, err := s.PutMetricFilter(ctx, in)
		return in.FilterName, err
	}
	return resource.Type{
		Name: "AWS::Logs::MetricFilter", Fidelity: operation.Recorded, Create: put,
		Update: func(ctx context.Context, r resource.Request) error { _, err := put(ctx, r); return err },
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteMetricFilter(ctx, &api.DeleteMetricFilterInput{LogGroupName: r.Text("LogGroupName"), FilterName: r.PhysicalID})
			return resource.Absent(err, missing)
		},
	}
}

// filterProperties turns the dimensions of metric transformations, a list of {Key, Value} in CloudFormation, into the API's map.
func filterProperties(r resource.Request) map[string]any {
	out := maps.Clone(r.Properties)
	list, _ := out["MetricTransformations"].([]any)
	list = slices.Clone(list)
	for i := range list {
		from, _ := list[i].(map[string]any)
		to := maps.Clone(from)
		if dimensions, ok := from["Dimensions"].([]any); ok {
			to["Dimensions"] = resource.TagsOf(dimensions)
		}
		list[i] = to
	}
	if list != nil {
		out["MetricTransformations"] = list
	}
	return out
}
