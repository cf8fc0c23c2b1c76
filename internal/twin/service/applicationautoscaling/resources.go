package applicationautoscaling

import (
	"context"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/applicationautoscaling"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
)

func (s *Service) resources() []resource.Type {
	return []resource.Type{
		{
			Name: "AWS::ApplicationAutoScaling::ScalableTarget", Fidelity: operation.Runs, Inert: []string{"RoleARN"},
			Create: s.register,
			Update: func(ctx context.Context, r resource.Request) error { _, err := s.register(ctx, r); return err },
			Delete: s.deregister,
			Attributes: func(_ context.Context, r resource.Request) (map[string]any, error) {
				return map[string]any{"Id": r.PhysicalID}, nil
			},
		},
		{
			Name: "AWS::ApplicationAutoScaling::ScalingPolicy", Fidelity: operation.Runs,
			Create: s.putPolicy,
			Update: func(ctx context.Context, r resource.Request) error { _, err := s.putPolicy(ctx, r); return err },
			Delete: s.deletePolicy,
			Attributes: func(_ context.Context, r resource.Request) (map[string]any, error) {
				return map[string]any{"Arn": r.PhysicalID}, nil
			},
		},
	}
}

// register makes or changes a scalable target. Its physical id is resource, dimension and namespace, joined by bars.
func (s *Service) register(ctx context.Context, r resource.Request) (string, error) {
	if actions, _ := r.Properties["ScheduledActions"].([]any); len(actions) > 0 {
		return "", invalid("Property ScheduledActions of %s is not supported yet by the twin; leave it out", r.Type)
	}
	in := &api.RegisterScalableTargetInput{}
	if err := r.Into(in, "ScheduledActions"); err != nil {
		return "", err
	}
	_, err := s.RegisterScalableTarget(ctx, in)
	return strings.Join([]string{in.ResourceId, in.ScalableDimension, in.ServiceNamespace}, "|"), err
}

func (s *Service) deregister(ctx context.Context, r resource.Request) error {
	resourceID, scalable, service := parts(r.PhysicalID)
	_, err := s.DeregisterScalableTarget(ctx, &api.DeregisterScalableTargetInput{ResourceId: resourceID, ScalableDimension: scalable, ServiceNamespace: service})
	return resource.Absent(err, "ObjectNotFoundException")
}

func parts(physicalID string) (resourceID, scalable, service string) {
	p := append(strings.Split(physicalID, "|"), "", "")
	return p[0], p[1], p[2]
}

// putPolicy makes or changes a policy; its target is named by ScalingTargetId, or by three properties.
func (s *Service) putPolicy(ctx context.Context, r resource.Request) (string, error) {
	in := &api.PutScalingPolicyInput{}
	if err := r.Into(in, "ScalingTargetId"); err != nil {
		return "", err
	}
	if id := r.Text("ScalingTargetId"); id != "" {
		in.ResourceId, in.ScalableDimension, in.ServiceNamespace = parts(id)
	}
	out, err := s.PutScalingPolicy(ctx, in)
	if err != nil {
		return "", err
	}
	return out.PolicyARN, nil
}

func (s *Service) deletePolicy(ctx context.Context, r resource.Request) error {
	all, err := listOf(ctx, s.Store, policies)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(p policy) bool { return p.ARN == r.PhysicalID })
	if i < 0 {
		return nil
	}
	_, err = s.DeleteScalingPolicy(ctx, &api.DeleteScalingPolicyInput{ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: all[i].ResourceID, PolicyName: all[i].Name})
	return resource.Absent(err, "ObjectNotFoundException")
}
