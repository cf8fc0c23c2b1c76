package autoscaling_test

import (
	"os/exec"
	"strings"
	"testing"

	api "slipway.dev/internal/twin/api/autoscaling"
	"slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/twintest"
	"slipway.dev/internal/twin/wire"
)

// start runs a twin with a launch template and the ids of the default subnets.
func start(t *testing.T) (*twintest.Twin, api.Client, []string) {
	t.Helper()
	w := twintest.Start(t)
	c := ec2.Client{Invoker: w.Invoker}
	_, err := c.CreateLaunchTemplate(w.Context, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: "nodes", LaunchTemplateData: &ec2.RequestLaunchTemplateData{ImageId: new("ami-1"), InstanceType: new("t3.micro")}})
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.DescribeSubnets(w.Context, &ec2.DescribeSubnetsInput{})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, v := range found.Subnets {
		ids = append(ids, *v.SubnetId)
	}
	return w, api.Client{Invoker: w.Invoker}, ids
}

func describe(t *testing.T, w *twintest.Twin) api.AutoScalingGroup {
	t.Helper()
	out, err := api.Client{Invoker: w.Invoker}.DescribeAutoScalingGroups(w.Context, &api.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{"g"}})
	if err != nil || len(out.AutoScalingGroups) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	return out.AutoScalingGroups[0]
}

func TestAGroupHasItsInstances(t *testing.T) {
	t.Parallel()
	w, scaling, subnets := start(t)
	in := &api.CreateAutoScalingGroupInput{AutoScalingGroupName: "g", MinSize: 1, MaxSize: 4, DesiredCapacity: new(3), VPCZoneIdentifier: new(strings.Join(subnets, ",")),
		LaunchTemplate: &api.LaunchTemplateSpecification{LaunchTemplateName: new("nodes"), Version: new("$Latest")}, Tags: []api.Tag{{Key: "Name", Value: new("node"), PropagateAtLaunch: new(true)}}}
	if _, err := scaling.CreateAutoScalingGroup(w.Context, in); err != nil {
		t.Fatal(err)
	}
	if _, err := scaling.CreateAutoScalingGroup(w.Context, in); !wire.HasCode(err, "AlreadyExists") {
		t.Errorf("twice: %v", err)
	}
	g := describe(t, w)
	zones := map[string]bool{}
	for _, i := range g.Instances {
		zones[i.AvailabilityZone] = i.LifecycleState == "InService" && strings.HasPrefix(i.InstanceId, "i-0")
	}
	if len(g.Instances) != 3 || len(zones) != 3 || len(g.AvailabilityZones) != 3 || g.LaunchTemplate.LaunchTemplateId == nil {
		t.Errorf("made %+v", g)
	}
	found, err := ec2.Client{Invoker: w.Invoker}.DescribeInstances(w.Context, &ec2.DescribeInstancesInput{Filters: []ec2.Filter{{Name: new("tag:aws:autoscaling:groupName"), Values: []string{"g"}}, {Name: new("tag:Name"), Values: []string{"node"}}}})
	if err != nil || len(found.Reservations) != 3 {
		t.Errorf("in EC2: %+v, %v", found, err)
	}
	if _, err := scaling.SetDesiredCapacity(w.Context, &api.SetDesiredCapacityInput{AutoScalingGroupName: "g", DesiredCapacity: 5}); !wire.HasCode(err, "ValidationError") {
		t.Errorf("5 of 4: %v", err)
	}
	if _, err := scaling.UpdateAutoScalingGroup(w.Context, &api.UpdateAutoScalingGroupInput{AutoScalingGroupName: "g", MaxSize: new(2)}); err != nil {
		t.Error(err)
	}
	if g := describe(t, w); g.DesiredCapacity != 2 || len(g.Instances) != 2 {
		t.Errorf("shrunk to %d, %d instances", g.DesiredCapacity, len(g.Instances))
	}
	first := describe(t, w).Instances[0].InstanceId
	if _, err := scaling.TerminateInstanceInAutoScalingGroup(w.Context, &api.TerminateInstanceInAutoScalingGroupInput{InstanceId: first}); err != nil {
		t.Error(err)
	}
	if g := describe(t, w); len(g.Instances) != 2 || g.Instances[0].InstanceId == first {
		t.Errorf("not replaced: %+v", g.Instances)
	}
	history, err := scaling.DescribeScalingActivities(w.Context, &api.DescribeScalingActivitiesInput{AutoScalingGroupName: new("g")})
	if err != nil || len(history.Activities) != 6 {
		t.Errorf("%d activities, %v", len(history.Activities), err)
	}
	if _, err := scaling.DeleteAutoScalingGroup(w.Context, &api.DeleteAutoScalingGroupInput{AutoScalingGroupName: "g"}); !wire.HasCode(err, "ResourceInUse") {
		t.Errorf("deleted with instances: %v", err)
	}
	if _, err := scaling.DeleteAutoScalingGroup(w.Context, &api.DeleteAutoScalingGroupInput{AutoScalingGroupName: "g", ForceDelete: new(true)}); err != nil {
		t.Error(err)
	}
}

func TestTheCommandLine(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("needs the AWS CLI")
	}
	w, _, _ := start(t)
	for _, step := range [][2]string{
		{"create-auto-scaling-group --auto-scaling-group-name g --min-size 0 --max-size 2 --desired-capacity 1 --availability-zones us-east-1b --launch-template LaunchTemplateName=nodes", ""},
		{"describe-auto-scaling-groups --query AutoScalingGroups[].Instances[].AvailabilityZone", "us-east-1b"},
		{"create-or-update-tags --tags ResourceId=g,ResourceType=auto-scaling-group,Key=k,Value=v,PropagateAtLaunch=false", ""},
		{"describe-tags --filters Name=key,Values=k --query Tags[].Value", "v"},
		{"describe-auto-scaling-instances --query AutoScalingInstances[].LifecycleState", "InService"},
	} {
		c := exec.Command("aws", strings.Fields("autoscaling "+step[0]+" --output text")...)
		c.Env = append(c.Environ(), w.Env()...)
		out, err := c.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != step[1] {
			t.Errorf("%s: %q, %v; want %q", step[0], out, err, step[1])
		}
	}
}

func TestResourceTypes(t *testing.T) {
	t.Parallel()
	w, _, subnets := start(t)
	types := w.Resources()
	r := resource.Request{StackName: "app", LogicalID: "Nodes", Token: "1", Tags: map[string]string{"aws:cloudformation:stack-name": "app"}, Properties: map[string]any{
		"AutoScalingGroupName": "g", "MinSize": "1", "MaxSize": "3", "DesiredCapacity": "2", "Cooldown": "60", "VPCZoneIdentifier": []any{subnets[0], subnets[1]}, "LaunchTemplate": map[string]any{"LaunchTemplateName": "nodes", "Version": "1"},
		"Tags": []any{map[string]any{"Key": "Name", "Value": "node", "PropagateAtLaunch": true}}}}
	kind := types["AWS::AutoScaling::AutoScalingGroup"]
	var err error
	if r.PhysicalID, err = kind.Create(w.Context, r); err != nil {
		t.Fatal(err)
	}
	if g := describe(t, w); len(g.Instances) != 2 || g.DefaultCooldown != 60 || len(g.Tags) != 2 {
		t.Errorf("made %+v", g)
	}
	r.Previous, r.Properties = r.Properties, map[string]any{"AutoScalingGroupName": "g", "MinSize": "3", "MaxSize": "3", "VPCZoneIdentifier": []any{subnets[0]}, "LaunchTemplate": map[string]any{"LaunchTemplateName": "nodes", "Version": "1"}}
	if err := kind.Update(w.Context, r); err != nil {
		t.Fatal(err)
	}
	if g := describe(t, w); len(g.Instances) != 3 || len(g.AvailabilityZones) != 1 {
		t.Errorf("changed %+v", g)
	}
	p := resource.Request{StackName: "app", LogicalID: "Policy", Token: "2", Properties: map[string]any{"AutoScalingGroupName": "g", "PolicyType": "SimpleScaling", "AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 1, "Cooldown": "60"}}
	policy := types["AWS::AutoScaling::ScalingPolicy"]
	if p.PhysicalID, err = policy.Create(w.Context, p); err != nil || !strings.HasPrefix(p.PhysicalID, "arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:") {
		t.Fatal(p.PhysicalID, err)
	}
	for range 2 {
		if err := policy.Delete(w.Context, p); err != nil {
			t.Error(err)
		}
		if err := kind.Delete(w.Context, r); err != nil {
			t.Error(err)
		}
	}
}
