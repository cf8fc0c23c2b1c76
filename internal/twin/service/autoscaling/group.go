package autoscaling

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/autoscaling"
	"slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

type group = api.AutoScalingGroup

var groups = &store.Table[group]{Name: "autoscaling_groups"}

func key(ctx context.Context, id string) store.Key {
	c := operation.CallerOf(ctx)
	return store.Key{Account: c.Account, Region: c.Region, ID: id}
}

func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func find(ctx context.Context, tx *store.Tx, name string) (group, error) {
	g, err := groups.Get(tx, key(ctx, name))
	if errors.Is(err, store.ErrNotFound) {
		return g, wire.Errorf("ValidationError", "AutoScalingGroup name not found - AutoScalingGroup '%s' not found", name)
	}
	return g, err
}

// CreateAutoScalingGroup makes a group and its instances.
func (s *Service) CreateAutoScalingGroup(ctx context.Context, in *api.CreateAutoScalingGroupInput) (*api.CreateAutoScalingGroupOutput, error) {
	return &api.CreateAutoScalingGroupOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if has, err := groups.Has(tx, key(ctx, in.AutoScalingGroupName)); err != nil || has {
			return cmp.Or(err, error(wire.Errorf("AlreadyExists", "AutoScalingGroup by this name already exists - A group with the name %s already exists", in.AutoScalingGroupName)))
		}
		g := s.newGroup(ctx, in)
		if err := s.place(ctx, &g, in.AvailabilityZones); err != nil {
			return err
		}
		if err := errors.Join(s.resolve(ctx, &g), check(g)); err != nil {
			return err
		}
		return s.settle(ctx, tx, g, "a user request created an AutoScalingGroup changing the desired capacity from 0 to "+fmt.Sprint(g.DesiredCapacity))
	})
}

func (s *Service) newGroup(ctx context.Context, in *api.CreateAutoScalingGroupInput) group {
	c := operation.CallerOf(ctx)
	return group{
		AutoScalingGroupName: in.AutoScalingGroupName, AutoScalingGroupARN: new(operation.ARN(ctx, "autoscaling", "autoScalingGroup:"+newID()+":autoScalingGroupName/"+in.AutoScalingGroupName)),
		MinSize: in.MinSize, MaxSize: in.MaxSize, DesiredCapacity: wire.Value(cmp.Or(in.DesiredCapacity, &in.MinSize)), DesiredCapacityType: in.DesiredCapacityType,
		CreatedTime: s.Clock.Now(), DefaultCooldown: wire.Value(cmp.Or(in.DefaultCooldown, new(300))), DefaultInstanceWarmup: in.DefaultInstanceWarmup,
		HealthCheckType: wire.Value(cmp.Or(in.HealthCheckType, new("EC2"))), HealthCheckGracePeriod: cmp.Or(in.HealthCheckGracePeriod, new(0)),
		LaunchTemplate: in.LaunchTemplate, MixedInstancesPolicy: in.MixedInstancesPolicy, LaunchConfigurationName: in.LaunchConfigurationName,
		VPCZoneIdentifier: new(wire.Value(in.VPCZoneIdentifier)), LoadBalancerNames: in.LoadBalancerNames, TargetGroupARNs: in.TargetGroupARNs, TrafficSources: in.TrafficSources,
		CapacityRebalance: in.CapacityRebalance, CapacityReservationSpecification: in.CapacityReservationSpecification, Context: in.Context, DeletionProtection: in.DeletionProtection,
		InstanceLifecyclePolicy: in.InstanceLifecyclePolicy, InstanceMaintenancePolicy: in.InstanceMaintenancePolicy, MaxInstanceLifetime: in.MaxInstanceLifetime,
		AvailabilityZoneDistribution: in.AvailabilityZoneDistribution, AvailabilityZoneImpairmentPolicy: in.AvailabilityZoneImpairmentPolicy, PlacementGroup: in.PlacementGroup,
		NewInstancesProtectedFromScaleIn: new(wire.Value(in.NewInstancesProtectedFromScaleIn)), TerminationPolicies: orDefault(in.TerminationPolicies),
		ServiceLinkedRoleARN: cmp.Or(in.ServiceLinkedRoleARN, new(fmt.Sprintf("arn:aws:iam::%s:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling", c.Account))),
		Tags:                 describeTags(in.AutoScalingGroupName, in.Tags), Instances: []api.Instance{}, SuspendedProcesses: []api.SuspendedProcess{}, EnabledMetrics: []api.EnabledMetric{},
	}
}

func orDefault(policies []string) []string {
	if len(policies) == 0 {
		return []string{"Default"}
	}
	return policies
}

// check is the pure part of a group's validation.
func check(g group) error {
	switch {
	case g.LaunchTemplate == nil && g.MixedInstancesPolicy == nil && g.LaunchConfigurationName == nil:
		return wire.Errorf("ValidationError", "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.")
	case g.LaunchConfigurationName != nil:
		return wire.Errorf("ValidationError", "Launch configuration name not found - Launch configuration %s not found", *g.LaunchConfigurationName)
	case g.MinSize < 0 || g.MaxSize < g.MinSize:
		return wire.Errorf("ValidationError", "Max bound, %d, must be greater than or equal to min bound, %d", g.MaxSize, g.MinSize)
	case g.DesiredCapacity < g.MinSize || g.DesiredCapacity > g.MaxSize:
		return wire.Errorf("ValidationError", "Desired capacity:%d must be between the specified min size:%d and max size:%d", g.DesiredCapacity, g.MinSize, g.MaxSize)
	case len(g.AvailabilityZones) == 0:
		return wire.Errorf("ValidationError", "At least one Availability Zone or VPC Subnet is required.")
	}
	return nil
}

// place finds the zones of the group's subnets.
func (s *Service) place(ctx context.Context, g *group, zones []string) error {
	g.AvailabilityZones = zones
	if wire.Value(g.VPCZoneIdentifier) == "" {
		return nil
	}
	found, err := s.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: subnetsOf(*g)})
	if wire.HasCode(err, "InvalidSubnetID.NotFound") {
		e, _ := wire.AsError(err)
		return wire.Errorf("ValidationError", "%s", e.Message)
	}
	if err != nil {
		return err
	}
	g.AvailabilityZones = nil
	for _, v := range found.Subnets {
		if !slices.Contains(g.AvailabilityZones, *v.AvailabilityZone) {
			g.AvailabilityZones = append(g.AvailabilityZones, *v.AvailabilityZone)
		}
	}
	slices.Sort(g.AvailabilityZones)
	return nil
}

func subnetsOf(g group) (ids []string) {
	for id := range strings.SplitSeq(wire.Value(g.VPCZoneIdentifier), ",") {
		if id = strings.TrimSpace(id); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// resolve fills in id and name of the group's launch template.
func (s *Service) resolve(ctx context.Context, g *group) error {
	spec := templateOf(*g)
	if spec == nil {
		return nil
	}
	in := &ec2.DescribeLaunchTemplatesInput{}
	if spec.LaunchTemplateId != nil {
		in.LaunchTemplateIds = []string{*spec.LaunchTemplateId}
	} else {
		in.LaunchTemplateNames = []string{wire.Value(spec.LaunchTemplateName)}
	}
	found, err := s.ec2.DescribeLaunchTemplates(ctx, in)
	if err != nil || len(found.LaunchTemplates) == 0 {
		return invalidTemplate(err)
	}
	spec.LaunchTemplateId, spec.LaunchTemplateName = found.LaunchTemplates[0].LaunchTemplateId, found.LaunchTemplates[0].LaunchTemplateName
	spec.Version = cmp.Or(spec.Version, new("$Default"))
	return nil
}

func invalidTemplate(err error) error {
	text := "The specified launch template does not exist."
	if err != nil {
		e, internal := wire.AsError(err)
		if internal {
			return err
		}
		text = e.Message
	}
	return wire.Errorf("ValidationError", "You must use a valid fully-formed launch template. %s", text)
}

func templateOf(g group) *api.LaunchTemplateSpecification {
	if g.LaunchTemplate != nil {
		return g.LaunchTemplate
	}
	if g.MixedInstancesPolicy != nil && g.MixedInstancesPolicy.LaunchTemplate != nil {
		return g.MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification
	}
	return nil
}

// DescribeAutoScalingGroups lists groups.
func (s *Service) DescribeAutoScalingGroups(ctx context.Context, in *api.DescribeAutoScalingGroupsInput) (*api.DescribeAutoScalingGroupsOutput, error) {
	all, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	var found []group
	for _, g := range all {
		ok, err := matches(g, in.Filters)
		if err != nil {
			return nil, err
		}
		if ok && (len(in.AutoScalingGroupNames) == 0 || slices.Contains(in.AutoScalingGroupNames, g.AutoScalingGroupName)) {
			if in.IncludeInstances != nil && !*in.IncludeInstances {
				g.Instances = nil
			}
			found = append(found, g)
		}
	}
	found, next, err := page.Cut(found, in.NextToken, in.MaxRecords, 100, "InvalidNextToken")
	return &api.DescribeAutoScalingGroupsOutput{AutoScalingGroups: found, NextToken: next}, err
}

func (s *Service) list(ctx context.Context) (all []group, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		c := operation.CallerOf(ctx)
		all, err = groups.List(tx, c.Account, c.Region)
		return err
	})
	return all, err
}

func matches(g group, filters []api.Filter) (bool, error) {
	for _, f := range filters {
		name := wire.Value(f.Name)
		key, tag := strings.CutPrefix(name, "tag:")
		if !tag && name != "tag-key" && name != "tag-value" {
			return false, wire.Errorf("ValidationError", "Filter type %s is not correct. Allowed Filter types are: tag-key, tag-value, tag:<key>", name)
		}
		holds := func(t api.TagDescription) bool {
			switch {
			case tag:
				return *t.Key == key && slices.Contains(f.Values, wire.Value(t.Value))
			case name == "tag-key":
				return slices.Contains(f.Values, *t.Key)
			}
			return slices.Contains(f.Values, wire.Value(t.Value))
		}
		if !slices.ContainsFunc(g.Tags, holds) {
			return false, nil
		}
	}
	return true, nil
}

// UpdateAutoScalingGroup changes what the request names.
func (s *Service) UpdateAutoScalingGroup(ctx context.Context, in *api.UpdateAutoScalingGroupInput) (*api.UpdateAutoScalingGroupOutput, error) {
	return &api.UpdateAutoScalingGroupOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := find(ctx, tx, in.AutoScalingGroupName)
		if err != nil {
			return err
		}
		change(&g, in)
		zones := g.AvailabilityZones
		if len(in.AvailabilityZones) > 0 {
			zones = in.AvailabilityZones
		}
		if err := s.place(ctx, &g, zones); err != nil {
			return err
		}
		if err := errors.Join(s.resolve(ctx, &g), check(g)); err != nil {
			return err
		}
		return s.settle(ctx, tx, g, "a user request updated the AutoScalingGroup constraints")
	})
}

func change(g *group, in *api.UpdateAutoScalingGroupInput) {
	g.MinSize, g.MaxSize = wire.Value(cmp.Or(in.MinSize, &g.MinSize)), wire.Value(cmp.Or(in.MaxSize, &g.MaxSize))
	g.DesiredCapacity = min(max(g.DesiredCapacity, g.MinSize), max(g.MaxSize, g.MinSize)) // AWS moves it into the new bounds
	g.DesiredCapacity = wire.Value(cmp.Or(in.DesiredCapacity, &g.DesiredCapacity))
	g.DefaultCooldown, g.HealthCheckType = wire.Value(cmp.Or(in.DefaultCooldown, &g.DefaultCooldown)), wire.Value(cmp.Or(in.HealthCheckType, &g.HealthCheckType))
	g.HealthCheckGracePeriod, g.VPCZoneIdentifier = cmp.Or(in.HealthCheckGracePeriod, g.HealthCheckGracePeriod), cmp.Or(in.VPCZoneIdentifier, g.VPCZoneIdentifier)
	g.DesiredCapacityType, g.DefaultInstanceWarmup = cmp.Or(in.DesiredCapacityType, g.DesiredCapacityType), cmp.Or(in.DefaultInstanceWarmup, g.DefaultInstanceWarmup)
	g.CapacityRebalance, g.Context, g.DeletionProtection = cmp.Or(in.CapacityRebalance, g.CapacityRebalance), cmp.Or(in.Context, g.Context), cmp.Or(in.DeletionProtection, g.DeletionProtection)
	g.MaxInstanceLifetime, g.PlacementGroup = cmp.Or(in.MaxInstanceLifetime, g.MaxInstanceLifetime), cmp.Or(in.PlacementGroup, g.PlacementGroup)
	g.InstanceMaintenancePolicy, g.InstanceLifecyclePolicy = cmp.Or(in.InstanceMaintenancePolicy, g.InstanceMaintenancePolicy), cmp.Or(in.InstanceLifecyclePolicy, g.InstanceLifecyclePolicy)
	g.NewInstancesProtectedFromScaleIn = cmp.Or(in.NewInstancesProtectedFromScaleIn, g.NewInstancesProtectedFromScaleIn)
	g.ServiceLinkedRoleARN, g.CapacityReservationSpecification = cmp.Or(in.ServiceLinkedRoleARN, g.ServiceLinkedRoleARN), cmp.Or(in.CapacityReservationSpecification, g.CapacityReservationSpecification)
	g.AvailabilityZoneDistribution = cmp.Or(in.AvailabilityZoneDistribution, g.AvailabilityZoneDistribution)
	g.AvailabilityZoneImpairmentPolicy = cmp.Or(in.AvailabilityZoneImpairmentPolicy, g.AvailabilityZoneImpairmentPolicy)
	if len(in.TerminationPolicies) > 0 {
		g.TerminationPolicies = in.TerminationPolicies
	}
	if in.LaunchTemplate != nil || in.MixedInstancesPolicy != nil || in.LaunchConfigurationName != nil {
		g.LaunchTemplate, g.MixedInstancesPolicy, g.LaunchConfigurationName = in.LaunchTemplate, in.MixedInstancesPolicy, in.LaunchConfigurationName
	}
}

// SetDesiredCapacity changes how many instances a group has.
func (s *Service) SetDesiredCapacity(ctx context.Context, in *api.SetDesiredCapacityInput) (*api.SetDesiredCapacityOutput, error) {
	return &api.SetDesiredCapacityOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := find(ctx, tx, in.AutoScalingGroupName)
		if err != nil {
			return err
		}
		before := g.DesiredCapacity
		g.DesiredCapacity = in.DesiredCapacity
		if err := check(g); err != nil {
			return err
		}
		return s.settle(ctx, tx, g, fmt.Sprintf("a user request explicitly set group desired capacity changing the desired capacity from %d to %d", before, in.DesiredCapacity))
	})
}

// DeleteAutoScalingGroup removes a group that has no instances, or with them where the request forces it.
func (s *Service) DeleteAutoScalingGroup(ctx context.Context, in *api.DeleteAutoScalingGroupInput) (*api.DeleteAutoScalingGroupOutput, error) {
	return &api.DeleteAutoScalingGroupOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := find(ctx, tx, in.AutoScalingGroupName)
		if err != nil {
			return err
		}
		if len(g.Instances) > 0 && !wire.Value(in.ForceDelete) {
			return wire.Errorf("ResourceInUse", "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.")
		}
		g.MinSize, g.DesiredCapacity = 0, 0
		for i := range g.Instances {
			g.Instances[i].ProtectedFromScaleIn = false // of scaling in, not of this
		}
		if err := s.settle(ctx, tx, g, "a user request force deleted AutoScaling group"); err != nil {
			return err
		}
		c := operation.CallerOf(ctx)
		return errors.Join(groups.Delete(tx, key(ctx, g.AutoScalingGroupName)), activities.DeleteBy(tx, c.Account, c.Region, g.AutoScalingGroupName),
			policies.DeleteBy(tx, c.Account, c.Region, g.AutoScalingGroupName))
	})
}
