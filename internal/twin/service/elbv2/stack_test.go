package elbv2_test

import (
	"strconv"
	"strings"
	"testing"

	"slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/wire"
)

// template is a load balancer as a team writes one; PORT, BODY and DELAY are filled in.
const template = `
Parameters:
  VpcId: {Type: String}
  Subnets: {Type: CommaDelimitedList}
Resources:
  LoadBalancer:
    Type: AWS::ElasticLoadBalancingV2::LoadBalancer
    Properties:
      Subnets: !Ref Subnets
      LoadBalancerAttributes: [{Key: idle_timeout.timeout_seconds, Value: "30"}]
      Tags: [{Key: team, Value: BODY}]
  Listener:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties:
      LoadBalancerArn: !Ref LoadBalancer
      Port: 80
      Protocol: HTTP
      DefaultActions: [{Type: fixed-response, FixedResponseConfig: {StatusCode: "404", MessageBody: BODY}}]
  Rule:
    Type: AWS::ElasticLoadBalancingV2::ListenerRule
    Properties:
      ListenerArn: !Ref Listener
      Priority: PRIORITY
      Conditions: [{Field: path-pattern, PathPatternConfig: {Values: [/app*]}}]
      Actions: [{Type: forward, TargetGroupArn: !Ref Group}]
  Group:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties:
      VpcId: !Ref VpcId
      TargetType: ip
      Port: 8080
      Protocol: HTTP
      HealthCheckIntervalSeconds: 5
      HealthCheckTimeoutSeconds: 2
      TargetGroupAttributes: [ATTRIBUTES]
      Targets: [{Id: 127.0.0.1, Port: TARGET}]
Outputs:
  DNSName: {Value: !GetAtt LoadBalancer.DNSName}
  FullName: {Value: !GetAtt LoadBalancer.LoadBalancerFullName}
  Zone: {Value: !GetAtt LoadBalancer.CanonicalHostedZoneID}
  Name: {Value: !GetAtt LoadBalancer.LoadBalancerName}
  Group: {Value: !Ref Group}
  GroupFullName: {Value: !GetAtt Group.TargetGroupFullName}
  Rule: {Value: !GetAtt Rule.RuleArn}
  Listener: {Value: !Ref Listener}
`

func fill(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(template) }

func TestAStackOfALoadBalancer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfn := cloudformation.Client{Invoker: w.Invoker}
	target := program(t, "from the stack")
	port := strconv.Itoa(*target.Port)
	parameters := []cloudformation.Parameter{{ParameterKey: new("VpcId"), ParameterValue: &w.vpc}, {ParameterKey: new("Subnets"), ParameterValue: new(strings.Join(w.subnets[:2], ","))}}
	_, err := cfn.CreateStack(w.Context, &cloudformation.CreateStackInput{StackName: "a-stack-with-a-rather-long-name", Parameters: parameters,
		TemplateBody: new(fill("BODY", "first", "PRIORITY", "5", "ATTRIBUTES", `{Key: slow_start.duration_seconds, Value: "30"}`, "TARGET", port))})
	if err != nil {
		t.Fatal(err)
	}
	outputs := w.rests(cfn, "CREATE_COMPLETE")
	if name := outputs["Name"]; len(name) > 32 || !strings.HasPrefix(outputs["FullName"], "app/"+name+"/") || !strings.HasPrefix(outputs["DNSName"], name+"-") {
		t.Errorf("names %v", outputs)
	}
	if outputs["Zone"] != "Z35SXDOTRQ7X7K" || !strings.HasPrefix(outputs["GroupFullName"], "targetgroup/") {
		t.Errorf("attributes %v", outputs)
	}
	w.untilHealth(outputs["Group"], target, "healthy")
	if _, body := w.get(w.Address(), outputs["DNSName"], "/app/1"); body != "from the stack" {
		t.Errorf("rule: %s", body)
	}
	if status, body := w.get(w.Address(), outputs["DNSName"], "/"); status != 404 || body != "first" {
		t.Errorf("default: %d %s", status, body)
	}

	_, err = cfn.UpdateStack(w.Context, &cloudformation.UpdateStackInput{StackName: "a-stack-with-a-rather-long-name", Parameters: parameters,
		TemplateBody: new(fill("BODY", "second", "PRIORITY", "6", "ATTRIBUTES", `{Key: deregistration_delay.timeout_seconds, Value: "7"}`, "TARGET", port))})
	if err != nil {
		t.Fatal(err)
	}
	if again := w.rests(cfn, "UPDATE_COMPLETE"); again["DNSName"] != outputs["DNSName"] || again["Rule"] != outputs["Rule"] {
		t.Errorf("was replaced: %v", again)
	}
	w.until("the new answer is served", func() bool { _, body := w.get(w.Address(), outputs["DNSName"], "/"); return body == "second" })
	if got := w.priorities(outputs["Listener"]); got != "6 default" {
		t.Errorf("priorities %s", got)
	}
	attributes, err := w.elb.DescribeTargetGroupAttributes(w.Context, &elbv2.DescribeTargetGroupAttributesInput{TargetGroupArn: outputs["Group"]})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attributes.Attributes {
		if want, ours := map[string]string{"deregistration_delay.timeout_seconds": "7", "slow_start.duration_seconds": "0"}[*a.Key]; ours && *a.Value != want {
			t.Errorf("%s = %s, want %s", *a.Key, *a.Value, want)
		}
	}
	w.untilHealth(outputs["Group"], target, "healthy")

	if _, err := cfn.DeleteStack(w.Context, &cloudformation.DeleteStackInput{StackName: "a-stack-with-a-rather-long-name"}); err != nil {
		t.Fatal(err)
	}
	w.until("everything is gone", func() bool {
		groups, err := w.elb.DescribeTargetGroups(w.Context, &elbv2.DescribeTargetGroupsInput{})
		return err == nil && len(groups.TargetGroups) == 0 && len(w.listed()) == 0
	})
}

// rests waits until the stack has come to rest and returns its outputs.
func (w *world) rests(cfn cloudformation.Client, status string) map[string]string {
	w.t.Helper()
	outputs := map[string]string{}
	w.until("the stack is "+status, func() bool {
		out, err := cfn.DescribeStacks(w.Context, &cloudformation.DescribeStacksInput{StackName: new("a-stack-with-a-rather-long-name")})
		if err != nil {
			w.t.Fatal(err)
		}
		stack := out.Stacks[0]
		if strings.Contains(stack.StackStatus, "ROLLBACK") || strings.Contains(stack.StackStatus, "FAILED") {
			w.t.Fatalf("%s: %s\n%s", stack.StackStatus, wire.Value(stack.StackStatusReason), w.reasons(cfn))
		}
		for _, o := range stack.Outputs {
			outputs[*o.OutputKey] = *o.OutputValue
		}
		return stack.StackStatus == status
	})
	return outputs
}

// reasons are what went wrong, for a failing test.
func (w *world) reasons(cfn cloudformation.Client) (all string) {
	out, err := cfn.DescribeStackEvents(w.Context, &cloudformation.DescribeStackEventsInput{StackName: "a-stack-with-a-rather-long-name"})
	if err != nil {
		return err.Error()
	}
	for _, e := range out.StackEvents {
		all += wire.Value(e.LogicalResourceId) + " " + wire.Value(e.ResourceStatus) + " " + wire.Value(e.ResourceStatusReason) + "\n"
	}
	return all
}
