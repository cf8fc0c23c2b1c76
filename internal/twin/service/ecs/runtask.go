package ecs

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// RunTask starts up to ten tasks outside of any service.
func (s *Service) RunTask(ctx context.Context, in *api.RunTaskInput) (*api.RunTaskOutput, error) {
	out := &api.RunTaskOutput{Tasks: []api.Task{}, Failures: []api.Failure{}}
	return out, s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		c, err := s.cluster(ctx, tx, in.Cluster)
		if err != nil {
			return err
		}
		d, err := s.usable(ctx, tx, in.TaskDefinition)
		if err != nil {
			return err
		}
		w := configuration{Definition: *d.TaskDefinitionArn, LaunchType: wire.Value(in.LaunchType), Strategy: in.CapacityProviderStrategy, Network: in.NetworkConfiguration, Platform: wire.Value(in.PlatformVersion)}
		if err := usualLaunch(c, d, &w); err != nil {
			return err
		}
		if err := checkOverrides(d, in.Overrides); err != nil {
			return err
		}
		if repeated, err := s.repeated(ctx, tx, c, d, in, out); repeated || err != nil {
			return err
		}
		for range max(1, wire.Value(in.Count)) {
			t, reason, err := s.place(ctx, tx, c, d, w)
			if err != nil {
				return err
			}
			if reason != "" {
				out.Failures = append(out.Failures, api.Failure{Reason: &reason})
				continue
			}
			t.asked(in, c, d)
			if err := taskRows.Put(tx, s.key(ctx, t.ID), t); err != nil {
				return err
			}
			out.Tasks = append(out.Tasks, t.describe(ctx, d, true))
		}
		return nil
	})
}

// asked takes over what a request says of a task.
func (t *task) asked(in *api.RunTaskInput, c cluster, d definition) {
	t.Group, t.StartedBy, t.Overrides, t.Token = cmp.Or(wire.Value(in.Group), "family:"+t.family()), wire.Value(in.StartedBy), in.Overrides, wire.Value(in.ClientToken)
	t.Execute, t.Tags = wire.Value(in.EnableExecuteCommand), tagMap(in.Tags)
	if wire.Value(in.PropagateTags) == "TASK_DEFINITION" {
		maps.Copy(t.Tags, d.Tags)
	}
	if wire.Value(in.EnableECSManagedTags) {
		t.Tags["aws:ecs:clusterName"] = c.Name
	}
}

// repeated answers a request that was made before, by its client token.
func (s *Service) repeated(ctx context.Context, tx *store.Tx, c cluster, d definition, in *api.RunTaskInput, out *api.RunTaskOutput) (bool, error) {
	if wire.Value(in.ClientToken) == "" {
		return false, nil
	}
	all, err := s.tasksOf(ctx, tx, c.Name)
	for _, t := range all {
		if t.Token == *in.ClientToken {
			out.Tasks = append(out.Tasks, t.describe(ctx, d, true))
		}
	}
	return len(out.Tasks) > 0, err
}

func checkOverrides(d definition, o *api.TaskOverride) error {
	if o == nil {
		return nil
	}
	for _, c := range o.ContainerOverrides {
		if _, ok := d.container(wire.Value(c.Name)); !ok {
			return invalidf("Override for container named %s is not a container in the TaskDefinition.", wire.Value(c.Name))
		}
		if len(c.EnvironmentFiles) > 0 {
			return invalidf("Override for container named %s: environmentFiles are not supported yet by the twin.", wire.Value(c.Name))
		}
	}
	return nil
}

// StopTask stops a task: SIGTERM, and SIGKILL after its stop timeout.
func (s *Service) StopTask(ctx context.Context, in *api.StopTaskInput) (*api.StopTaskOutput, error) {
	out := &api.StopTaskOutput{}
	return out, s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		t, err := s.task(ctx, tx, in.Cluster, in.Task)
		if err != nil {
			return err
		}
		t, err = s.changeTask(ctx, t.ID, func(_ context.Context, _ *store.Tx, t *task) (bool, error) {
			return t.end(s.Clock.Now(), byUser, cmp.Or(wire.Value(in.Reason), "Task stopped by user")), nil
		})
		if err != nil {
			return err
		}
		d, err := s.definitionOf(ctx, tx, t)
		out.Task = new(t.describe(ctx, d, true))
		return err
	})
}

// definitionOf returns what a task was made from; one that was deleted since is empty.
func (s *Service) definitionOf(ctx context.Context, tx *store.Tx, t task) (definition, error) {
	d, err := definitions.Get(tx, s.key(ctx, shortName(t.Definition)))
	if errors.Is(err, store.ErrNotFound) {
		return definition{}, nil
	}
	return d, err
}

// DescribeTasks describes tasks; stopped ones for an hour.
func (s *Service) DescribeTasks(ctx context.Context, in *api.DescribeTasksInput) (*api.DescribeTasksOutput, error) {
	out := &api.DescribeTasksOutput{Tasks: []api.Task{}, Failures: []api.Failure{}}
	return out, s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		c, err := s.cluster(ctx, tx, in.Cluster)
		if err != nil {
			return err
		}
		for _, given := range in.Tasks {
			t, err := s.task(ctx, tx, &c.Name, given)
			if wire.HasCode(err, "InvalidParameterException") {
				out.Failures = append(out.Failures, missing(operation.ARN(ctx, "ecs", "task/"+c.Name+"/"+shortName(given))))
				continue
			}
			if err != nil {
				return err
			}
			d, err := s.definitionOf(ctx, tx, t)
			if err != nil {
				return err
			}
			out.Tasks = append(out.Tasks, t.describe(ctx, d, slices.Contains(in.Include, "TAGS")))
		}
		return nil
	})
}

// ListTasks lists the ARNs of tasks; without a desired status those that are to run.
func (s *Service) ListTasks(ctx context.Context, in *api.ListTasksInput) (*api.ListTasksOutput, error) {
	arns := []string{}
	err := s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		c, err := s.cluster(ctx, tx, in.Cluster)
		if err != nil {
			return err
		}
		if in.ServiceName != nil {
			if _, err := s.find(ctx, tx, &c.Name, *in.ServiceName); err != nil {
				return err
			}
		}
		all, err := s.tasksOf(ctx, tx, c.Name)
		for _, t := range all {
			if t.Desired == cmp.Or(wire.Value(in.DesiredStatus), taskRunning) && matchesText(in.Family, t.family()) && matchesText(in.StartedBy, t.StartedBy) &&
				matchesText(in.LaunchType, t.LaunchType) && (in.ServiceName == nil || shortName(*in.ServiceName) == t.Service) &&
				(in.ContainerInstance == nil || shortName(*in.ContainerInstance) == shortName(t.Instance)) {
				arns = append(arns, t.ARN)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	arns, next, err := page.Cut(arns, in.NextToken, in.MaxResults, 100, "InvalidParameterException")
	return &api.ListTasksOutput{TaskArns: arns, NextToken: next}, err
}
