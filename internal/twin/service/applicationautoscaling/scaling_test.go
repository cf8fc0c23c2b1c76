package applicationautoscaling_test

import (
	"fmt"
	"testing"

	api "slipway.dev/internal/twin/api/applicationautoscaling"
	"slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/twintest"
	"slipway.dev/internal/twin/wire"
)

// world is a twin with an ECS service that has nowhere to run: its desired count is what these tests are about.
type world struct {
	*twintest.Twin
	t       testing.TB
	scaling api.Client
	ecs     ecs.Client
}

const resourceID = "service/shop/web"

func newWorld(t testing.TB) *world {
	t.Helper()
	w := twintest.Start(t)
	in := &world{w, t, api.Client{Invoker: w.Invoker}, ecs.Client{Invoker: w.Invoker}}
	if _, err := in.ecs.CreateCluster(w.Context, &ecs.CreateClusterInput{ClusterName: new("shop")}); err != nil {
		t.Fatal(err)
	}
	_, err := in.ecs.RegisterTaskDefinition(w.Context, &ecs.RegisterTaskDefinitionInput{Family: "web",
		ContainerDefinitions: []ecs.ContainerDefinition{{Name: new("web"), Image: new("localhost/none"), Memory: new(16)}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = in.ecs.CreateService(w.Context, &ecs.CreateServiceInput{Cluster: new("shop"), ServiceName: "web", TaskDefinition: new("web"), DesiredCount: new(1), LaunchType: new("EC2")})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func (w *world) desired() int {
	w.t.Helper()
	out, err := w.ecs.DescribeServices(w.Context, &ecs.DescribeServicesInput{Cluster: new("shop"), Services: []string{"web"}})
	if err != nil || len(out.Services) != 1 {
		w.t.Fatalf("%v, %v", out, err)
	}
	return wire.Value(out.Services[0].DesiredCount)
}

func (w *world) untilDesired(want int) {
	w.t.Helper()
	w.until(fmt.Sprintf("the desired count is %d", want), func() bool { return w.desired() == want })
}

func (w *world) register(minimum, maximum int) error {
	_, err := w.scaling.RegisterScalableTarget(w.Context, &api.RegisterScalableTargetInput{ServiceNamespace: "ecs", ScalableDimension: "ecs:service:DesiredCount", ResourceId: resourceID, MinCapacity: &minimum, MaxCapacity: &maximum})
	return err
}

func (w *world) put(change func(*api.PutScalingPolicyInput)) error {
	in := &api.PutScalingPolicyInput{ServiceNamespace: "ecs", ScalableDimension: "ecs:service:DesiredCount", ResourceId: resourceID, PolicyName: "cpu", PolicyType: new("TargetTrackingScaling"),
		TargetTrackingScalingPolicyConfiguration: &api.TargetTrackingScalingPolicyConfiguration{TargetValue: 75, PredefinedMetricSpecification: &api.PredefinedMetricSpecification{PredefinedMetricType: "ECSServiceAverageCPUUtilization"}}}
	change(in)
	_, err := w.scaling.PutScalingPolicy(w.Context, in)
	return err
}

func TestNewBoundsHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.register(3, 5); err != nil {
		t.Fatal(err)
	}
	w.untilDesired(3)
	out, err := w.scaling.DescribeScalingActivities(w.Context, &api.DescribeScalingActivitiesInput{ServiceNamespace: "ecs", ResourceId: new(resourceID)})
	if err != nil || len(out.ScalingActivities) != 1 {
		t.Fatalf("%v, %v", out, err)
	}
	if a := out.ScalingActivities[0]; a.Cause != "minimum capacity was set to 3" || a.Description != "Setting desired count to 3." || a.StatusCode != "Successful" {
		t.Errorf("%+v", a)
	}
	if err := w.register(1, 2); err != nil {
		t.Fatal(err)
	}
	w.untilDesired(2)
}

func TestTargetsAndPoliciesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.put(func(*api.PutScalingPolicyInput) {}); !wire.HasCode(err, "ObjectNotFoundException") {
		t.Errorf("policy of no target: %v", err)
	}
	if err := w.register(2, 1); !wire.HasCode(err, "ValidationException") {
		t.Errorf("minimum above maximum: %v", err)
	}
	_, err := w.scaling.RegisterScalableTarget(w.Context, &api.RegisterScalableTargetInput{ServiceNamespace: "ecs", ScalableDimension: "ecs:service:DesiredCount", ResourceId: "service/shop/nobody", MinCapacity: new(1), MaxCapacity: new(2)})
	if !wire.HasCode(err, "ValidationException") {
		t.Errorf("unknown service: %v", err)
	}
	if err := w.register(1, 2); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*api.PutScalingPolicyInput){
		"step scaling": func(in *api.PutScalingPolicyInput) { in.PolicyType = nil },
		"requests": func(in *api.PutScalingPolicyInput) {
			in.TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification.PredefinedMetricType = "ALBRequestCountPerTarget"
		},
		"no metric": func(in *api.PutScalingPolicyInput) {
			in.TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification = nil
		},
		"own metric": func(in *api.PutScalingPolicyInput) {
			in.TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification = nil
			in.TargetTrackingScalingPolicyConfiguration.CustomizedMetricSpecification = &api.CustomizedMetricSpecification{}
		},
		"target of 0": func(in *api.PutScalingPolicyInput) { in.TargetTrackingScalingPolicyConfiguration.TargetValue = 0 },
	} {
		if err := w.put(change); !wire.HasCode(err, "ValidationException") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := w.put(func(*api.PutScalingPolicyInput) {}); err != nil {
		t.Fatal(err)
	}
	if err := w.put(func(in *api.PutScalingPolicyInput) { in.PolicyName = "again" }); !wire.HasCode(err, "ValidationException") {
		t.Errorf("the same metric twice: %v", err)
	}
}

func TestATargetGoesWithItsPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.register(1, 4); err != nil {
		t.Fatal(err)
	}
	if err := w.put(func(*api.PutScalingPolicyInput) {}); err != nil {
		t.Fatal(err)
	}
	gone := &api.DeregisterScalableTargetInput{ServiceNamespace: "ecs", ScalableDimension: "ecs:service:DesiredCount", ResourceId: resourceID}
	if _, err := w.scaling.DeregisterScalableTarget(w.Context, gone); err != nil {
		t.Fatal(err)
	}
	out, err := w.scaling.DescribeScalingPolicies(w.Context, &api.DescribeScalingPoliciesInput{ServiceNamespace: "ecs"})
	if err != nil || len(out.ScalingPolicies) != 0 {
		t.Errorf("%v, %v", out, err)
	}
	if _, err := w.scaling.DeregisterScalableTarget(w.Context, gone); !wire.HasCode(err, "ObjectNotFoundException") {
		t.Errorf("twice: %v", err)
	}
}
