package applicationautoscaling_test

import (
	"strings"
	"testing"
	"time"

	api "slipway.dev/internal/twin/api/applicationautoscaling"
	"slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/wire"
)

const template = `
Resources:
  Target:
    Type: AWS::ApplicationAutoScaling::ScalableTarget
    Properties:
      ServiceNamespace: ecs
      ScalableDimension: ecs:service:DesiredCount
      ResourceId: service/shop/web
      MinCapacity: MINIMUM
      MaxCapacity: 6
  Policy:
    Type: AWS::ApplicationAutoScaling::ScalingPolicy
    Properties:
      PolicyName: cpu
      PolicyType: TargetTrackingScaling
      ScalingTargetId: !Ref Target
      TargetTrackingScalingPolicyConfiguration:
        PredefinedMetricSpecification: {PredefinedMetricType: ECSServiceAverageCPUUtilization}
        TargetValue: VALUE
        ScaleInCooldown: 300
Outputs:
  Target: {Value: !Ref Target}
  Policy: {Value: !Ref Policy}
`

func TestAStackThatScales(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfn := cloudformation.Client{Invoker: w.Invoker}
	body := func(minimum, value string) *string {
		return new(strings.NewReplacer("MINIMUM", minimum, "VALUE", value).Replace(template))
	}
	if _, err := cfn.CreateStack(w.Context, &cloudformation.CreateStackInput{StackName: "scaling", TemplateBody: body("2", "75")}); err != nil {
		t.Fatal(err)
	}
	made := w.rests(cfn, "CREATE_COMPLETE")
	if made["Target"] != "service/shop/web|ecs:service:DesiredCount|ecs" || !strings.HasSuffix(made["Policy"], ":resource/ecs/service/shop/web:policyName/cpu") {
		t.Errorf("%v", made)
	}
	w.untilDesired(2)
	if _, err := cfn.UpdateStack(w.Context, &cloudformation.UpdateStackInput{StackName: "scaling", TemplateBody: body("4", "50")}); err != nil {
		t.Fatal(err)
	}
	if changed := w.rests(cfn, "UPDATE_COMPLETE"); changed["Policy"] != made["Policy"] {
		t.Errorf("the policy was replaced: %v", changed)
	}
	w.untilDesired(4)
	out, err := w.scaling.DescribeScalingPolicies(w.Context, &api.DescribeScalingPoliciesInput{ServiceNamespace: "ecs"})
	if err != nil || len(out.ScalingPolicies) != 1 || out.ScalingPolicies[0].TargetTrackingScalingPolicyConfiguration.TargetValue != 50 {
		t.Errorf("%+v, %v", out, err)
	}
	if _, err := cfn.DeleteStack(w.Context, &cloudformation.DeleteStackInput{StackName: "scaling"}); err != nil {
		t.Fatal(err)
	}
	w.until("the target is gone", func() bool {
		out, err := w.scaling.DescribeScalableTargets(w.Context, &api.DescribeScalableTargetsInput{ServiceNamespace: "ecs"})
		return err == nil && len(out.ScalableTargets) == 0
	})
}

// rests waits until the stack has come to rest and returns its outputs.
func (w *world) rests(cfn cloudformation.Client, status string) map[string]string {
	w.t.Helper()
	outputs := map[string]string{}
	w.until("the stack is "+status, func() bool {
		out, err := cfn.DescribeStacks(w.Context, &cloudformation.DescribeStacksInput{StackName: new("scaling")})
		if err != nil {
			w.t.Fatal(err)
		}
		stack := out.Stacks[0]
		if strings.Contains(stack.StackStatus, "ROLLBACK") || strings.Contains(stack.StackStatus, "FAILED") {
			w.t.Fatalf("%s: %s", stack.StackStatus, wire.Value(stack.StackStatusReason))
		}
		for _, o := range stack.Outputs {
			outputs[*o.OutputKey] = *o.OutputValue
		}
		return stack.StackStatus == status
	})
	return outputs
}

// until waits for a condition, looking again after every change of the twin's state.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	patience := time.After(time.Minute)
	for {
		changed := w.Changed()
		if holds() {
			return
		}
		select {
		case <-changed:
		case <-patience:
			w.t.Fatalf("still not: %s", what)
		}
	}
}
