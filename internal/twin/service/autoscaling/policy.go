package autoscaling

import (
	"cmp"
	"context"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/autoscaling"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// policies are recorded: no metric moves a group of instances that do nothing.
var policies = &store.Table[api.ScalingPolicy]{Name: "autoscaling_policies", By: func(p api.ScalingPolicy) string { return *p.AutoScalingGroupName }}

func policyKey(ctx context.Context, group, name string) store.Key { return key(ctx, group+"/"+name) }

// PutScalingPolicy makes or changes a policy.
func (s *Service) PutScalingPolicy(ctx context.Context, in *api.PutScalingPolicyInput) (*api.PutScalingPolicyOutput, error) {
	p := api.ScalingPolicy{AutoScalingGroupName: &in.AutoScalingGroupName, PolicyName: &in.PolicyName, PolicyType: cmp.Or(in.PolicyType, new("SimpleScaling")), AdjustmentType: in.AdjustmentType, Cooldown: in.Cooldown,
		Enabled: cmp.Or(in.Enabled, new(true)), EstimatedInstanceWarmup: in.EstimatedInstanceWarmup, MetricAggregationType: in.MetricAggregationType, MinAdjustmentMagnitude: in.MinAdjustmentMagnitude,
		MinAdjustmentStep: in.MinAdjustmentStep, PredictiveScalingConfiguration: in.PredictiveScalingConfiguration, ScalingAdjustment: in.ScalingAdjustment, StepAdjustments: in.StepAdjustments,
		TargetTrackingConfiguration: in.TargetTrackingConfiguration, Alarms: []api.Alarm{}}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := find(ctx, tx, in.AutoScalingGroupName); err != nil {
			return err
		}
		p.PolicyARN = new(operation.ARN(ctx, "autoscaling", "scalingPolicy:"+newID()+":autoScalingGroupName/"+in.AutoScalingGroupName+":policyName/"+in.PolicyName))
		at := policyKey(ctx, in.AutoScalingGroupName, in.PolicyName)
		if old, err := policies.Get(tx, at); err == nil {
			p.PolicyARN = old.PolicyARN
		}
		return policies.Put(tx, at, p)
	})
	if err != nil {
		return nil, err
	}
	return &api.PutScalingPolicyOutput{PolicyARN: p.PolicyARN, Alarms: p.Alarms}, nil
}

// DescribePolicies lists policies.
func (s *Service) DescribePolicies(ctx context.Context, in *api.DescribePoliciesInput) (*api.DescribePoliciesOutput, error) {
	var all []api.ScalingPolicy
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		c := operation.CallerOf(ctx)
		all, err = policies.List(tx, c.Account, c.Region)
		return err
	})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(p api.ScalingPolicy) bool {
		return in.AutoScalingGroupName != nil && *in.AutoScalingGroupName != *p.AutoScalingGroupName || len(in.PolicyTypes) > 0 && !slices.Contains(in.PolicyTypes, *p.PolicyType) ||
			len(in.PolicyNames) > 0 && !slices.Contains(in.PolicyNames, *p.PolicyName) && !slices.Contains(in.PolicyNames, *p.PolicyARN)
	})
	all, next, err := page.Cut(all, in.NextToken, in.MaxRecords, 50, "InvalidNextToken")
	return &api.DescribePoliciesOutput{ScalingPolicies: all, NextToken: next}, err
}

// DeletePolicy removes a policy, named by name and group or by ARN.
func (s *Service) DeletePolicy(ctx context.Context, in *api.DeletePolicyInput) (*api.DeletePolicyOutput, error) {
	group, name := wire.Value(in.AutoScalingGroupName), in.PolicyName
	if _, rest, ok := strings.Cut(in.PolicyName, ":autoScalingGroupName/"); ok {
		group, name, _ = strings.Cut(rest, ":policyName/")
	}
	return &api.DeletePolicyOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		has, err := policies.Has(tx, policyKey(ctx, group, name))
		if err != nil || !has {
			return cmp.Or(err, error(wire.Errorf("ValidationError", "PolicyName not found - Policy '%s' not found", name)))
		}
		return policies.Delete(tx, policyKey(ctx, group, name))
	})
}
