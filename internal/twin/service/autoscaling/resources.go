package autoscaling

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"

	api "slipway.dev/internal/twin/api/autoscaling"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

func (s *Service) resources() []resource.Type { return []resource.Type{s.groupType(), s.policyType()} }

// inertProperties are of a group and have no effect: its instances never boot, so nothing checks, notifies or measures them.
// The same holds for the resource attribute CreationPolicy: its signals are not waited for.
var inertProperties = []string{"NotificationConfiguration", "NotificationConfigurations", "MetricsCollection", "LifecycleHookSpecificationList", "HealthCheckType", "HealthCheckGracePeriod",
	"TargetGroupARNs", "LoadBalancerNames", "TrafficSources", "CapacityRebalance", "MaxInstanceLifetime"}

// apiProperties turns a group's properties into the members of the API: sizes are strings there, subnets a list, and the
// cooldown has another name.
func apiProperties(r resource.Request) (map[string]any, error) {
	out := maps.Clone(r.Properties)
	for _, name := range []string{"NotificationConfiguration", "NotificationConfigurations", "MetricsCollection", "Tags"} {
		delete(out, name)
	}
	if v, ok := out["Cooldown"]; ok {
		out["DefaultCooldown"] = v
		delete(out, "Cooldown")
	}
	for _, name := range []string{"MinSize", "MaxSize", "DesiredCapacity", "DefaultCooldown"} {
		text, ok := out[name].(string)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, wire.Errorf("ValidationError", "Properties validation failed: %s: expected a number, found %q", name, text)
		}
		out[name] = n
	}
	if list, ok := out["VPCZoneIdentifier"].([]any); ok {
		ids := []string{}
		for _, id := range list {
			ids = append(ids, fmt.Sprint(id))
		}
		out["VPCZoneIdentifier"] = strings.Join(ids, ",")
	}
	return out, nil
}

// tags are those of the stack, which instances inherit, and the resource's own.
func tags(r resource.Request) (all []api.Tag) {
	own, _ := r.Properties["Tags"].([]any)
	named := map[string]bool{}
	for _, item := range own {
		t, _ := item.(map[string]any)
		one := resource.Request{Properties: t}
		propagate, _ := t["PropagateAtLaunch"].(bool)
		named[one.Text("Key")] = true
		all = append(all, api.Tag{Key: one.Text("Key"), Value: new(one.Text("Value")), PropagateAtLaunch: &propagate})
	}
	for _, t := range resource.TagList(r.Tags, func(k, v string) api.Tag { return api.Tag{Key: k, Value: &v, PropagateAtLaunch: new(true)} }) {
		if !named[t.Key] {
			all = append(all, t)
		}
	}
	return all
}

func (s *Service) groupType() resource.Type {
	return resource.Type{
		Name: "AWS::AutoScaling::AutoScalingGroup", Fidelity: operation.Recorded, Inert: inertProperties,
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			properties, err := apiProperties(r)
			if err != nil {
				return "", err
			}
			in := &api.CreateAutoScalingGroupInput{}
			if err := resource.Into(properties, in); err != nil {
				return "", err
			}
			in.AutoScalingGroupName, in.Tags = r.Name("AutoScalingGroupName", 255), tags(r)
			_, err = s.CreateAutoScalingGroup(ctx, in)
			return in.AutoScalingGroupName, err
		},
		Update: s.updateGroup,
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteAutoScalingGroup(ctx, &api.DeleteAutoScalingGroupInput{AutoScalingGroupName: r.PhysicalID, ForceDelete: new(true)})
			return absent(err)
		},
		Attributes: func(ctx context.Context, r resource.Request) (map[string]any, error) {
			found, err := s.DescribeAutoScalingGroups(ctx, &api.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{r.PhysicalID}})
			if err != nil || len(found.AutoScalingGroups) == 0 {
				return nil, err
			}
			return map[string]any{"AutoScalingGroupARN": *found.AutoScalingGroups[0].AutoScalingGroupARN}, nil
		},
	}
}

// absent turns "not found" into none. The service has one code for everything that is wrong with a request.
func absent(err error) error {
	if wire.HasCode(err, "ValidationError") && strings.Contains(err.Error(), "not found") {
		return nil
	}
	return err
}

func (s *Service) updateGroup(ctx context.Context, r resource.Request) error {
	properties, err := apiProperties(r)
	if err != nil {
		return err
	}
	for _, name := range []string{"TargetGroupARNs", "LoadBalancerNames", "TrafficSources", "LifecycleHookSpecificationList", "InstanceId"} {
		delete(properties, name)
	}
	in := &api.UpdateAutoScalingGroupInput{}
	if err := resource.Into(properties, in); err != nil {
		return err
	}
	in.AutoScalingGroupName = r.PhysicalID
	attached := &api.CreateAutoScalingGroupInput{}
	if err := resource.Into(map[string]any{"TargetGroupARNs": r.Properties["TargetGroupARNs"], "LoadBalancerNames": r.Properties["LoadBalancerNames"], "TrafficSources": r.Properties["TrafficSources"]}, attached); err != nil {
		return err
	}
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := s.UpdateAutoScalingGroup(ctx, in); err != nil {
			return err
		}
		g, err := find(ctx, tx, r.PhysicalID)
		if err != nil {
			return err
		}
		g.Tags = describeTags(r.PhysicalID, tags(r))
		g.TargetGroupARNs, g.LoadBalancerNames, g.TrafficSources = attached.TargetGroupARNs, attached.LoadBalancerNames, attached.TrafficSources
		return groups.Put(tx, key(ctx, r.PhysicalID), g)
	})
}

// policyType: what Ref gives is the policy's ARN.
func (s *Service) policyType() resource.Type {
	put := func(ctx context.Context, r resource.Request, name string) (string, error) {
		properties := maps.Clone(r.Properties)
		if text, ok := properties["Cooldown"].(string); ok {
			n, err := strconv.Atoi(text)
			if err != nil {
				return "", wire.Errorf("ValidationError", "Properties validation failed: Cooldown: expected a number, found %q", text)
			}
			properties["Cooldown"] = n
		}
		in := &api.PutScalingPolicyInput{}
		if err := resource.Into(properties, in); err != nil {
			return "", err
		}
		in.PolicyName = name
		out, err := s.PutScalingPolicy(ctx, in)
		if err != nil {
			return "", err
		}
		return *out.PolicyARN, nil
	}
	nameOf := func(r resource.Request) string { _, name, _ := strings.Cut(r.PhysicalID, ":policyName/"); return name }
	return resource.Type{
		Name: "AWS::AutoScaling::ScalingPolicy", Fidelity: operation.Recorded,
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			return put(ctx, r, r.Name("PolicyName", 255))
		},
		Update: func(ctx context.Context, r resource.Request) error { _, err := put(ctx, r, nameOf(r)); return err },
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeletePolicy(ctx, &api.DeletePolicyInput{PolicyName: r.PhysicalID})
			return absent(err)
		},
		Attributes: func(_ context.Context, r resource.Request) (map[string]any, error) {
			return map[string]any{"Arn": r.PhysicalID, "PolicyName": nameOf(r)}, nil
		},
	}
}
