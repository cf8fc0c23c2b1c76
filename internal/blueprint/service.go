package blueprint

import (
	"cmp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"slipway.dev/internal/manifest"
)

// serviceStack is the service itself: tasks, their logs, scaling and the way
// from the load balancer to them.
func (r *renderer) serviceStack() draft {
	env := r.environment.Name
	variables := r.variables()
	d := draft{
		kind:  KindService,
		name:  r.name(KindService, r.service.Name, env),
		asset: "service",
		tags:  r.serviceTags(KindService),
		dependsOn: []string{
			r.name(KindIAMCommon),
			r.name(KindIAMService, r.service.Name, env),
			r.name(KindLoadBalancer, env),
			r.name(KindEnvironment, env),
		},
		fill:   variables.fill,
		derive: r.fargateSize,
		check:  variables.check,
	}
	if r.service.ImageRepository == "" {
		d.dependsOn = append(d.dependsOn, r.name(KindRepo, r.service.Name))
	}
	d.parameters = append(d.parameters, r.serviceImports()...)
	d.parameters = append(d.parameters, r.taskParameters()...)
	d.parameters = append(d.parameters, r.scaleParameters()...)
	d.parameters = append(d.parameters, r.routeParameters()...)
	return d
}

// serviceImports are the names of the exports a service is built on.
func (r *renderer) serviceImports() []Parameter {
	env := r.environment.Name
	roles := r.name(KindIAMService, r.service.Name, env)
	cluster := r.name(KindEnvironment, env)
	balancer := r.name(KindLoadBalancer, env)
	return []Parameter{
		param("Namespace", r.manifest.Namespace),
		param("EnvironmentName", env),
		param("ServiceName", r.service.Name),
		param("EcsTaskRoleArn", roles+"-EcsTaskRoleArn"),
		param("EcsExecutionRoleArn", roles+"-EcsExecutionRoleArn"),
		param("VpcId", cluster+"-VpcId"),
		param("EcsCluster", cluster+"-EcsCluster"),
		param("ServiceSubnetIds", cluster+"-InstanceSubnetIds"),
		param("ServiceSecurityGroup", cluster+"-InstanceSecurityGroup"),
		param("ElbSecurityGroup", balancer+"-InstanceSecurityGroup"),
		param("ElbHttpListenerArn", balancer+"-ElbHttpListenerArn"),
		param("ElbBaseUrl", balancer+"-BaseUrl"),
	}
}

// taskParameters describe the container and, on Fargate, the task around it.
func (r *renderer) taskParameters() []Parameter {
	s := r.service
	parameters := []Parameter{
		param("ImageUrl", r.image()),
		number("ServicePort", s.Port),
		param("ServiceProtocol", s.Protocol),
		param("ServiceHealthEndpoint", s.HealthEndpoint),
		number("ServiceCpu", s.CPU),
		number("ServiceMemory", s.Memory),
		flag("AssignPublicIp", s.AssignPublicIP),
	}
	if r.provider == manifest.ProviderECS {
		return append(parameters,
			param("LaunchType", "EC2"),
			param("TaskNetworkMode", s.NetworkMode))
	}
	return append(parameters,
		param("LaunchType", "FARGATE"),
		param("TaskNetworkMode", "awsvpc"),
		param("CpuArchitecture", cmp.Or(r.facts.CPUArchitecture, "X86_64")))
}

// image is what the containers run. Offline it is a name that shows where the
// image goes.
func (r *renderer) image() string {
	if r.facts.Image != "" {
		return r.facts.Image
	}
	if r.service.ImageRepository != "" {
		return r.service.ImageRepository
	}
	return RepoName(r.manifest.Namespace, r.service.Name) + ":" + cmp.Or(r.facts.Tag, "latest")
}

func (r *renderer) scaleParameters() []Parameter {
	s := r.service
	least, most := s.RollingLimits()
	return []Parameter{
		number("ServiceDesiredCount", r.desiredCount()),
		number("ServiceMinSize", s.MinSize),
		number("ServiceMaxSize", s.MaxSize),
		number("TargetCPUUtilization", s.TargetCPUUtilization),
		number("MinimumHealthyPercent", least),
		number("MaximumPercent", most),
	}
}

// desiredCount keeps what autoscaling chose: the manifest's number is only
// where a scaled service begins.
func (r *renderer) desiredCount() int {
	s, current := r.service, r.facts.CurrentCount
	if current == nil || s.MinSize >= s.MaxSize {
		return s.DesiredCount
	}
	return min(max(*current, s.MinSize), s.MaxSize)
}

// routeParameters place the rules of the service in the listener.
func (r *renderer) routeParameters() []Parameter {
	priority := cmp.Or(r.service.Priority, r.facts.NextPriority, 1)
	return []Parameter{
		param("PathPattern", strings.Join(r.service.PathPatterns, ",")),
		number("PathListenerRulePriority", priority),
		param("HostPattern", strings.Join(r.service.HostPatterns, ",")),
		number("HostListenerRulePriority", priority+1),
	}
}

// fargateSize adds the size of the task that holds the container, whose own
// size an override may have changed.
func (r *renderer) fargateSize(root *yaml.Node, s *Stack) error {
	if effective(root, s, "LaunchType") != "FARGATE" || effective(root, s, "TaskCpu") != "" && effective(root, s, "TaskMemory") != "" {
		return nil
	}
	cpu, cpuErr := strconv.Atoi(effective(root, s, "ServiceCpu"))
	memory, memoryErr := strconv.Atoi(effective(root, s, "ServiceMemory"))
	if cpuErr != nil || memoryErr != nil {
		return faultAt(r.service.Pos, "", "ServiceCpu and ServiceMemory of %s are whole numbers", s.Name)
	}
	taskCPU, taskMemory, err := manifest.FargateSize(cpu, memory)
	if err != nil {
		return faultAt(r.service.Pos, "", "%s: %s", s.Name, err)
	}
	if effective(root, s, "TaskCpu") == "" {
		s.Parameters = append(s.Parameters, number("TaskCpu", taskCPU))
	}
	if effective(root, s, "TaskMemory") == "" {
		s.Parameters = append(s.Parameters, number("TaskMemory", taskMemory))
	}
	return nil
}
