package ecs

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"slipway.dev/internal/twin/api/autoscaling"
	"slipway.dev/internal/twin/api/ec2"
	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// instance is a container instance: an EC2 instance that an Auto Scaling group records, of a capacity provider of the cluster.
type instance struct {
	ARN      string
	Machine  string // EC2 instance id
	Zone     string
	Provider string
	CPU      int // units
	Memory   int // MiB
	used     resources
}

// resources are what tasks take of an instance.
type resources struct {
	cpu, memory, tasks int
	ports              []int
}

// instanceSizes are vCPUs and MiB of the usual instance types.
// https://docs.aws.amazon.com/ec2/latest/instancetypes/gp.html
var instanceSizes = map[string][2]int{
	"t2.micro": {1, 1024}, "t2.small": {1, 2048}, "t2.medium": {2, 4096}, "t2.large": {2, 8192},
	"t3.nano": {2, 512}, "t3.micro": {2, 1024}, "t3.small": {2, 2048}, "t3.medium": {2, 4096}, "t3.large": {2, 8192}, "t3.xlarge": {4, 16384}, "t3.2xlarge": {8, 32768},
	"t4g.nano": {2, 512}, "t4g.micro": {2, 1024}, "t4g.small": {2, 2048}, "t4g.medium": {2, 4096}, "t4g.large": {2, 8192}, "t4g.xlarge": {4, 16384},
	"m5.large": {2, 8192}, "m5.xlarge": {4, 16384}, "m5.2xlarge": {8, 32768}, "m6i.large": {2, 8192}, "m6i.xlarge": {4, 16384}, "m6g.large": {2, 8192},
	"m7i.large": {2, 8192}, "m7g.large": {2, 8192}, "c5.large": {2, 4096}, "c5.xlarge": {4, 8192}, "c6i.large": {2, 4096}, "c6g.large": {2, 4096}, "c7g.large": {2, 4096},
	"r5.large": {2, 16384}, "r6i.large": {2, 16384}, "r6g.large": {2, 16384},
}

// agentMemory is what the agent and the system of a container instance keep for themselves, in MiB.
const agentMemory = 128

// instancesOf finds the container instances of a cluster, with what its tasks take of them.
func (s *Service) instancesOf(ctx context.Context, tx *store.Tx, c cluster) ([]instance, error) {
	var found []instance
	for _, name := range c.Providers {
		if slices.Contains(awsProviders, name) {
			continue
		}
		p, err := s.provider(ctx, tx, name)
		if err != nil {
			return nil, err
		}
		group := shortName(p.Group.AutoScalingGroupArn)
		out, err := s.autoscaling.DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{group}})
		if err != nil {
			return nil, fmt.Errorf("find the instances of capacity provider %s: %w", name, err)
		}
		for _, g := range out.AutoScalingGroups {
			found = append(found, instancesIn(ctx, c, name, g)...)
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	return found, s.countUse(ctx, tx, c, found)
}

func instancesIn(ctx context.Context, c cluster, provider string, g autoscaling.AutoScalingGroup) (found []instance) {
	for _, m := range g.Instances {
		if m.LifecycleState != "InService" {
			continue
		}
		size, known := instanceSizes[wire.Value(m.InstanceType)]
		if !known {
			size = [2]int{2, 4096}
		}
		sum := md5.Sum([]byte(c.ARN + m.InstanceId))
		found = append(found, instance{ARN: operation.ARN(ctx, "ecs", "container-instance/"+c.Name+"/"+hex.EncodeToString(sum[:])), Machine: m.InstanceId,
			Zone: m.AvailabilityZone, Provider: provider, CPU: size[0] * 1024, Memory: size[1] - min(agentMemory, size[1]/4)})
	}
	return found
}

func (s *Service) countUse(ctx context.Context, tx *store.Tx, c cluster, found []instance) error {
	all, err := s.tasksOf(ctx, tx, c.Name)
	if err != nil {
		return err
	}
	for _, t := range all {
		i := slices.IndexFunc(found, func(m instance) bool { return m.ARN == t.Instance })
		if i < 0 || t.Last == taskStopped {
			continue
		}
		d, err := s.definitionOf(ctx, tx, t)
		if err != nil {
			return err
		}
		u := &found[i].used
		u.cpu, u.memory, u.tasks = u.cpu+d.cpu(), u.memory+d.memory(), u.tasks+1
		u.ports = append(u.ports, d.hostPorts()...)
	}
	return nil
}

// hostPorts are the fixed ports a task takes on its instance.
func (d definition) hostPorts() (ports []int) {
	if wire.Value(d.NetworkMode) == "awsvpc" {
		return nil
	}
	for _, c := range d.ContainerDefinitions {
		for _, p := range c.PortMappings {
			if wire.Value(p.HostPort) != 0 {
				ports = append(ports, *p.HostPort)
			}
		}
	}
	return ports
}

// choose picks the instance with the fewest tasks that has room, or says in AWS's words why there is none.
func choose(list []instance, d definition) (chosen *instance, reason string) {
	if len(list) == 0 {
		return nil, "No Container Instances were found in your cluster."
	}
	for i := range list {
		m := &list[i]
		lack := ""
		switch {
		case m.CPU-m.used.cpu < d.cpu():
			lack = "has insufficient CPU units available"
		case m.Memory-m.used.memory < d.memory():
			lack = "has insufficient memory available"
		case slices.ContainsFunc(d.hostPorts(), func(p int) bool { return slices.Contains(m.used.ports, p) }):
			lack = "is already using a port required by your task"
		}
		if lack != "" {
			reason = fmt.Sprintf("The closest matching (container-instance %s) %s.", shortName(m.ARN), lack)
			continue
		}
		if chosen == nil || m.used.tasks < chosen.used.tasks {
			chosen = m
		}
	}
	return chosen, reason
}

// usualLaunch fills in how a task is launched where that was left open, and refuses what the task definition cannot do.
func usualLaunch(c cluster, d definition, w *configuration) error {
	if w.LaunchType != "" && len(w.Strategy) > 0 {
		return invalidf("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
	}
	if len(w.Strategy) > 0 {
		if err := checkStrategy(append(slices.Clone(awsProviders), c.Providers...), w.Strategy); err != nil {
			return err
		}
	}
	if w.LaunchType == "" && len(w.Strategy) == 0 {
		w.Strategy = c.Strategy
	}
	if w.LaunchType == "" && len(w.Strategy) == 0 {
		w.LaunchType = "EC2"
	}
	if w.LaunchType == "EXTERNAL" {
		return invalidf("Launch type EXTERNAL is not supported yet by the twin: use FARGATE or EC2.")
	}
	if kind := w.kind(); !slices.Contains(d.Compatibilities, kind) {
		return invalidf("Task definition does not support launch_type %s.", kind)
	}
	if w.kind() == "FARGATE" {
		if w.Platform == "" || w.Platform == "LATEST" {
			w.Platform = "1.4.0"
		}
	}
	awsvpc := wire.Value(d.NetworkMode) == "awsvpc"
	given := w.Network != nil && w.Network.AwsvpcConfiguration != nil
	switch {
	case awsvpc && !given:
		return invalidf("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	case !awsvpc && given:
		return invalidf("Network Configuration is not valid for the given networkMode of this task definition.")
	case awsvpc && len(w.Network.AwsvpcConfiguration.Subnets) == 0:
		return invalidf("subnets can not be empty.")
	}
	return nil
}

// kind is FARGATE or EC2, by launch type or capacity provider.
func (w configuration) kind() string {
	if w.LaunchType != "" {
		return w.LaunchType
	}
	for _, item := range w.Strategy {
		if strings.HasPrefix(item.CapacityProvider, "FARGATE") {
			return "FARGATE"
		}
	}
	return "EC2"
}

// share picks the capacity provider of the next task: bases are filled first, then the one furthest below its weight.
func shareOut(strategy []api.CapacityProviderStrategyItem, tasks map[string]int) string {
	best, bestRatio := "", 0.0
	for _, item := range strategy {
		if tasks[item.CapacityProvider] < wire.Value(item.Base) {
			return item.CapacityProvider
		}
		weight := float64(wire.Value(item.Weight))
		if len(strategy) == 1 {
			weight = 1
		}
		if weight == 0 {
			continue
		}
		ratio := float64(tasks[item.CapacityProvider]-wire.Value(item.Base)+1) / weight
		if best == "" || ratio < bestRatio {
			best, bestRatio = item.CapacityProvider, ratio
		}
	}
	return best
}

// place makes a task and finds where it runs. A reason means that there is no such place now.
func (s *Service) place(ctx context.Context, tx *store.Tx, c cluster, d definition, w configuration) (t task, reason string, err error) {
	t = s.newTask(ctx, c.Name, d)
	t.Network, t.Platform, t.LaunchType = w.Network, w.Platform, w.kind()
	all, err := s.tasksOf(ctx, tx, c.Name)
	if err != nil {
		return t, "", err
	}
	all = slices.DeleteFunc(all, func(o task) bool { return o.Desired == taskStopped })
	if len(w.Strategy) > 0 {
		count := map[string]int{}
		for _, o := range all {
			count[o.Provider]++
		}
		t.Provider = shareOut(w.Strategy, count)
	}
	if w.Network != nil && w.Network.AwsvpcConfiguration != nil {
		if err := s.pickSubnet(ctx, &t, all, w.Network.AwsvpcConfiguration.Subnets); err != nil {
			return t, "", err
		}
	}
	if t.LaunchType == "FARGATE" {
		return t, "", nil
	}
	list, err := s.instancesOf(ctx, tx, c)
	if err != nil {
		return t, "", err
	}
	if t.Provider != "" {
		list = slices.DeleteFunc(list, func(m instance) bool { return m.Provider != t.Provider })
	}
	chosen, reason := choose(list, d)
	if chosen == nil {
		return t, reason, nil
	}
	t.Instance, t.Machine, t.Zone = chosen.ARN, chosen.Machine, chosen.Zone
	return t, "", nil
}

// pickSubnet spreads tasks over the subnets, which is over their zones.
func (s *Service) pickSubnet(ctx context.Context, t *task, all []task, subnets []string) error {
	count := map[string]int{}
	for _, o := range all {
		count[o.Subnet]++
	}
	t.Subnet = slices.MinFunc(subnets, func(a, b string) int { return cmp.Compare(count[a], count[b]) })
	out, err := s.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{t.Subnet}})
	if err != nil {
		return invalidf("Error retrieving subnet information for [%s]: %v", t.Subnet, err)
	}
	if len(out.Subnets) == 1 {
		t.Zone, t.Interface.VPC = wire.Value(out.Subnets[0].AvailabilityZone), wire.Value(out.Subnets[0].VpcId)
	}
	return nil
}

// ListContainerInstances lists the container instances of a cluster.
func (s *Service) ListContainerInstances(ctx context.Context, in *api.ListContainerInstancesInput) (*api.ListContainerInstancesOutput, error) {
	if in.Filter != nil {
		return nil, invalidf("The filter of ListContainerInstances is not supported yet by the twin.")
	}
	arns := []string{}
	err := s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		c, err := s.cluster(ctx, tx, in.Cluster)
		if err != nil {
			return err
		}
		list, err := s.instancesOf(ctx, tx, c)
		for _, m := range list {
			if matchesText(in.Status, active) {
				arns = append(arns, m.ARN)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	arns, next, err := page.Cut(arns, in.NextToken, in.MaxResults, 100, "InvalidParameterException")
	return &api.ListContainerInstancesOutput{ContainerInstanceArns: arns, NextToken: next}, err
}

// DescribeContainerInstances describes container instances by ARN or id.
func (s *Service) DescribeContainerInstances(ctx context.Context, in *api.DescribeContainerInstancesInput) (*api.DescribeContainerInstancesOutput, error) {
	out := &api.DescribeContainerInstancesOutput{ContainerInstances: []api.ContainerInstance{}, Failures: []api.Failure{}}
	return out, s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		c, err := s.cluster(ctx, tx, in.Cluster)
		if err != nil {
			return err
		}
		list, err := s.instancesOf(ctx, tx, c)
		if err != nil {
			return err
		}
		for _, given := range in.ContainerInstances {
			i := slices.IndexFunc(list, func(m instance) bool { return shortName(m.ARN) == shortName(given) })
			if i < 0 {
				out.Failures = append(out.Failures, missing(operation.ARN(ctx, "ecs", "container-instance/"+c.Name+"/"+shortName(given))))
				continue
			}
			out.ContainerInstances = append(out.ContainerInstances, list[i].describe())
		}
		return nil
	})
}

func (m instance) describe() api.ContainerInstance {
	amount := func(name string, n int) api.Resource {
		return api.Resource{Name: &name, Type: new("INTEGER"), IntegerValue: &n, DoubleValue: new(0.0), LongValue: new(0)}
	}
	return api.ContainerInstance{ContainerInstanceArn: &m.ARN, Ec2InstanceId: &m.Machine, CapacityProviderName: &m.Provider, Status: new(active), AgentConnected: new(true),
		RunningTasksCount: &m.used.tasks, PendingTasksCount: new(0), Version: new(1), Attachments: []api.Attachment{}, Tags: []api.Tag{},
		RegisteredResources: []api.Resource{amount("CPU", m.CPU), amount("MEMORY", m.Memory)},
		RemainingResources:  []api.Resource{amount("CPU", m.CPU-m.used.cpu), amount("MEMORY", m.Memory-m.used.memory)},
		Attributes:          []api.Attribute{{Name: "ecs.availability-zone", Value: &m.Zone}}}
}
