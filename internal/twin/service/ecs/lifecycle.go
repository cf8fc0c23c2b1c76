package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"slipway.dev/internal/engine"
	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/network"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// forEvent as a wait means: until something happens to the task.
const forEvent = time.Duration(-1)

// step does what a task needs next. It returns how long to wait for the next step, done with the last.
// Every step can be repeated: a process may be killed anywhere in it.
func (s *Service) step(ctx context.Context, id string) (done bool, wait time.Duration, err error) {
	var t task
	var d definition
	err = s.view(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if t, err = taskRows.Get(tx, s.key(ctx, id)); err != nil {
			return err
		}
		d, err = s.definitionOf(ctx, tx, t)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return true, 0, nil
	}
	if err != nil {
		return false, 0, err
	}
	stop := t.Desired == taskStopped
	switch {
	case t.Last == taskStopped:
		return true, 0, nil
	case stop && t.untouched(), t.Last == taskStopping && !t.ExecStopped.IsZero():
		return false, 0, s.advance(ctx, t, taskDeprovisioning)
	case t.Last == taskPending && stop:
		return false, 0, s.advance(ctx, t, taskStopping)
	case stop && t.before(taskDeactivating):
		return false, 0, s.deactivate(ctx, t)
	}
	wait, err = s.live(ctx, t, d)
	return false, wait, err
}

func (s *Service) live(ctx context.Context, t task, d definition) (time.Duration, error) {
	switch t.Last {
	case taskProvisioning:
		return 0, s.provision(ctx, t, d)
	case taskPending:
		return s.activate(ctx, t, d)
	case taskActivating:
		return 0, s.register(ctx, t, d)
	case taskRunning:
		return s.watch(ctx, t, d)
	case taskDeactivating:
		return s.awaitDrained(ctx, t)
	case taskStopping:
		return 0, s.stopContainers(ctx, t, d)
	}
	return 0, s.deprovision(ctx, t, d)
}

// untouched: nothing of the task has been asked of the engine yet.
func (t task) untouched() bool { return t.before(taskActivating) && t.PullStopped.IsZero() }

// advance moves a task to a status unless it is there or further already.
func (s *Service) advance(ctx context.Context, t task, status string) error {
	_, err := s.changeTask(ctx, t.ID, func(_ context.Context, _ *store.Tx, t *task) (bool, error) {
		if !t.before(status) {
			return false, nil
		}
		t.Last = status
		return true, nil
	})
	return err
}

// fail ends a task that cannot be started.
func (s *Service) fail(ctx context.Context, t task, reason string, at *container) error {
	_, err := s.changeTask(ctx, t.ID, func(_ context.Context, _ *store.Tx, t *task) (bool, error) {
		if at != nil {
			if c := t.container(at.Name); c != nil {
				c.Reason, c.Status = reason, taskStopped
			}
		}
		t.end(s.Clock.Now(), notStarted, reason)
		return true, nil
	})
	return err
}

// provision gives a task its network interface.
func (s *Service) provision(ctx context.Context, t task, d definition) error {
	_, err := s.changeTask(ctx, t.ID, func(ctx context.Context, _ *store.Tx, t *task) (bool, error) {
		if t.Desired == taskStopped || t.Last != taskProvisioning {
			return false, nil
		}
		if t.Subnet != "" {
			made, err := s.newInterface(ctx, *t)
			if err != nil {
				return false, err
			}
			t.Interface = made
		}
		t.Last = taskPending
		return true, nil
	})
	var refused *wire.Error
	if errors.As(err, &refused) {
		return s.fail(ctx, t, fmt.Sprintf("Unexpected EC2 error while attempting to Create Network Interface in subnet '%s': %s", t.Subnet, refused.Code), nil)
	}
	return err
}

// activate pulls images and starts containers in the order of their dependencies; once all have started the task is ACTIVATING.
func (s *Service) activate(ctx context.Context, t task, d definition) (time.Duration, error) {
	docker, err := s.docker(ctx)
	if err != nil {
		return 0, s.fail(ctx, t, "CannotStartContainerError: "+err.Error(), nil)
	}
	if t.PullStopped.IsZero() {
		return 0, s.pullAll(ctx, docker, t, d)
	}
	if err := s.startPause(ctx, docker, t, d); err != nil {
		return 0, s.failStart(ctx, t, nil, err)
	}
	t, err = s.observe(ctx, docker, t)
	if err != nil {
		return 0, err
	}
	if t.Desired == taskStopped {
		return 0, nil
	}
	ready, waiting, hopeless := nextContainers(t, d)
	if hopeless != "" {
		return 0, s.fail(ctx, t, hopeless, nil)
	}
	for _, c := range ready {
		if err := s.startContainer(ctx, docker, t, d, c); err != nil {
			return 0, s.failStart(ctx, t, t.container(*c.Name), err)
		}
	}
	switch {
	case len(ready) > 0:
		return 0, nil
	case waiting > 0:
		return forEvent, nil
	}
	return 0, s.advance(ctx, t, taskActivating)
}

// failStart tells an engine that went away, which is waited for, from a container that cannot be.
func (s *Service) failStart(ctx context.Context, t task, c *container, err error) error {
	if ctx.Err() != nil || errors.Is(err, engine.ErrEngineGone) {
		return err
	}
	if errors.Is(err, engine.ErrNotFound) {
		s.Network.Forget()
	}
	var initial initialError
	if errors.As(err, &initial) {
		return s.fail(ctx, t, "ResourceInitializationError: "+err.Error(), c)
	}
	return s.fail(ctx, t, "CannotStartContainerError: "+err.Error(), c)
}

// nextContainers says which containers may start now and how many have to wait, or why one never will.
func nextContainers(t task, d definition) (ready []api.ContainerDefinition, waiting int, hopeless string) {
	for _, c := range d.ContainerDefinitions {
		if have := t.container(*c.Name); have == nil || have.Ready {
			continue
		}
		met := true
		for _, dep := range c.DependsOn {
			ok, never := dependencyMet(t, dep)
			if never {
				return nil, 0, fmt.Sprintf("Container %s: dependency %s did not become %s", *c.Name, dep.ContainerName, dep.Condition)
			}
			met = met && ok
		}
		for _, link := range c.Links {
			met = met && linkReady(t, link)
		}
		if met {
			ready = append(ready, c)
		} else {
			waiting++
		}
	}
	return ready, waiting, ""
}

func dependencyMet(t task, dep api.ContainerDependency) (met, never bool) {
	on := t.container(dep.ContainerName)
	if on == nil {
		return false, true
	}
	ended := on.Status == taskStopped
	switch dep.Condition {
	case "START":
		return on.Ready, false
	case "COMPLETE":
		return ended, false
	case "SUCCESS":
		return ended && on.Exit != nil && *on.Exit == 0, ended && (on.Exit == nil || *on.Exit != 0)
	}
	return on.Health == healthy && !ended, ended || on.Health == unhealthy // HEALTHY
}

// register makes the task a target of its load balancers, and RUNNING.
func (s *Service) register(ctx context.Context, t task, d definition) error {
	_, err := s.changeTask(ctx, t.ID, func(ctx context.Context, tx *store.Tx, t *task) (bool, error) {
		if t.Last != taskActivating || t.Desired == taskStopped {
			return false, nil
		}
		if err := s.registerTargets(ctx, tx, t); err != nil {
			return false, err
		}
		t.Last, t.Started = taskRunning, s.Clock.Now()
		return true, nil
	})
	var refused *wire.Error
	if errors.As(err, &refused) {
		return s.fail(ctx, t, "Unable to register targets: "+refused.Message, nil)
	}
	return err
}

// watch notes what becomes of the containers of a running task.
func (s *Service) watch(ctx context.Context, t task, d definition) (time.Duration, error) {
	docker, err := s.docker(ctx)
	if err != nil {
		return 0, err
	}
	t, err = s.observe(ctx, docker, t)
	if err != nil {
		return 0, err
	}
	s.ship(ctx, docker, t, d)
	if t.Desired == taskStopped {
		return 0, nil
	}
	return forEvent, nil
}

// observe brings a task's row up to date with its containers; an essential one that has ended ends the task.
func (s *Service) observe(ctx context.Context, docker *engine.Engine, t task) (task, error) {
	seen := map[string]seen{}
	for _, c := range t.Containers {
		if c.Runtime == "" || c.Status == taskStopped {
			continue
		}
		state, err := docker.Inspect(ctx, s.containerName(t, c.Name))
		lost := errors.Is(err, engine.ErrNotFound)
		if err != nil && !lost {
			return t, err
		}
		found := observed(c, state, lost)
		if found.now.Status == taskStopped && c.Ready && !lost && (found.now.Exit != nil && *found.now.Exit != 0 || c.Essential) {
			found.now.Output = s.lastLines(ctx, docker, state.ID)
		}
		if document(found.now) != document(c) {
			seen[c.Name] = found
		}
	}
	if len(seen) == 0 {
		return t, nil
	}
	return s.changeTask(ctx, t.ID, func(_ context.Context, _ *store.Tx, t *task) (bool, error) {
		for name, found := range seen {
			*t.container(name) = found.now
			if found.now.Status == taskStopped && found.now.Ready && found.now.Essential {
				t.end(s.Clock.Now(), exited, "Essential container in task exited")
			}
		}
		t.Health = t.health()
		return true, nil
	})
}

// seen is a container as it was just looked at.
type seen struct{ now container }

// observed is the row of a container after a look at it.
func observed(c container, state engine.State, lost bool) seen {
	if lost {
		c.Status, c.Reason = taskStopped, "CannotInspectContainerError: the container is gone from the engine"
		return seen{c}
	}
	switch {
	case state.Running():
		c.Status, c.Ready = taskRunning, true
	case state.Status == engine.StatusExited || state.Status == engine.StatusDead:
		c.Status, c.Ready = taskStopped, true
		c.Exit = new(state.ExitCode)
		if state.OOMKilled {
			c.Reason = "OutOfMemoryError: Container killed due to memory usage"
		}
		if state.Error != "" {
			c.Reason = "CannotStartContainerError: " + state.Error
		}
	}
	c.Digest = state.ImageDigest
	switch state.Health.Status {
	case engine.HealthHealthy:
		c.Health = healthy
	case engine.HealthUnhealthy:
		c.Health = unhealthy
		if c.Reason == "" && state.Health.Output != "" {
			c.Reason = fmt.Sprintf("health check exited with code %d: %s", state.Health.ExitCode, state.Health.Output)
		}
	}
	return seen{c}
}

// health is the task's: that of its essential containers which have a health check.
func (t task) health() string {
	if !t.Checked {
		return healthUnknown
	}
	verdict := healthy
	for _, c := range t.Containers {
		switch {
		case c.Health == unhealthy && c.Essential:
			return unhealthy
		case c.Health == healthUnknown && c.Essential && c.Checked:
			verdict = healthUnknown
		}
	}
	return verdict
}

// deactivate takes the task off its load balancers, first of all: what stops gets no new requests.
func (s *Service) deactivate(ctx context.Context, t task) error {
	_, err := s.changeTask(ctx, t.ID, func(ctx context.Context, tx *store.Tx, t *task) (bool, error) {
		if !t.before(taskDeactivating) {
			return false, nil
		}
		t.Last = taskDeactivating
		return true, s.deregisterTargets(ctx, tx, *t)
	})
	return err
}

// awaitDrained waits until the load balancers have let go of the task: its requests have ended, or the deregistration delay.
func (s *Service) awaitDrained(ctx context.Context, t task) (time.Duration, error) {
	alive := slices.ContainsFunc(t.Containers, func(c container) bool { return c.Essential && c.Status == taskRunning })
	if alive {
		changed := s.Changed.Wait()
		if s.drains(ctx, t) {
			return 0, s.waitChanged(ctx, changed)
		}
	}
	return 0, s.advance(ctx, t, taskStopping)
}

// lookAgain bounds a wait for a change that another service tells of.
const lookAgain = time.Second

func (s *Service) waitChanged(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-ctx.Done():
	case <-changed:
	case <-s.Clock.After(lookAgain):
	}
	return ctx.Err()
}

// stopContainers stops what still runs, dependents before what they depend on, and notes the exit codes.
func (s *Service) stopContainers(ctx context.Context, t task, d definition) error {
	docker, err := s.docker(ctx)
	if err != nil {
		return err
	}
	s.ship(ctx, docker, t, d)
	for _, wave := range stopOrder(d) {
		if err := s.stopWave(ctx, docker, t, d, wave); err != nil {
			return err
		}
	}
	if t, err = s.observe(ctx, docker, t); err != nil {
		return err
	}
	_, err = s.changeTask(ctx, t.ID, func(_ context.Context, _ *store.Tx, t *task) (bool, error) {
		t.ExecStopped, t.Last = s.Clock.Now(), taskDeprovisioning
		for i := range t.Containers {
			t.Containers[i].Status = taskStopped
		}
		return true, nil
	})
	return err
}

func (s *Service) stopWave(ctx context.Context, docker *engine.Engine, t task, d definition, names []string) error {
	var stops sync.WaitGroup
	failures := make([]error, len(names))
	for i, name := range names {
		c, _ := d.container(name)
		stops.Go(func() {
			err := docker.Stop(ctx, s.containerName(t, name), stopTimeout(c))
			if !errors.Is(err, engine.ErrNotFound) {
				failures[i] = err
			}
		})
	}
	stops.Wait()
	return errors.Join(failures...)
}

// stopOrder groups containers so that each stops before those it depends on.
func stopOrder(d definition) (waves [][]string) {
	left := slices.Clone(d.ContainerDefinitions)
	needed := func(name string) bool {
		return slices.ContainsFunc(left, func(o api.ContainerDefinition) bool {
			return slices.ContainsFunc(o.DependsOn, func(dep api.ContainerDependency) bool { return dep.ContainerName == name })
		})
	}
	for len(left) > 0 {
		var wave []string
		for _, c := range left {
			if !needed(*c.Name) {
				wave = append(wave, *c.Name)
			}
		}
		if len(wave) == 0 { // circles were refused at registration
			return waves
		}
		left = slices.DeleteFunc(left, func(c api.ContainerDefinition) bool { return slices.Contains(wave, *c.Name) })
		waves = append(waves, wave)
	}
	return waves
}

// deprovision removes containers, volumes of the task's own, bindings and interface; then the task has STOPPED.
func (s *Service) deprovision(ctx context.Context, t task, d definition) error {
	if len(t.Containers) > 0 && !t.PullStopped.IsZero() {
		docker, err := s.docker(ctx)
		if err != nil {
			return err
		}
		s.ship(ctx, docker, t, d)
		s.shippers.finish(ctx, t)
		if err := s.removeContainers(ctx, docker, t, d); err != nil {
			return err
		}
	}
	_, err := s.changeTask(ctx, t.ID, func(ctx context.Context, tx *store.Tx, t *task) (bool, error) {
		k := s.key(ctx, t.ID)
		if err := network.Unbind(tx, k.Account, k.Region, t.ARN); err != nil {
			return false, err
		}
		if err := s.deleteInterface(ctx, t.Interface); err != nil {
			return false, err
		}
		if err := s.forgetOutput(ctx, tx, *t); err != nil {
			return false, err
		}
		t.Last, t.StoppedAt = taskStopped, s.Clock.Now()
		for i := range t.Containers {
			t.Containers[i].Status = taskStopped
		}
		return true, nil
	})
	return err
}
