package ecs

import (
	"context"
	"sync"
	"time"

	"slipway.dev/internal/engine"
	"slipway.dev/internal/twin/network"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
)

// runners are the goroutines that take tasks through their lives, one a task that has not stopped.
type runners struct {
	lock sync.Mutex
	live map[string]room.Signal
}

// add returns a signal for a task that has no runner yet.
func (r *runners) add(id string) (room.Signal, bool) {
	r.lock.Lock()
	defer r.lock.Unlock()
	if r.live == nil {
		r.live = map[string]room.Signal{}
	}
	if _, has := r.live[id]; has {
		return nil, false
	}
	r.live[id] = room.NewSignal()
	return r.live[id], true
}

func (r *runners) remove(id string) {
	r.lock.Lock()
	defer r.lock.Unlock()
	delete(r.live, id)
}

// wake makes a task's runner look, if it has one.
func (r *runners) wake(id string) {
	r.lock.Lock()
	defer r.lock.Unlock()
	if signal, has := r.live[id]; has {
		signal.Wake()
	}
}

func (r *runners) wakeAll() {
	r.lock.Lock()
	defer r.lock.Unlock()
	for _, signal := range r.live {
		signal.Wake()
	}
}

// retention is how long a stopped task is described.
const retention = time.Hour

// runTasks gives every task that has not stopped a runner. Those that a former process left are adopted that way.
func (s *Service) runTasks(ctx context.Context) {
	var live sync.WaitGroup
	defer live.Wait()
	for {
		err := s.view(ctx, func(_ context.Context, tx *store.Tx) error {
			rows, err := taskRows.All(tx)
			if err != nil {
				return err
			}
			for _, row := range rows {
				if row.Value.Last == taskStopped {
					continue
				}
				if signal, added := s.runners.add(row.ID); added {
					live.Go(func() {
						defer s.runners.remove(row.ID)
						s.runTask(operation.AsService(ctx, principal, row.Account, row.Region), row.ID, signal)
					})
				}
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			s.Log.Error("tasks not read", "error", err)
		}
		s.forgetStopped(ctx)
		select {
		case <-ctx.Done():
			return
		case <-s.tasks:
		case <-s.Clock.After(10 * time.Minute):
		}
	}
}

// forgetStopped removes rows of tasks that stopped long ago.
func (s *Service) forgetStopped(ctx context.Context) {
	var old []store.Key
	err := s.view(ctx, func(_ context.Context, tx *store.Tx) error {
		rows, err := taskRows.All(tx)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if row.Value.Last == taskStopped && s.Clock.Now().Sub(row.Value.StoppedAt) > retention {
				old = append(old, row.Key)
			}
		}
		return nil
	})
	if err == nil && len(old) > 0 {
		err = s.Store.Update(ctx, func(_ context.Context, tx *store.Tx) error {
			for _, k := range old {
				if err := taskRows.Delete(tx, k); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil && ctx.Err() == nil {
		s.Log.Error("old tasks not removed", "error", err)
	}
}

// The waits before a step that failed is tried again.
const (
	retryFirst = 100 * time.Millisecond
	retryLast  = 5 * time.Second
)

// runTask takes a task from status to status until it has stopped.
func (s *Service) runTask(ctx context.Context, id string, wake room.Signal) {
	retry := retryFirst
	for {
		done, wait, err := s.step(ctx, id)
		switch {
		case done || ctx.Err() != nil:
			return
		case err != nil:
			s.Log.Warn("task waits", "task", id, "error", err)
			wait, retry = retry, min(2*retry, retryLast)
		default:
			retry = retryFirst
		}
		if wait == 0 {
			continue
		}
		var timer <-chan time.Time
		if wait > 0 {
			timer = s.Clock.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-timer:
		}
	}
}

// runEvents wakes the runners of tasks whose containers something happened to.
func (s *Service) runEvents(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.followEvents(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("the engine's events are not followed", "error", err)
		}
		if s.Clock.Sleep(ctx, retryLast) != nil {
			return
		}
	}
}

// followEvents waits for the first task: without one the engine is not needed, nor looked for.
func (s *Service) followEvents(ctx context.Context) error {
	for !s.anyTask(ctx) {
		changed := s.Changed.Wait()
		if s.anyTask(ctx) {
			break
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
	docker, err := s.docker(ctx)
	if err != nil {
		return err
	}
	events, err := docker.Events(ctx, map[string]string{network.Label: s.found.twin})
	if err != nil {
		return err
	}
	if _, err := s.Network.Join(ctx); err != nil { // containers of a former process ask for names there
		s.Log.Warn("container network not joined", "error", err)
	}
	s.runners.wakeAll()
	s.sweep(ctx, docker)
	for e := range events {
		if e.Kind == engine.EventReconnected {
			s.runners.wakeAll()
			continue
		}
		if id := e.Labels[labelTask]; id != "" {
			s.runners.wake(id)
		}
	}
	return nil
}

func (s *Service) anyTask(ctx context.Context) (any bool) {
	s.runners.lock.Lock()
	defer s.runners.lock.Unlock()
	return len(s.runners.live) > 0
}

// sweep removes containers of tasks that have stopped, or that nobody knows: a process that was killed may leave them.
func (s *Service) sweep(ctx context.Context, docker *engine.Engine) {
	list, err := docker.List(ctx, map[string]string{network.Label: s.found.twin})
	if err != nil {
		return
	}
	for _, c := range list {
		id := c.Labels[labelTask]
		if id == "" {
			continue
		}
		k := store.Key{Account: c.Labels[labelAccount], Region: c.Labels[labelRegion], ID: id}
		keep := true
		err := s.view(ctx, func(_ context.Context, tx *store.Tx) error {
			t, err := taskRows.Get(tx, k)
			keep = err == nil && t.Last != taskStopped
			return nil
		})
		if err == nil && !keep {
			if err := docker.Remove(ctx, c.ID, true); err != nil {
				s.Log.Warn("container left behind", "container", c.Name, "error", err)
			}
		}
	}
}
