package ecs_test

import (
	"slices"
	"strings"
	"testing"

	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/twintest"
	"slipway.dev/internal/twin/wire"
)

func fargateInput(change func(*api.RegisterTaskDefinitionInput)) *api.RegisterTaskDefinitionInput {
	in := &api.RegisterTaskDefinitionInput{Family: "app", Cpu: new("256"), Memory: new("512"), NetworkMode: new("awsvpc"), RequiresCompatibilities: []string{"FARGATE"},
		ContainerDefinitions: []api.ContainerDefinition{{Name: new("web"), Image: new("web:1")}}}
	if change != nil {
		change(in)
	}
	return in
}

func TestTaskDefinitionsAreChecked(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	ecs := api.Client{Invoker: w.Invoker}
	container := func(in *api.RegisterTaskDefinitionInput) *api.ContainerDefinition { return &in.ContainerDefinitions[0] }
	for want, change := range map[string]func(in *api.RegisterTaskDefinitionInput){
		"": nil,
		"No Fargate configuration exists for given values: 256 CPU, 4096 memory.": func(in *api.RegisterTaskDefinitionInput) { in.Memory = new("4096") },
		"No Fargate configuration exists for given values: 300 CPU, 512 memory.":  func(in *api.RegisterTaskDefinitionInput) { in.Cpu = new("300") },
		"No Fargate configuration exists for given values: 256 CPU, 1536 memory.": func(in *api.RegisterTaskDefinitionInput) { in.Memory = new("1536") },
		"Fargate requires that 'cpu' be defined at the task level.":               func(in *api.RegisterTaskDefinitionInput) { in.Cpu = nil },
		"Fargate only supports network mode":                                      func(in *api.RegisterTaskDefinitionInput) { in.NetworkMode = new("bridge") },
		"When networkMode=awsvpc, the host ports and container ports in port mappings must match.": func(in *api.RegisterTaskDefinitionInput) {
			container(in).PortMappings = []api.PortMapping{{ContainerPort: new(80), HostPort: new(81)}}
		},
		"Fargate requires task definition to have execution role ARN to support ECR images.": func(in *api.RegisterTaskDefinitionInput) {
			container(in).Image = new("000000000000.dkr.ecr.us-east-1.amazonaws.com/web:1")
		},
		"Fargate requires task definition to have execution role ARN to support log driver awslogs.": func(in *api.RegisterTaskDefinitionInput) { logged(in) },
		"Container.image should not be null or empty.":                                               func(in *api.RegisterTaskDefinitionInput) { container(in).Image = nil },
		"Container dependencies of 'web' are circular.": func(in *api.RegisterTaskDefinitionInput) {
			container(in).DependsOn = []api.ContainerDependency{{ContainerName: "web", Condition: "START"}}
		},
		"Container 'web' depends on unknown container 'db'.": func(in *api.RegisterTaskDefinitionInput) {
			container(in).DependsOn = []api.ContainerDependency{{ContainerName: "db", Condition: "START"}}
		},
		"A task definition must have at least one essential container.": func(in *api.RegisterTaskDefinitionInput) { container(in).Essential = new(false) },
		"Unknown volume 'data'.": func(in *api.RegisterTaskDefinitionInput) {
			container(in).MountPoints = []api.MountPoint{{SourceVolume: new("data")}}
		},
		"Invalid healthCheck of container 'web': interval must be from 5 to 300, found 1.": func(in *api.RegisterTaskDefinitionInput) {
			container(in).HealthCheck = &api.HealthCheck{Command: []string{"CMD", "x"}, Interval: new(1)}
		},
		"Secret KEY of container 'web': Secrets Manager is not supported yet by the twin": func(in *api.RegisterTaskDefinitionInput) {
			container(in).Secrets = []api.Secret{{Name: "KEY", ValueFrom: "arn:aws:secretsmanager:us-east-1:000000000000:secret:x"}}
		},
		"Invalid setting for container 'web'. On Fargate stopTimeout is at most 120 seconds, found 121.": func(in *api.RegisterTaskDefinitionInput) { container(in).StopTimeout = new(121) },
		"Log driver splunk of container 'web' is not supported yet by the twin": func(in *api.RegisterTaskDefinitionInput) {
			container(in).LogConfiguration = &api.LogConfiguration{LogDriver: "splunk"}
		},
		"Invalid setting for container 'web'. At least one of 'memory' or 'memoryReservation' must be specified.": func(in *api.RegisterTaskDefinitionInput) {
			in.RequiresCompatibilities, in.Memory, in.Cpu = nil, nil, nil
		},
	} {
		_, err := ecs.RegisterTaskDefinition(w.Context, fargateInput(change))
		switch {
		case want == "" && err != nil:
			t.Error(err)
		case want != "" && (!wire.HasCode(err, "ClientException") || !strings.HasPrefix(strings.TrimPrefix(err.Error(), "ClientException: "), want)):
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestFamiliesAndRevisions(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	ecs := api.Client{Invoker: w.Invoker}
	var arns []string
	for range 3 {
		out, err := ecs.RegisterTaskDefinition(w.Context, fargateInput(func(in *api.RegisterTaskDefinitionInput) { in.Tags = []api.Tag{{Key: new("team"), Value: new("red")}} }))
		if err != nil {
			t.Fatal(err)
		}
		arns = append(arns, *out.TaskDefinition.TaskDefinitionArn)
	}
	if arns[2] != "arn:aws:ecs:us-east-1:000000000000:task-definition/app:3" {
		t.Errorf("third revision is %s", arns[2])
	}
	if _, err := ecs.DeregisterTaskDefinition(w.Context, &api.DeregisterTaskDefinitionInput{TaskDefinition: "app:3"}); err != nil {
		t.Fatal(err)
	}
	latest, err := ecs.DescribeTaskDefinition(w.Context, &api.DescribeTaskDefinitionInput{TaskDefinition: "app", Include: []string{"TAGS"}})
	if err != nil || *latest.TaskDefinition.Revision != 2 || len(latest.Tags) != 1 {
		t.Errorf("latest active: %+v, %v", latest, err)
	}
	gone, err := ecs.DescribeTaskDefinition(w.Context, &api.DescribeTaskDefinitionInput{TaskDefinition: arns[2]})
	if err != nil || *gone.TaskDefinition.Status != "INACTIVE" {
		t.Errorf("a deregistered one: %+v, %v", gone, err)
	}
	list, err := ecs.ListTaskDefinitions(w.Context, &api.ListTaskDefinitionsInput{FamilyPrefix: new("app"), Sort: new("DESC")})
	if err != nil || !slices.Equal(list.TaskDefinitionArns, []string{arns[1], arns[0]}) {
		t.Errorf("list %v, %v", list, err)
	}
	out, err := ecs.DeleteTaskDefinitions(w.Context, &api.DeleteTaskDefinitionsInput{TaskDefinitions: []string{"app:3", "app:1"}})
	if err != nil || len(out.TaskDefinitions) != 1 || len(out.Failures) != 1 {
		t.Errorf("delete: %+v, %v", out, err)
	}
	again, err := ecs.RegisterTaskDefinition(w.Context, fargateInput(nil))
	if err != nil || *again.TaskDefinition.Revision != 4 {
		t.Errorf("a number is given twice: %+v, %v", again, err)
	}
	_, err = ecs.DescribeTaskDefinition(w.Context, &api.DescribeTaskDefinitionInput{TaskDefinition: "nothing"})
	if !wire.HasCode(err, "ClientException") {
		t.Errorf("unknown family: %v", err)
	}
}

func TestClusters(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	ecs := api.Client{Invoker: w.Invoker}
	for range 2 { // making it twice is making it once
		out, err := ecs.CreateCluster(w.Context, &api.CreateClusterInput{ClusterName: new("demo"), CapacityProviders: []string{"FARGATE"}})
		if err != nil || *out.Cluster.ClusterArn != "arn:aws:ecs:us-east-1:000000000000:cluster/demo" || *out.Cluster.Status != "ACTIVE" {
			t.Fatalf("%+v, %v", out, err)
		}
	}
	described, err := ecs.DescribeClusters(w.Context, &api.DescribeClustersInput{Clusters: []string{"demo", "other"}})
	if err != nil || len(described.Clusters) != 1 || len(described.Failures) != 1 || *described.Failures[0].Reason != "MISSING" {
		t.Errorf("%+v, %v", described, err)
	}
	_, err = ecs.PutClusterCapacityProviders(w.Context, &api.PutClusterCapacityProvidersInput{Cluster: "demo", CapacityProviders: []string{"none"}, DefaultCapacityProviderStrategy: []api.CapacityProviderStrategyItem{}})
	if !wire.HasCode(err, "InvalidParameterException") {
		t.Errorf("an unknown capacity provider: %v", err)
	}
	if _, err := ecs.DeleteCluster(w.Context, &api.DeleteClusterInput{Cluster: "demo"}); err != nil {
		t.Fatal(err)
	}
	described, err = ecs.DescribeClusters(w.Context, &api.DescribeClustersInput{Clusters: []string{"demo"}})
	if err != nil || *described.Clusters[0].Status != "INACTIVE" {
		t.Errorf("a deleted cluster: %+v, %v", described, err)
	}
	list, err := ecs.ListClusters(w.Context, &api.ListClustersInput{})
	if err != nil || len(list.ClusterArns) != 0 {
		t.Errorf("listed: %v, %v", list, err)
	}
	_, err = ecs.ListServices(w.Context, &api.ListServicesInput{Cluster: new("demo")})
	if !wire.HasCode(err, "ClusterNotFoundException") {
		t.Errorf("services of a deleted cluster: %v", err)
	}
}

func TestServicesAreChecked(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	ecs := api.Client{Invoker: w.Invoker}
	if _, err := ecs.CreateCluster(w.Context, &api.CreateClusterInput{ClusterName: new("demo")}); err != nil {
		t.Fatal(err)
	}
	if _, err := ecs.RegisterTaskDefinition(w.Context, fargateInput(nil)); err != nil {
		t.Fatal(err)
	}
	network := &api.NetworkConfiguration{AwsvpcConfiguration: &api.AwsVpcConfiguration{Subnets: []string{"subnet-1"}}}
	for want, c := range map[string]struct {
		code   string
		change func(*api.CreateServiceInput)
	}{
		"Cluster not found.":        {"ClusterNotFoundException", func(in *api.CreateServiceInput) { in.Cluster = new("other") }},
		"TaskDefinition not found.": {"ClientException", func(in *api.CreateServiceInput) { in.TaskDefinition = new("other") }},
		"Network Configuration must be provided when networkMode 'awsvpc' is specified.": {"InvalidParameterException", func(in *api.CreateServiceInput) { in.NetworkConfiguration = nil }},
		"The deployment strategy CANARY is not supported yet by the twin: use ROLLING.": {"InvalidParameterException", func(in *api.CreateServiceInput) {
			in.DeploymentConfiguration = &api.DeploymentConfiguration{Strategy: new("CANARY")}
		}},
		"The deployment controller CODE_DEPLOY is not supported yet by the twin: use ECS.": {"InvalidParameterException", func(in *api.CreateServiceInput) {
			in.DeploymentController = &api.DeploymentController{Type: "CODE_DEPLOY"}
		}},
		"The scheduling strategy DAEMON is not supported yet by the twin: use REPLICA.": {"InvalidParameterException", func(in *api.CreateServiceInput) { in.SchedulingStrategy = new("DAEMON") }},
		"The container db does not exist in the task definition.": {"InvalidParameterException", func(in *api.CreateServiceInput) {
			in.LoadBalancers = []api.LoadBalancer{{TargetGroupArn: new("x"), ContainerName: new("db"), ContainerPort: new(1)}}
		}},
		"The container web did not have a container port 1 defined.": {"InvalidParameterException", func(in *api.CreateServiceInput) {
			in.LoadBalancers = []api.LoadBalancer{{TargetGroupArn: new("x"), ContainerName: new("web"), ContainerPort: new(1)}}
		}},
		"MinimumHealthyPercent and MaximumPercent cannot both be 100 as this will block deployments.": {"InvalidParameterException", func(in *api.CreateServiceInput) {
			in.DeploymentConfiguration = &api.DeploymentConfiguration{MaximumPercent: new(100)}
		}},
		"Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.": {"InvalidParameterException", func(in *api.CreateServiceInput) {
			in.CapacityProviderStrategy = []api.CapacityProviderStrategyItem{{CapacityProvider: "FARGATE"}}
		}},
	} {
		in := &api.CreateServiceInput{Cluster: new("demo"), ServiceName: "web", TaskDefinition: new("app"), DesiredCount: new(0), LaunchType: new("FARGATE"), NetworkConfiguration: network}
		c.change(in)
		if _, err := ecs.CreateService(w.Context, in); !wire.HasCode(err, c.code) || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	out, err := ecs.DescribeServices(w.Context, &api.DescribeServicesInput{Cluster: new("demo"), Services: []string{"web"}})
	if err != nil || len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestAccountSettings(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	ecs := api.Client{Invoker: w.Invoker}
	_, err := ecs.PutAccountSettingDefault(w.Context, &api.PutAccountSettingDefaultInput{Name: "containerInsights", Value: "enabled"})
	if err != nil {
		t.Fatal(err)
	}
	out, err := ecs.ListAccountSettings(w.Context, &api.ListAccountSettingsInput{EffectiveSettings: new(true), Name: new("containerInsights")})
	if err != nil || len(out.Settings) != 1 || *out.Settings[0].Value != "enabled" {
		t.Errorf("%+v, %v", out, err)
	}
	out, err = ecs.ListAccountSettings(w.Context, &api.ListAccountSettingsInput{EffectiveSettings: new(true), Name: new("taskLongArnFormat")})
	if err != nil || len(out.Settings) != 1 || *out.Settings[0].Value != "enabled" {
		t.Errorf("%+v, %v", out, err)
	}
}
