package autoscaling

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	api "slipway.dev/internal/twin/api/autoscaling"
	"slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// activities are what was done to groups, oldest first by their ids.
var activities = &store.Table[api.Activity]{Name: "autoscaling_activities", By: func(a api.Activity) string { return a.AutoScalingGroupName }}

// keptActivities bounds what is kept of one group's history. AWS keeps six weeks.
const keptActivities = 200

// plan decides what brings a group to its desired capacity: the zones to launch in, one for each instance, and the instances to
// end. Launches go where there are fewest, ends come from where there are most, the oldest first; what is protected stays.
func plan(g group) (launch []string, end []string) {
	count := map[string]int{}
	for _, i := range g.Instances {
		count[i.AvailabilityZone]++
	}
	for range g.DesiredCapacity - len(g.Instances) {
		zone := slices.MinFunc(g.AvailabilityZones, func(a, b string) int { return cmp.Or(cmp.Compare(count[a], count[b]), cmp.Compare(a, b)) })
		count[zone]++
		launch = append(launch, zone)
	}
	left := slices.DeleteFunc(slices.Clone(g.Instances), func(i api.Instance) bool { return i.ProtectedFromScaleIn })
	for range len(g.Instances) - g.DesiredCapacity {
		if len(left) == 0 {
			break
		}
		at := 0
		for i := range left {
			if count[left[i].AvailabilityZone] > count[left[at].AvailabilityZone] {
				at = i
			}
		}
		count[left[at].AvailabilityZone]--
		end = append(end, left[at].InstanceId)
		left = slices.Delete(left, at, at+1)
	}
	return launch, end
}

// settle brings a group to its desired capacity and writes it.
func (s *Service) settle(ctx context.Context, tx *store.Tx, g group, cause string) error {
	launch, end := plan(g)
	for _, zone := range launch {
		if err := s.launch(ctx, tx, &g, zone, cause); err != nil {
			return err
		}
	}
	for _, id := range end {
		if err := s.end(ctx, tx, &g, id, cause); err != nil {
			return err
		}
	}
	tx.AfterCommit(s.Changed.Notify)
	return groups.Put(tx, key(ctx, g.AutoScalingGroupName), g)
}

func (s *Service) launch(ctx context.Context, tx *store.Tx, g *group, zone, cause string) error {
	spec := templateOf(*g)
	in := &ec2.RunInstancesInput{MinCount: 1, MaxCount: 1, Placement: &ec2.Placement{AvailabilityZone: &zone}, TagSpecifications: []ec2.TagSpecification{{ResourceType: new("instance"), Tags: propagated(*g)}}}
	if spec != nil {
		in.LaunchTemplate = &ec2.LaunchTemplateSpecification{LaunchTemplateId: spec.LaunchTemplateId, Version: spec.Version}
	}
	if p := g.MixedInstancesPolicy; p != nil && p.LaunchTemplate != nil && len(p.LaunchTemplate.Overrides) > 0 {
		in.InstanceType = p.LaunchTemplate.Overrides[0].InstanceType
	}
	home, err := s.subnetIn(ctx, *g, zone)
	if err != nil {
		return err
	}
	in.SubnetId = home
	out, err := s.ec2.RunInstances(ctx, in)
	if err != nil {
		return invalidTemplate(err)
	}
	made := out.Instances[0]
	g.Instances = append(g.Instances, api.Instance{InstanceId: *made.InstanceId, InstanceType: made.InstanceType, ImageId: made.ImageId, AvailabilityZone: zone, HealthStatus: "Healthy", LifecycleState: "InService",
		LaunchTemplate: spec, ProtectedFromScaleIn: wire.Value(g.NewInstancesProtectedFromScaleIn)})
	return s.record(ctx, tx, *g, "Launching a new EC2 instance: "+*made.InstanceId, cause)
}

// subnetIn is the group's subnet in a zone; nil where the group has zones only.
func (s *Service) subnetIn(ctx context.Context, g group, zone string) (*string, error) {
	ids := subnetsOf(g)
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := s.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: ids, Filters: []ec2.Filter{{Name: new("availability-zone"), Values: []string{zone}}}})
	if err != nil || len(found.Subnets) == 0 {
		return nil, cmp.Or(err, error(wire.Errorf("ValidationError", "No subnet of the group is in %s", zone)))
	}
	return found.Subnets[0].SubnetId, nil
}

// propagated are the tags of a new instance.
func propagated(g group) []ec2.Tag {
	tags := []ec2.Tag{{Key: new("aws:autoscaling:groupName"), Value: &g.AutoScalingGroupName}}
	for _, t := range g.Tags {
		if wire.Value(t.PropagateAtLaunch) {
			tags = append(tags, ec2.Tag{Key: t.Key, Value: t.Value})
		}
	}
	return tags
}

func (s *Service) end(ctx context.Context, tx *store.Tx, g *group, id, cause string) error {
	_, err := s.ec2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	if err != nil && !wire.HasCode(err, "InvalidInstanceID.NotFound") {
		return err
	}
	g.Instances = slices.DeleteFunc(g.Instances, func(i api.Instance) bool { return i.InstanceId == id })
	return s.record(ctx, tx, *g, "Terminating EC2 instance: "+id, cause)
}

// record writes an activity down and forgets the oldest ones.
func (s *Service) record(ctx context.Context, tx *store.Tx, g group, description, cause string) error {
	now := s.Clock.Now()
	cause = fmt.Sprintf("At %s %s.", now.Format("2006-01-02T15:04:05Z"), cause)
	a := api.Activity{ActivityId: newID(), AutoScalingGroupName: g.AutoScalingGroupName, AutoScalingGroupARN: g.AutoScalingGroupARN, Description: &description, Cause: cause,
		StartTime: now, EndTime: &now, StatusCode: "Successful", Progress: new(100), Details: new("{}")}
	c := operation.CallerOf(ctx)
	old, err := activities.ListBy(tx, c.Account, c.Region, g.AutoScalingGroupName)
	if err != nil {
		return err
	}
	if len(old) >= keptActivities {
		oldest := slices.MinFunc(old, func(a, b api.Activity) int { return a.StartTime.Compare(b.StartTime) })
		if err := activities.Delete(tx, key(ctx, oldest.ActivityId)); err != nil {
			return err
		}
	}
	return activities.Put(tx, key(ctx, a.ActivityId), a)
}

// TerminateInstanceInAutoScalingGroup ends an instance; another takes its place unless the capacity is to shrink.
func (s *Service) TerminateInstanceInAutoScalingGroup(ctx context.Context, in *api.TerminateInstanceInAutoScalingGroupInput) (*api.TerminateInstanceInAutoScalingGroupOutput, error) {
	out := &api.TerminateInstanceInAutoScalingGroupOutput{}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		c := operation.CallerOf(ctx)
		all, err := groups.List(tx, c.Account, c.Region)
		if err != nil {
			return err
		}
		for _, g := range all {
			if !slices.ContainsFunc(g.Instances, func(i api.Instance) bool { return i.InstanceId == in.InstanceId }) {
				continue
			}
			if in.ShouldDecrementDesiredCapacity {
				g.DesiredCapacity--
			}
			if err := check(g); err != nil {
				return err
			}
			const cause = "instance was taken out of service in response to a user request"
			if err := s.end(ctx, tx, &g, in.InstanceId, cause); err != nil {
				return err
			}
			out.Activity = &api.Activity{ActivityId: newID(), AutoScalingGroupName: g.AutoScalingGroupName, AutoScalingGroupARN: g.AutoScalingGroupARN, Cause: cause,
				Description: new("Terminating EC2 instance: " + in.InstanceId), StartTime: s.Clock.Now(), StatusCode: "InProgress", Progress: new(0)}
			return s.settle(ctx, tx, g, "an instance was started in response to a difference between desired and actual capacity")
		}
		return wire.Errorf("ValidationError", "Instance Id not found - No managed instance found for instance ID %s", in.InstanceId)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DescribeAutoScalingInstances lists the instances of all groups.
func (s *Service) DescribeAutoScalingInstances(ctx context.Context, in *api.DescribeAutoScalingInstancesInput) (*api.DescribeAutoScalingInstancesOutput, error) {
	all, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	var found []api.AutoScalingInstanceDetails
	for _, g := range all {
		for _, i := range g.Instances {
			if len(in.InstanceIds) > 0 && !slices.Contains(in.InstanceIds, i.InstanceId) {
				continue
			}
			found = append(found, api.AutoScalingInstanceDetails{AutoScalingGroupName: g.AutoScalingGroupName, InstanceId: i.InstanceId, InstanceType: i.InstanceType, ImageId: i.ImageId,
				AvailabilityZone: i.AvailabilityZone, HealthStatus: "HEALTHY", LifecycleState: i.LifecycleState, LaunchTemplate: i.LaunchTemplate, ProtectedFromScaleIn: i.ProtectedFromScaleIn})
		}
	}
	found, next, err := page.Cut(found, in.NextToken, in.MaxRecords, 50, "InvalidNextToken")
	return &api.DescribeAutoScalingInstancesOutput{AutoScalingInstances: found, NextToken: next}, err
}

// DescribeScalingActivities lists what was done, newest first.
func (s *Service) DescribeScalingActivities(ctx context.Context, in *api.DescribeScalingActivitiesInput) (*api.DescribeScalingActivitiesOutput, error) {
	var all []api.Activity
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		c := operation.CallerOf(ctx)
		if in.AutoScalingGroupName == nil {
			all, err = activities.List(tx, c.Account, c.Region)
			return err
		}
		if _, err := find(ctx, tx, *in.AutoScalingGroupName); err != nil {
			return err
		}
		all, err = activities.ListBy(tx, c.Account, c.Region, *in.AutoScalingGroupName)
		return err
	})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(a api.Activity) bool {
		return len(in.ActivityIds) > 0 && !slices.Contains(in.ActivityIds, a.ActivityId)
	})
	slices.SortStableFunc(all, func(a, b api.Activity) int { return b.StartTime.Compare(a.StartTime) })
	all, next, err := page.Cut(all, in.NextToken, in.MaxRecords, 100, "InvalidNextToken")
	return &api.DescribeScalingActivitiesOutput{Activities: all, NextToken: next}, err
}
