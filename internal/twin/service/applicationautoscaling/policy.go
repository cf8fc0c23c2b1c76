package applicationautoscaling

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	api "slipway.dev/internal/twin/api/applicationautoscaling"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// The metrics that can be tracked.
const (
	cpuMetric    = "ECSServiceAverageCPUUtilization"
	memoryMetric = "ECSServiceAverageMemoryUtilization"
)

// policy is a target tracking policy of a scalable target.
type policy struct {
	ResourceID string
	Name       string
	ARN        string
	Created    time.Time
	Tracking   api.TargetTrackingScalingPolicyConfiguration
}

var policies = &store.Table[policy]{Name: "applicationautoscaling_policies", By: func(p policy) string { return p.ResourceID }}

func (p policy) id() string { return p.ResourceID + "|" + p.Name }

func (p policy) metric() string { return p.Tracking.PredefinedMetricSpecification.PredefinedMetricType }

// PutScalingPolicy makes or changes a target tracking policy. There are no alarms beside it: the loop looks at the service itself.
func (s *Service) PutScalingPolicy(ctx context.Context, in *api.PutScalingPolicyInput) (*api.PutScalingPolicyOutput, error) {
	if err := cmp.Or(checkTarget(in.ServiceNamespace, in.ResourceId, in.ScalableDimension), checkPolicyType(in)); err != nil {
		return nil, err
	}
	var p policy
	err := s.change(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if _, err := targets.Get(tx, key(ctx, in.ResourceId)); errors.Is(err, store.ErrNotFound) {
			return wire.Errorf("ObjectNotFoundException", "No scalable target registered for service namespace: %s, resource ID: %s, scalable dimension: %s", namespace, in.ResourceId, dimension)
		}
		p = policy{ResourceID: in.ResourceId, Name: in.PolicyName}
		if p, err = policies.Get(tx, key(ctx, p.id())); errors.Is(err, store.ErrNotFound) {
			p = s.newPolicy(ctx, in)
		} else if err != nil {
			return err
		}
		if in.TargetTrackingScalingPolicyConfiguration != nil {
			p.Tracking = *in.TargetTrackingScalingPolicyConfiguration
		}
		if err := checkTracking(ctx, tx, p); err != nil {
			return err
		}
		return policies.Put(tx, key(ctx, p.id()), p)
	})
	return &api.PutScalingPolicyOutput{PolicyARN: p.ARN, Alarms: []api.Alarm{}}, err
}

func (s *Service) newPolicy(ctx context.Context, in *api.PutScalingPolicyInput) policy {
	id := random(16)
	uuid := fmt.Sprintf("%s-%s-%s-%s-%s", id[:8], id[8:12], id[12:16], id[16:20], id[20:])
	arn := operation.ARN(ctx, "autoscaling", fmt.Sprintf("scalingPolicy:%s:resource/%s/%s:policyName/%s", uuid, namespace, in.ResourceId, in.PolicyName))
	return policy{ResourceID: in.ResourceId, Name: in.PolicyName, Created: s.Clock.Now(), ARN: arn}
}

func checkPolicyType(in *api.PutScalingPolicyInput) error {
	switch kind := cmp.Or(wire.Value(in.PolicyType), "StepScaling"); {
	case kind != "TargetTrackingScaling":
		return invalid("Scaling policies of type %s are not supported yet by the twin: TargetTrackingScaling is", kind)
	case in.StepScalingPolicyConfiguration != nil || in.PredictiveScalingPolicyConfiguration != nil:
		return invalid("A policy of type TargetTrackingScaling takes a target tracking configuration only")
	}
	return nil
}

func checkTracking(ctx context.Context, tx *store.Tx, p policy) error {
	t := p.Tracking
	switch {
	case t.CustomizedMetricSpecification != nil:
		return invalid("Customized metrics are not supported yet by the twin: %s and %s are", cpuMetric, memoryMetric)
	case t.PredefinedMetricSpecification == nil:
		return invalid("A metric specification is required for target tracking")
	case p.metric() != cpuMetric && p.metric() != memoryMetric:
		return invalid("The predefined metric %s is not supported yet by the twin: %s and %s are", p.metric(), cpuMetric, memoryMetric)
	case t.TargetValue <= 0:
		return invalid("Target value must be greater than 0")
	case wire.Value(t.ScaleInCooldown) < 0 || wire.Value(t.ScaleOutCooldown) < 0:
		return invalid("Cooldowns cannot be negative")
	}
	k := key(ctx, "")
	others, err := policies.ListBy(tx, k.Account, k.Region, p.ResourceID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(others, func(other policy) bool { return other.Name != p.Name && other.metric() == p.metric() }) {
		return invalid("Only one TargetTrackingScaling policy for a given metric specification is allowed.")
	}
	return nil
}

// DescribeScalingPolicies lists policies.
func (s *Service) DescribeScalingPolicies(ctx context.Context, in *api.DescribeScalingPoliciesInput) (*api.DescribeScalingPoliciesOutput, error) {
	all, err := listOf(ctx, s.Store, policies)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(p policy) bool {
		return in.ServiceNamespace != namespace || !meant(in.ScalableDimension, dimension) || !meant(in.ResourceId, p.ResourceID) ||
			len(in.PolicyNames) > 0 && !slices.Contains(in.PolicyNames, p.Name) && !slices.Contains(in.PolicyNames, p.ARN)
	})
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 10, "InvalidNextTokenException")
	if err != nil {
		return nil, err
	}
	out := &api.DescribeScalingPoliciesOutput{ScalingPolicies: []api.ScalingPolicy{}, NextToken: next}
	for _, p := range all {
		out.ScalingPolicies = append(out.ScalingPolicies, api.ScalingPolicy{
			ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: p.ResourceID, PolicyName: p.Name, PolicyARN: p.ARN,
			PolicyType: "TargetTrackingScaling", CreationTime: p.Created, TargetTrackingScalingPolicyConfiguration: &p.Tracking, Alarms: []api.Alarm{},
		})
	}
	return out, nil
}

// DeleteScalingPolicy removes a policy.
func (s *Service) DeleteScalingPolicy(ctx context.Context, in *api.DeleteScalingPolicyInput) (*api.DeleteScalingPolicyOutput, error) {
	if err := checkTarget(in.ServiceNamespace, in.ResourceId, in.ScalableDimension); err != nil {
		return nil, err
	}
	return &api.DeleteScalingPolicyOutput{}, s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		k := key(ctx, policy{ResourceID: in.ResourceId, Name: in.PolicyName}.id())
		_, err := policies.Get(tx, k)
		if errors.Is(err, store.ErrNotFound) {
			return wire.Errorf("ObjectNotFoundException", "No scaling policy found for service namespace: %s, resource ID: %s, scalable dimension: %s, policy name: %s",
				namespace, in.ResourceId, dimension, in.PolicyName)
		}
		if err != nil {
			return err
		}
		return policies.Delete(tx, k)
	})
}
