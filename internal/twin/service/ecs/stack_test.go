package ecs_test

import (
	"strings"
	"testing"
	"time"

	"slipway.dev/internal/twin/api/autoscaling"
	"slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/api/ec2"
	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/wire"
)

const template = `
Parameters:
  Greeting: {Type: String}
  Command: {Type: CommaDelimitedList, Default: "serve"}
  Subnet: {Type: String}
Resources:
  Cluster:
    Type: AWS::ECS::Cluster
    Properties:
      ClusterName: stacked
      ClusterSettings: [{Name: containerInsights, Value: disabled}]
  Providers:
    Type: AWS::ECS::ClusterCapacityProviderAssociations
    Properties:
      Cluster: !Ref Cluster
      CapacityProviders: [FARGATE]
      DefaultCapacityProviderStrategy: [{CapacityProvider: FARGATE, Weight: 1}]
  Definition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: stacked
      Cpu: "256"
      Memory: "512"
      NetworkMode: awsvpc
      RequiresCompatibilities: [FARGATE]
      ContainerDefinitions:
        - Name: web
          Image: ` + image + `
          Command: !Ref Command
          PortMappings: [{ContainerPort: 8080}]
          Environment: [{Name: GREETING, Value: !Ref Greeting}]
  Service:
    Type: AWS::ECS::Service
    DependsOn: Providers
    Properties:
      ServiceName: web
      Cluster: !Ref Cluster
      TaskDefinition: !Ref Definition
      DesiredCount: 1
      DeploymentConfiguration:
        DeploymentCircuitBreaker: {Enable: true, Rollback: true}
      NetworkConfiguration:
        AwsvpcConfiguration: {Subnets: [!Ref Subnet]}
Outputs:
  Name: {Value: !GetAtt Service.Name}
`

func (w *world) parameters(greeting, command string) []cloudformation.Parameter {
	list := []cloudformation.Parameter{}
	for _, p := range [][2]string{{"Greeting", greeting}, {"Command", command}, {"Subnet", w.subnet}} {
		list = append(list, cloudformation.Parameter{ParameterKey: new(p[0]), ParameterValue: new(p[1])})
	}
	return list
}

func (w *world) awaitStack(status string) {
	w.t.Helper()
	cfn := cloudformation.Client{Invoker: w.Invoker}
	w.await("the stack to be "+status, func() bool {
		out, err := cfn.DescribeStacks(w.Context, &cloudformation.DescribeStacksInput{StackName: new("app")})
		if status == "gone" && err != nil {
			return true
		}
		w.must(err)
		got := out.Stacks[0].StackStatus
		if !strings.HasSuffix(got, "_IN_PROGRESS") && got != status {
			w.t.Fatalf("the stack is %s:\n%s", got, w.stackEvents())
		}
		return got == status
	})
}

func (w *world) stackEvents() string {
	w.t.Helper()
	out, err := cloudformation.Client{Invoker: w.Invoker}.DescribeStackEvents(w.Context, &cloudformation.DescribeStackEventsInput{StackName: "app"})
	w.must(err)
	text := ""
	for _, e := range out.StackEvents {
		text += wire.Value(e.LogicalResourceId) + " " + wire.Value(e.ResourceStatus) + " " + wire.Value(e.ResourceStatusReason) + "\n"
	}
	return text
}

func TestAStackOfAService(t *testing.T) {
	t.Parallel()
	w := start(t).settle()
	cfn := cloudformation.Client{Invoker: w.Invoker}
	_, err := cfn.CreateStack(w.Context, &cloudformation.CreateStackInput{StackName: "app", TemplateBody: new(template), Parameters: w.parameters("one", "serve")})
	w.must(err)
	begun := time.Now()
	w.awaitStack("CREATE_COMPLETE")
	t.Logf("created in %v", time.Since(begun))
	if got := w.stacked(); got != "one" {
		t.Errorf("it answers %q", got)
	}
	_, err = cfn.UpdateStack(w.Context, &cloudformation.UpdateStackInput{StackName: "app", TemplateBody: new(template), Parameters: w.parameters("two", "serve")})
	w.must(err)
	begun = time.Now()
	w.awaitStack("UPDATE_COMPLETE")
	t.Logf("updated in %v", time.Since(begun))
	if got := w.stacked(); got != "two" {
		t.Errorf("it answers %q", got)
	}
	_, err = cfn.UpdateStack(w.Context, &cloudformation.UpdateStackInput{StackName: "app", TemplateBody: new(template), Parameters: w.parameters("two", "fail,9")})
	w.must(err)
	w.awaitStack("UPDATE_ROLLBACK_COMPLETE")
	for _, want := range []string{"Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'.", "container web exited with code 9, its last output: cannot find my configuration"} {
		if !strings.Contains(w.stackEvents(), want) {
			t.Errorf("no reason %q in\n%s", want, w.stackEvents())
		}
	}
	if got := w.stacked(); got != "two" {
		t.Errorf("after the rollback it answers %q", got)
	}
	_, err = cfn.DeleteStack(w.Context, &cloudformation.DeleteStackInput{StackName: "app"})
	w.must(err)
	w.awaitStack("gone")
	out, err := w.ecs.DescribeClusters(w.Context, &api.DescribeClustersInput{Clusters: []string{"stacked"}})
	w.must(err)
	if *out.Clusters[0].Status != "INACTIVE" {
		t.Errorf("the cluster is %s", *out.Clusters[0].Status)
	}
}

// stacked is the answer of the stack's one running task.
func (w *world) stacked() string {
	w.t.Helper()
	list, err := w.ecs.ListTasks(w.Context, &api.ListTasksInput{Cluster: new("stacked"), ServiceName: new("web")})
	w.must(err)
	if len(list.TaskArns) != 1 {
		w.t.Fatalf("tasks %v", list.TaskArns)
	}
	out, err := w.ecs.DescribeTasks(w.Context, &api.DescribeTasksInput{Cluster: new("stacked"), Tasks: list.TaskArns})
	w.must(err)
	return w.get(w.dial(out.Tasks[0], 8080), "/")
}

func TestAServiceOnInstances(t *testing.T) {
	t.Parallel()
	w := start(t).settle()
	definition := w.register("web", nil, func(in *api.RegisterTaskDefinitionInput) {
		in.RequiresCompatibilities, in.NetworkMode, in.Cpu, in.Memory, in.ExecutionRoleArn = []string{"EC2"}, new("bridge"), nil, nil, nil
		in.ContainerDefinitions[0].Memory = new(700)
		in.ContainerDefinitions[0].PortMappings[0].HostPort = new(0)
	})
	onInstances := func(in *api.CreateServiceInput) { in.LaunchType, in.NetworkConfiguration = new("EC2"), nil }
	w.create("web", definition, 2, onInstances)
	w.await("word of the lack of instances", func() bool {
		return strings.Contains(events(w.service("web")), "(service web) was unable to place a task because no container instance met all of its requirements. Reason: No Container Instances were found in your cluster.")
	})
	w.addInstances("t3.small", 1)
	w.awaitSteady("web")
	tasks := w.tasks("web", "RUNNING")
	for _, task := range tasks {
		if got := w.get(w.dial(task, 8080), "/"); got != "hello from web" {
			t.Errorf("it answers %q", got)
		}
		if len(task.Containers[0].NetworkBindings) != 1 || *task.Containers[0].NetworkBindings[0].ContainerPort != 8080 {
			t.Errorf("bindings %+v", task.Containers[0].NetworkBindings)
		}
	}
	list, err := w.ecs.ListContainerInstances(w.Context, &api.ListContainerInstancesInput{Cluster: new("demo")})
	w.must(err)
	if len(list.ContainerInstanceArns) != 1 || *tasks[0].ContainerInstanceArn != list.ContainerInstanceArns[0] {
		t.Errorf("instances %v", list.ContainerInstanceArns)
	}
	_, err = w.ecs.UpdateService(w.Context, &api.UpdateServiceInput{Cluster: new("demo"), Service: "web", DesiredCount: new(3)})
	w.must(err)
	w.await("word of the lack of memory", func() bool { return strings.Contains(events(w.service("web")), "has insufficient memory available.") })
}

// addInstances gives the cluster an Auto Scaling group of recorded instances.
func (w *world) addInstances(kind string, n int) {
	w.t.Helper()
	lt, err := ec2.Client{Invoker: w.Invoker}.CreateLaunchTemplate(w.Context, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: "nodes",
		LaunchTemplateData: &ec2.RequestLaunchTemplateData{InstanceType: &kind, ImageId: new("ami-0123456789abcdef0")}})
	w.must(err)
	groups := autoscaling.Client{Invoker: w.Invoker}
	_, err = groups.CreateAutoScalingGroup(w.Context, &autoscaling.CreateAutoScalingGroupInput{AutoScalingGroupName: "nodes", MinSize: n, MaxSize: n, DesiredCapacity: &n, VPCZoneIdentifier: &w.subnet,
		LaunchTemplate: &autoscaling.LaunchTemplateSpecification{LaunchTemplateId: lt.LaunchTemplate.LaunchTemplateId, Version: new("$Latest")}})
	w.must(err)
	out, err := groups.DescribeAutoScalingGroups(w.Context, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{"nodes"}})
	w.must(err)
	_, err = w.ecs.CreateCapacityProvider(w.Context, &api.CreateCapacityProviderInput{Name: "nodes", AutoScalingGroupProvider: &api.AutoScalingGroupProvider{AutoScalingGroupArn: *out.AutoScalingGroups[0].AutoScalingGroupARN}})
	w.must(err)
	_, err = w.ecs.PutClusterCapacityProviders(w.Context, &api.PutClusterCapacityProvidersInput{Cluster: "demo", CapacityProviders: []string{"nodes"}, DefaultCapacityProviderStrategy: []api.CapacityProviderStrategyItem{}})
	w.must(err)
}
