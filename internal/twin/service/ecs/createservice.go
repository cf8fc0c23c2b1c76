package ecs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"

	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// inertService is what a service may say without effect here.
var inertService = []string{
	"availabilityZoneRebalancing", "deploymentConfiguration.alarms", "placementConstraints", "placementStrategy", "platformVersion", "role",
	"networkConfiguration.awsvpcConfiguration.assignPublicIp", "networkConfiguration.awsvpcConfiguration.securityGroups", "serviceRegistries",
}

var validName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

// CreateService makes a service; the scheduler starts its tasks.
func (s *Service) CreateService(ctx context.Context, in *api.CreateServiceInput) (*api.CreateServiceOutput, error) {
	out := &api.CreateServiceOutput{}
	return out, s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		c, err := s.cluster(ctx, tx, in.Cluster)
		if err != nil {
			return err
		}
		have, err := services.Get(tx, s.key(ctx, c.Name+"/"+in.ServiceName))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err == nil && have.Status != inactive {
			if in.ClientToken != nil && have.Token == *in.ClientToken {
				out.Service = have.describe(ctx, nil, true)
				return nil
			}
			return invalidf("Creation of service was not idempotent.")
		}
		v, err := s.newService(ctx, tx, c, in)
		if err != nil {
			return err
		}
		if err := s.deploy(ctx, tx, &v); err != nil {
			return err
		}
		out.Service = v.describe(ctx, nil, true)
		return services.Put(tx, s.key(ctx, v.id()), v)
	})
}

func (s *Service) newService(ctx context.Context, tx *store.Tx, c cluster, in *api.CreateServiceInput) (service, error) {
	if err := checkNewService(in); err != nil {
		return service{}, err
	}
	d, err := s.usable(ctx, tx, *in.TaskDefinition)
	if err != nil {
		return service{}, err
	}
	v := service{Name: in.ServiceName, ARN: operation.ARN(ctx, "ecs", "service/"+c.Name+"/"+in.ServiceName), Cluster: c.Name, Status: active,
		Desired: *in.DesiredCount, Created: s.Clock.Now(), By: operation.CallerOf(ctx).ARN, Token: wire.Value(in.ClientToken), Grace: wire.Value(in.HealthCheckGracePeriodSeconds),
		Propagate: wire.Value(in.PropagateTags), ManagedTags: wire.Value(in.EnableECSManagedTags), Execute: wire.Value(in.EnableExecuteCommand),
		Rebalancing: wire.Value(in.AvailabilityZoneRebalancing), Constraints: in.PlacementConstraints, Placement: in.PlacementStrategy, Role: wire.Value(in.Role), Tags: tagMap(in.Tags),
		Wanted: configuration{Definition: *d.TaskDefinitionArn, LaunchType: wire.Value(in.LaunchType), Strategy: in.CapacityProviderStrategy, Platform: wire.Value(in.PlatformVersion),
			Network: in.NetworkConfiguration, LoadBalancers: in.LoadBalancers, Registries: in.ServiceRegistries}}
	if v.Rules, err = rules(api.DeploymentConfiguration{}, in.DeploymentConfiguration); err != nil {
		return v, err
	}
	if err := usualLaunch(c, d, &v.Wanted); err != nil {
		return v, err
	}
	return v, s.checkTargets(ctx, d, in.LoadBalancers)
}

func checkNewService(in *api.CreateServiceInput) error {
	switch {
	case !validName.MatchString(in.ServiceName):
		return invalidf("Invalid identifier: Identifier is for service name %q. Up to 255 letters, numbers, underscores, and hyphens are allowed.", in.ServiceName)
	case in.TaskDefinition == nil:
		return invalidf("TaskDefinition can not be blank.")
	case wire.Value(in.SchedulingStrategy) == "DAEMON":
		return invalidf("The scheduling strategy DAEMON is not supported yet by the twin: use REPLICA.")
	case in.DeploymentController != nil && in.DeploymentController.Type != "ECS":
		return invalidf("The deployment controller %s is not supported yet by the twin: use ECS.", in.DeploymentController.Type)
	case in.DesiredCount == nil:
		return invalidf("The desiredCount must be specified when the scheduling strategy is REPLICA.")
	case *in.DesiredCount < 0:
		return invalidf("The desiredCount cannot be negative.")
	}
	return checkUnsupported(in.ServiceConnectConfiguration, in.VolumeConfigurations, in.VpcLatticeConfigurations)
}

func checkUnsupported(connect *api.ServiceConnectConfiguration, volumes []api.ServiceVolumeConfiguration, lattice []api.VpcLatticeConfiguration) error {
	switch {
	case connect != nil && connect.Enabled:
		return invalidf("Service Connect is not supported yet by the twin.")
	case len(volumes) > 0:
		return invalidf("volumeConfigurations are not supported yet by the twin.")
	case len(lattice) > 0:
		return invalidf("vpcLatticeConfigurations are not supported yet by the twin.")
	}
	return nil
}

// rules are the deployment rules that hold after a request: what it leaves out stays.
func rules(have api.DeploymentConfiguration, given *api.DeploymentConfiguration) (api.DeploymentConfiguration, error) {
	out := have
	if given != nil {
		if strategy := wire.Value(given.Strategy); strategy != "" && strategy != "ROLLING" {
			return out, invalidf("The deployment strategy %s is not supported yet by the twin: use ROLLING.", strategy)
		}
		if len(given.LifecycleHooks) > 0 || wire.Value(given.BakeTimeInMinutes) > 0 {
			return out, invalidf("Deployment lifecycle hooks and bake times are not supported yet by the twin.")
		}
		out.MinimumHealthyPercent = cmp.Or(given.MinimumHealthyPercent, have.MinimumHealthyPercent)
		out.MaximumPercent = cmp.Or(given.MaximumPercent, have.MaximumPercent)
		out.DeploymentCircuitBreaker = cmp.Or(given.DeploymentCircuitBreaker, have.DeploymentCircuitBreaker)
		out.Alarms = cmp.Or(given.Alarms, have.Alarms)
	}
	out.Strategy = new("ROLLING")
	out.BakeTimeInMinutes = new(0)
	out.MinimumHealthyPercent, out.MaximumPercent = new(percent(out.MinimumHealthyPercent, 100)), new(percent(out.MaximumPercent, 200))
	if out.DeploymentCircuitBreaker == nil {
		out.DeploymentCircuitBreaker = &api.DeploymentCircuitBreaker{}
	}
	switch low, high := *out.MinimumHealthyPercent, *out.MaximumPercent; {
	case low < 0 || high < 1 || high > 10000:
		return out, invalidf("Invalid deployment configuration: minimumHealthyPercent is at least 0, maximumPercent from 1 to 10000.")
	case high <= 100 && low >= 100:
		return out, invalidf("MinimumHealthyPercent and MaximumPercent cannot both be 100 as this will block deployments.")
	case high < low:
		return out, invalidf("MaximumPercent %d cannot be less than MinimumHealthyPercent %d.", high, low)
	}
	return out, nil
}

// checkTargets: a load balancer's target group exists, is attached, suits the network mode, and names a port of a container.
func (s *Service) checkTargets(ctx context.Context, d definition, list []api.LoadBalancer) error {
	for _, l := range list {
		name, port := wire.Value(l.ContainerName), wire.Value(l.ContainerPort)
		if l.TargetGroupArn == nil {
			return invalidf("Classic Load Balancers are not supported yet by the twin: name a targetGroupArn.")
		}
		c, ok := d.container(name)
		if !ok {
			return invalidf("The container %s does not exist in the task definition.", name)
		}
		if !slices.ContainsFunc(c.PortMappings, func(p api.PortMapping) bool { return wire.Value(p.ContainerPort) == port }) {
			return invalidf("The container %s did not have a container port %d defined.", name, port)
		}
		out, err := s.elb.DescribeTargetGroups(ctx, &elbv2.DescribeTargetGroupsInput{TargetGroupArns: []string{*l.TargetGroupArn}})
		if err != nil || len(out.TargetGroups) == 0 {
			return invalidf("The target group %s does not exist: %v", *l.TargetGroupArn, err)
		}
		g := out.TargetGroups[0]
		want := map[bool]string{true: "ip", false: "instance"}[wire.Value(d.NetworkMode) == "awsvpc"]
		if wire.Value(g.TargetType) != want {
			return invalidf("The provided target group %s has target type %s, which is incompatible with the %s network mode specified in the task definition.", *l.TargetGroupArn, wire.Value(g.TargetType), wire.Value(d.NetworkMode))
		}
		if len(g.LoadBalancerArns) == 0 {
			return invalidf("The target group with targetGroupArn %s does not have an associated load balancer.", *l.TargetGroupArn)
		}
	}
	return nil
}

// UpdateService changes a service. A change of what its tasks are made of is a new deployment, and so is forceNewDeployment.
func (s *Service) UpdateService(ctx context.Context, in *api.UpdateServiceInput) (*api.UpdateServiceOutput, error) {
	out := &api.UpdateServiceOutput{}
	return out, s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := s.find(ctx, tx, in.Cluster, in.Service)
		if err != nil {
			return err
		}
		if v.Status != active {
			return wire.Errorf("ServiceNotActiveException", "Service was not ACTIVE.")
		}
		before := v.Wanted
		if err := s.alter(ctx, tx, &v, in); err != nil {
			return err
		}
		if wire.Value(in.ForceNewDeployment) || !same(before, v.Wanted) {
			if err := s.deploy(ctx, tx, &v); err != nil {
				return err
			}
		}
		if p := v.primary(); p != nil {
			v.Asked = p.ID
		}
		tasks, err := s.tasksOfService(ctx, tx, v)
		if err != nil {
			return err
		}
		out.Service = v.describe(ctx, tasks, true)
		return services.Put(tx, s.key(ctx, v.id()), v)
	})
}

func (s *Service) alter(ctx context.Context, tx *store.Tx, v *service, in *api.UpdateServiceInput) (err error) {
	if in.DeploymentController != nil && in.DeploymentController.Type != "ECS" {
		return invalidf("The deployment controller %s is not supported yet by the twin: use ECS.", in.DeploymentController.Type)
	}
	if err := checkUnsupported(in.ServiceConnectConfiguration, in.VolumeConfigurations, in.VpcLatticeConfigurations); err != nil {
		return err
	}
	if v.Rules, err = rules(v.Rules, in.DeploymentConfiguration); err != nil {
		return err
	}
	if in.DesiredCount != nil {
		if *in.DesiredCount < 0 {
			return invalidf("The desiredCount cannot be negative.")
		}
		v.Steady = v.Steady && v.Desired == *in.DesiredCount
		v.Desired = *in.DesiredCount
	}
	set(&v.Grace, in.HealthCheckGracePeriodSeconds)
	set(&v.Propagate, in.PropagateTags)
	set(&v.ManagedTags, in.EnableECSManagedTags)
	set(&v.Execute, in.EnableExecuteCommand)
	set(&v.Rebalancing, in.AvailabilityZoneRebalancing)
	setList(&v.Constraints, in.PlacementConstraints)
	setList(&v.Placement, in.PlacementStrategy)
	return s.alterWanted(ctx, tx, v, in)
}

func set[T any](to *T, given *T) {
	if given != nil {
		*to = *given
	}
}

func setList[T any](to *[]T, given []T) {
	if given != nil {
		*to = given
	}
}

func (s *Service) alterWanted(ctx context.Context, tx *store.Tx, v *service, in *api.UpdateServiceInput) error {
	w := v.Wanted
	c, err := s.cluster(ctx, tx, &v.Cluster)
	if err != nil {
		return err
	}
	var d definition
	if in.TaskDefinition != nil {
		if d, err = s.usable(ctx, tx, *in.TaskDefinition); err != nil {
			return err
		}
		w.Definition = *d.TaskDefinitionArn
	} else if d, err = s.definition(ctx, tx, w.Definition); err != nil {
		return err
	}
	if in.CapacityProviderStrategy != nil {
		w.LaunchType, w.Strategy = "", in.CapacityProviderStrategy
	}
	set(&w.Platform, in.PlatformVersion)
	if in.NetworkConfiguration != nil {
		w.Network = in.NetworkConfiguration
	}
	setList(&w.LoadBalancers, in.LoadBalancers)
	setList(&w.Registries, in.ServiceRegistries)
	if err := usualLaunch(c, d, &w); err != nil {
		return err
	}
	if !same(v.Wanted, w) {
		if err := s.checkTargets(ctx, d, w.LoadBalancers); err != nil {
			return err
		}
	}
	v.Wanted = w
	return nil
}

// same compares two configurations by what they say; pointers and lists in them make == useless.
func same(a, b configuration) bool { return document(a) == document(b) }

// DeleteService stops a service's tasks; it is DRAINING until they have stopped.
func (s *Service) DeleteService(ctx context.Context, in *api.DeleteServiceInput) (*api.DeleteServiceOutput, error) {
	out := &api.DeleteServiceOutput{}
	return out, s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := s.find(ctx, tx, in.Cluster, in.Service)
		if err != nil {
			return err
		}
		if v.Status == inactive {
			return errNoService
		}
		if v.Desired > 0 && !wire.Value(in.Force) && v.Status == active {
			return invalidf("The service cannot be stopped while it is scaled above 0.")
		}
		v.Status, v.Desired = draining, 0
		tasks, err := s.tasksOfService(ctx, tx, v)
		if err != nil {
			return err
		}
		out.Service = v.describe(ctx, tasks, true)
		return services.Put(tx, s.key(ctx, v.id()), v)
	})
}

func (s *Service) tasksOfService(ctx context.Context, tx *store.Tx, v service) ([]task, error) {
	k := s.key(ctx, "")
	all, err := taskRows.ListBy(tx, k.Account, k.Region, v.id())
	// A service of the same name may have been deleted before: its tasks are not this one's.
	return slices.DeleteFunc(all, func(t task) bool { return t.Created.Before(v.Created) }), err
}

// DescribeServices describes up to ten services; INACTIVE ones are described, unknown ones are failures.
func (s *Service) DescribeServices(ctx context.Context, in *api.DescribeServicesInput) (*api.DescribeServicesOutput, error) {
	out := &api.DescribeServicesOutput{Services: []api.Service{}, Failures: []api.Failure{}}
	return out, s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		c, err := s.cluster(ctx, tx, in.Cluster)
		if err != nil {
			return err
		}
		for _, given := range in.Services {
			v, err := s.find(ctx, tx, &c.Name, given)
			if errors.Is(err, errNoService) {
				out.Failures = append(out.Failures, missing(operation.ARN(ctx, "ecs", "service/"+c.Name+"/"+shortName(given))))
				continue
			}
			if err != nil {
				return err
			}
			tasks, err := s.tasksOfService(ctx, tx, v)
			if err != nil {
				return err
			}
			out.Services = append(out.Services, *v.describe(ctx, tasks, slices.Contains(in.Include, "TAGS")))
		}
		return nil
	})
}

// ListServices lists the ARNs of a cluster's services.
func (s *Service) ListServices(ctx context.Context, in *api.ListServicesInput) (*api.ListServicesOutput, error) {
	arns := []string{}
	err := s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		c, err := s.cluster(ctx, tx, in.Cluster)
		if err != nil {
			return err
		}
		all, err := s.servicesOf(ctx, tx, c.Name)
		for _, v := range all {
			if v.Status != inactive && matchesText(in.LaunchType, v.Wanted.kind()) && matchesText(in.SchedulingStrategy, "REPLICA") {
				arns = append(arns, v.ARN)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	arns, next, err := page.Cut(arns, in.NextToken, in.MaxResults, 10, "InvalidParameterException")
	return &api.ListServicesOutput{ServiceArns: arns, NextToken: next}, err
}

// ListServicesByNamespace lists the services of a Cloud Map namespace: with Service Connect refused, none.
func (s *Service) ListServicesByNamespace(context.Context, *api.ListServicesByNamespaceInput) (*api.ListServicesByNamespaceOutput, error) {
	return &api.ListServicesByNamespaceOutput{ServiceArns: []string{}}, nil
}

// deploy makes what is wanted the primary deployment, with its record and its revision.
func (s *Service) deploy(ctx context.Context, tx *store.Tx, v *service) error {
	now := s.Clock.Now()
	d := deployment{ID: fmt.Sprintf("ecs-svc/%019d", rand.Int64()), Config: v.Wanted, State: inProgress, Created: now, Updated: now}
	d.Reason = fmt.Sprintf("ECS deployment %s in progress.", d.ID)
	revision, err := s.newRevision(ctx, tx, *v, now)
	if err != nil {
		return err
	}
	d.Revision = *revision.ServiceRevisionArn
	if d.Record, err = s.newRecord(ctx, tx, *v, d); err != nil {
		return err
	}
	v.Deployments = append([]deployment{d}, v.Deployments...)
	v.Steady, v.Asked = false, d.ID
	return nil
}

// tagsFor are the tags of a task that a service starts.
func (v service) tagsFor(d definition) map[string]string {
	tags := map[string]string{}
	switch v.Propagate {
	case "SERVICE":
		maps.Copy(tags, v.Tags)
	case "TASK_DEFINITION":
		maps.Copy(tags, d.Tags)
	}
	if v.ManagedTags {
		tags["aws:ecs:clusterName"], tags["aws:ecs:serviceName"] = v.Cluster, v.Name
	}
	return tags
}
