package ecs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// definition is one revision of a task definition.
type definition struct {
	api.TaskDefinition
	Tags map[string]string
}

// family counts its revisions: the number of a deleted one is not given again.
type family struct {
	Name string
	Last int
}

var (
	definitions = &store.Table[definition]{Name: "ecs_task_definitions", By: func(d definition) string { return wire.Value(d.Family) }}
	families    = &store.Table[family]{Name: "ecs_families"}
)

const deleting = "DELETE_IN_PROGRESS"

// inertDefinition is what a task definition may say without effect here.
var inertDefinition = []string{
	"enableFaultInjection", "ephemeralStorage", "inferenceAccelerators", "placementConstraints", "proxyConfiguration",
	"containerDefinitions.credentialSpecs", "containerDefinitions.dockerSecurityOptions", "containerDefinitions.firelensConfiguration",
	"containerDefinitions.repositoryCredentials", "containerDefinitions.resourceRequirements", "containerDefinitions.restartPolicy",
	"containerDefinitions.versionConsistency", "containerDefinitions.linuxParameters.devices", "containerDefinitions.linuxParameters.maxSwap",
	"containerDefinitions.linuxParameters.swappiness", "containerDefinitions.logConfiguration.secretOptions", "containerDefinitions.portMappings.appProtocol",
	"executionRoleArn", "taskRoleArn",
}

// RegisterTaskDefinition makes the next revision of a family.
func (s *Service) RegisterTaskDefinition(ctx context.Context, in *api.RegisterTaskDefinitionInput) (*api.RegisterTaskDefinitionOutput, error) {
	if err := checkDefinition(in); err != nil {
		return nil, err
	}
	d := s.newDefinition(ctx, in)
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		f, err := families.Get(tx, s.key(ctx, in.Family))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		f = family{Name: in.Family, Last: f.Last + 1}
		d.Revision = &f.Last
		id := fmt.Sprintf("%s:%d", f.Name, f.Last)
		d.TaskDefinitionArn = new(operation.ARN(ctx, "ecs", "task-definition/"+id))
		return errors.Join(families.Put(tx, s.key(ctx, f.Name), f), definitions.Put(tx, s.key(ctx, id), d))
	})
	return &api.RegisterTaskDefinitionOutput{TaskDefinition: &d.TaskDefinition, Tags: tagList(d.Tags)}, err
}

func (s *Service) newDefinition(ctx context.Context, in *api.RegisterTaskDefinitionInput) definition {
	d := definition{Tags: tagMap(in.Tags), TaskDefinition: api.TaskDefinition{
		Family: &in.Family, Status: new(active), ContainerDefinitions: slices.Clone(in.ContainerDefinitions), Cpu: in.Cpu, Memory: in.Memory,
		EnableFaultInjection: in.EnableFaultInjection, EphemeralStorage: in.EphemeralStorage, ExecutionRoleArn: in.ExecutionRoleArn,
		InferenceAccelerators: in.InferenceAccelerators, IpcMode: in.IpcMode, NetworkMode: in.NetworkMode, PidMode: in.PidMode,
		PlacementConstraints: emptyFor(in.PlacementConstraints), ProxyConfiguration: in.ProxyConfiguration,
		RequiresCompatibilities: in.RequiresCompatibilities, RuntimePlatform: in.RuntimePlatform, TaskRoleArn: in.TaskRoleArn,
		Volumes: emptyFor(in.Volumes), RegisteredAt: new(s.Clock.Now()), RegisteredBy: new(operation.CallerOf(ctx).ARN),
		RequiresAttributes: []api.Attribute{}, Compatibilities: []string{"EC2"},
	}}
	if d.NetworkMode == nil {
		d.NetworkMode = new(cmp.Or(map[bool]string{true: "awsvpc"}[slices.Contains(in.RequiresCompatibilities, "FARGATE")], "bridge"))
	}
	if checkFargate(in) == nil {
		d.Compatibilities = append(d.Compatibilities, "FARGATE")
	}
	for i := range d.ContainerDefinitions {
		usualContainer(&d.ContainerDefinitions[i], *d.NetworkMode)
	}
	return d
}

// usualContainer fills what AWS fills in.
func usualContainer(c *api.ContainerDefinition, mode string) {
	c.Cpu = new(wire.Value(c.Cpu))
	if c.Essential == nil {
		c.Essential = new(true)
	}
	c.Environment, c.MountPoints, c.VolumesFrom = emptyFor(c.Environment), emptyFor(c.MountPoints), emptyFor(c.VolumesFrom)
	c.SystemControls, c.PortMappings = emptyFor(c.SystemControls), slices.Clone(emptyFor(c.PortMappings))
	for i := range c.PortMappings {
		p := &c.PortMappings[i]
		p.Protocol = new(cmp.Or(wire.Value(p.Protocol), "tcp"))
		if p.HostPort == nil && p.ContainerPort != nil {
			p.HostPort = new(map[bool]int{true: *p.ContainerPort}[mode == "awsvpc" || mode == "host"])
		}
	}
	if h := c.HealthCheck; h != nil {
		c.HealthCheck = &api.HealthCheck{Command: h.Command, Interval: new(cmp.Or(wire.Value(h.Interval), 30)), Timeout: new(cmp.Or(wire.Value(h.Timeout), 5)),
			Retries: new(cmp.Or(wire.Value(h.Retries), 3)), StartPeriod: h.StartPeriod}
	}
}

var errNoDefinition = wire.Errorf("ClientException", "Unable to describe task definition.")

// definition finds a revision by "family" (the latest active one), "family:revision" or ARN.
func (s *Service) definition(ctx context.Context, tx *store.Tx, given string) (definition, error) {
	id := shortName(given)
	if strings.Contains(id, ":") {
		d, err := definitions.Get(tx, s.key(ctx, id))
		if errors.Is(err, store.ErrNotFound) {
			return d, errNoDefinition
		}
		return d, err
	}
	all, err := s.revisionsOf(ctx, tx, id)
	if err != nil {
		return definition{}, err
	}
	for _, d := range slices.Backward(all) {
		if *d.Status == active {
			return d, nil
		}
	}
	return definition{}, errNoDefinition
}

// usable is definition for what is to run it: an inactive one is refused.
func (s *Service) usable(ctx context.Context, tx *store.Tx, given string) (definition, error) {
	d, err := s.definition(ctx, tx, given)
	switch {
	case wire.HasCode(err, "ClientException"):
		return d, wire.Errorf("ClientException", "TaskDefinition not found.")
	case err == nil && *d.Status != active:
		return d, wire.Errorf("ClientException", "TaskDefinition is inactive")
	}
	return d, err
}

// revisionsOf lists a family's revisions, oldest first.
func (s *Service) revisionsOf(ctx context.Context, tx *store.Tx, name string) ([]definition, error) {
	k := s.key(ctx, "")
	all, err := definitions.ListBy(tx, k.Account, k.Region, name)
	slices.SortFunc(all, func(a, b definition) int { return cmp.Compare(*a.Revision, *b.Revision) })
	return all, err
}

// changeDefinition applies f to a revision.
func (s *Service) changeDefinition(ctx context.Context, given string, f func(d *definition) error) (d definition, err error) {
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if !strings.Contains(shortName(given), ":") {
			return wire.Errorf("InvalidParameterException", "Invalid revision number. Number: %s", given)
		}
		if d, err = s.definition(ctx, tx, given); err != nil {
			return err
		}
		if err := f(&d); err != nil {
			return err
		}
		return definitions.Put(tx, s.key(ctx, shortName(*d.TaskDefinitionArn)), d)
	})
	return d, err
}

// DeregisterTaskDefinition makes a revision INACTIVE: what runs with it goes on, nothing new may use it.
func (s *Service) DeregisterTaskDefinition(ctx context.Context, in *api.DeregisterTaskDefinitionInput) (*api.DeregisterTaskDefinitionOutput, error) {
	d, err := s.changeDefinition(ctx, in.TaskDefinition, func(d *definition) error {
		if *d.Status == active {
			d.Status, d.DeregisteredAt = new(inactive), new(s.Clock.Now())
		}
		return nil
	})
	return &api.DeregisterTaskDefinitionOutput{TaskDefinition: &d.TaskDefinition}, err
}

// DeleteTaskDefinitions removes INACTIVE revisions; one that a service still runs stays until that service has left it.
func (s *Service) DeleteTaskDefinitions(ctx context.Context, in *api.DeleteTaskDefinitionsInput) (*api.DeleteTaskDefinitionsOutput, error) {
	out := &api.DeleteTaskDefinitionsOutput{TaskDefinitions: []api.TaskDefinition{}, Failures: []api.Failure{}}
	return out, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, given := range in.TaskDefinitions {
			d, err := s.changeDefinition(ctx, given, func(d *definition) error {
				if *d.Status == active {
					return wire.Errorf("ClientException", "The specified task definition is still in ACTIVE status. Please deregister the target and try again.")
				}
				d.Status, d.DeleteRequestedAt = new(deleting), new(s.Clock.Now())
				return nil
			})
			if e, internal := wire.AsError(err); err != nil && !internal {
				out.Failures = append(out.Failures, api.Failure{Arn: &given, Reason: &e.Message})
				continue
			}
			if err != nil {
				return err
			}
			out.TaskDefinitions = append(out.TaskDefinitions, d.TaskDefinition)
			if err := s.removeUnused(ctx, tx, d); err != nil {
				return err
			}
		}
		return nil
	})
}

// removeUnused removes a revision whose deletion was asked for, once no task and no service needs it.
func (s *Service) removeUnused(ctx context.Context, tx *store.Tx, d definition) error {
	k := s.key(ctx, "")
	arn := *d.TaskDefinitionArn
	all, err := taskRows.List(tx, k.Account, k.Region)
	if err != nil {
		return err
	}
	served, err := services.List(tx, k.Account, k.Region)
	if err != nil {
		return err
	}
	used := slices.ContainsFunc(all, func(t task) bool { return t.Definition == arn && t.Last != taskStopped }) ||
		slices.ContainsFunc(served, func(v service) bool { return v.Status != inactive && v.uses(arn) })
	if used {
		return nil
	}
	return definitions.Delete(tx, s.key(ctx, shortName(arn)))
}

// DescribeTaskDefinition describes a revision, active or not.
func (s *Service) DescribeTaskDefinition(ctx context.Context, in *api.DescribeTaskDefinitionInput) (*api.DescribeTaskDefinitionOutput, error) {
	var d definition
	err := s.view(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		d, err = s.definition(ctx, tx, in.TaskDefinition)
		return err
	})
	out := &api.DescribeTaskDefinitionOutput{TaskDefinition: &d.TaskDefinition}
	if slices.Contains(in.Include, "TAGS") {
		out.Tags = tagList(d.Tags)
	}
	return out, err
}

func (s *Service) allDefinitions(ctx context.Context, status string, keep func(definition) bool) (found []definition, err error) {
	err = s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		k := s.key(ctx, "")
		all, err := definitions.List(tx, k.Account, k.Region)
		for _, d := range all {
			if (status == "ALL" || *d.Status == status) && keep(d) {
				found = append(found, d)
			}
		}
		return err
	})
	slices.SortStableFunc(found, func(a, b definition) int {
		return cmp.Or(cmp.Compare(*a.Family, *b.Family), cmp.Compare(*a.Revision, *b.Revision))
	})
	return found, err
}

// ListTaskDefinitions lists revisions of one family, or of all.
func (s *Service) ListTaskDefinitions(ctx context.Context, in *api.ListTaskDefinitionsInput) (*api.ListTaskDefinitionsOutput, error) {
	found, err := s.allDefinitions(ctx, cmp.Or(wire.Value(in.Status), active), func(d definition) bool { return matchesText(in.FamilyPrefix, *d.Family) })
	if err != nil {
		return nil, err
	}
	arns := []string{}
	for _, d := range found {
		arns = append(arns, *d.TaskDefinitionArn)
	}
	if wire.Value(in.Sort) == "DESC" {
		slices.Reverse(arns)
	}
	arns, next, err := page.Cut(arns, in.NextToken, in.MaxResults, 100, "InvalidParameterException")
	return &api.ListTaskDefinitionsOutput{TaskDefinitionArns: arns, NextToken: next}, err
}

// ListTaskDefinitionFamilies lists families; an active one has an active revision.
func (s *Service) ListTaskDefinitionFamilies(ctx context.Context, in *api.ListTaskDefinitionFamiliesInput) (*api.ListTaskDefinitionFamiliesOutput, error) {
	all, err := s.allDefinitions(ctx, "ALL", func(d definition) bool { return strings.HasPrefix(*d.Family, wire.Value(in.FamilyPrefix)) })
	if err != nil {
		return nil, err
	}
	living := map[string]bool{}
	names := []string{}
	for _, d := range all {
		living[*d.Family] = living[*d.Family] || *d.Status == active
		if !slices.Contains(names, *d.Family) {
			names = append(names, *d.Family)
		}
	}
	status := cmp.Or(wire.Value(in.Status), "ALL")
	names = slices.DeleteFunc(names, func(n string) bool {
		return status == active && !living[n] || status == inactive && living[n]
	})
	names, next, err := page.Cut(names, in.NextToken, in.MaxResults, 100, "InvalidParameterException")
	return &api.ListTaskDefinitionFamiliesOutput{Families: names, NextToken: next}, err
}

// container is the definition of one container of the task.
func (d definition) container(name string) (api.ContainerDefinition, bool) {
	i := slices.IndexFunc(d.ContainerDefinitions, func(c api.ContainerDefinition) bool { return *c.Name == name })
	if i < 0 {
		return api.ContainerDefinition{}, false
	}
	return d.ContainerDefinitions[i], true
}

// cpu is what a task of this definition reserves, in 1/1024 of a vCPU; memory in MiB.
func (d definition) cpu() int {
	if units := cpuUnits(wire.Value(d.Cpu)); units > 0 {
		return units
	}
	sum := 0
	for _, c := range d.ContainerDefinitions {
		sum += wire.Value(c.Cpu)
	}
	return sum
}

func (d definition) memory() int {
	if mib := memoryMiB(wire.Value(d.Memory)); mib > 0 {
		return mib
	}
	sum := 0
	for _, c := range d.ContainerDefinitions {
		sum += cmp.Or(wire.Value(c.MemoryReservation), wire.Value(c.Memory))
	}
	return sum
}

// cpuUnits reads "256", ".25 vCPU" or "1 vcpu"; 0 where it is none of these.
func cpuUnits(text string) int {
	if number, ok := strings.CutSuffix(strings.ToLower(strings.ReplaceAll(text, " ", "")), "vcpu"); ok {
		f, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return 0
		}
		return int(f * 1024)
	}
	n, _ := strconv.Atoi(text) // what is no number is 0, which no task may have
	return n
}

// memoryMiB reads "512", "0.5GB" or "1 GB"; 0 where it is none of these.
func memoryMiB(text string) int {
	if number, ok := strings.CutSuffix(strings.ToLower(strings.ReplaceAll(text, " ", "")), "gb"); ok {
		f, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return 0
		}
		return int(f * 1024)
	}
	n, _ := strconv.Atoi(text)
	return n
}

// stopTimeout is how long a container may take between SIGTERM and SIGKILL.
func stopTimeout(c api.ContainerDefinition) time.Duration {
	if c.StopTimeout == nil {
		return 30 * time.Second
	}
	return time.Duration(*c.StopTimeout) * time.Second
}
