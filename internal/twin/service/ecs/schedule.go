package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// placementPause is how long the scheduler waits for room after it found none, and placementSilence how long it does not say
// so again.
const (
	placementPause   = 3 * time.Second
	placementSilence = 5 * time.Minute
)

// runScheduler decides for every service whenever something has changed.
func (s *Service) runScheduler(ctx context.Context) {
	for {
		changed := s.Changed.Wait()
		wake := s.scheduleAll(ctx)
		var timer <-chan time.Time
		if !wake.IsZero() {
			timer = s.Clock.After(max(wake.Sub(s.Clock.Now()), time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return
		case <-s.schedule:
		case <-changed:
		case <-timer:
		}
	}
}

func (s *Service) scheduleAll(ctx context.Context) (wake time.Time) {
	var all []store.Row[service]
	err := s.view(ctx, func(_ context.Context, tx *store.Tx) error {
		var err error
		all, err = services.All(tx)
		return err
	})
	if err != nil {
		s.Log.Error("services not read", "error", err)
		return s.Clock.Now().Add(time.Second)
	}
	for _, row := range all {
		if row.Value.Status == inactive {
			continue
		}
		next, err := s.scheduleOne(operation.AsService(ctx, principal, row.Account, row.Region), row.ID)
		if err != nil && ctx.Err() == nil {
			s.Log.Error("service not scheduled", "service", row.ID, "error", err)
			next = s.Clock.Now().Add(time.Second)
		}
		if !next.IsZero() && (wake.IsZero() || next.Before(wake)) {
			wake = next
		}
	}
	return wake
}

// scheduleOne decides for a service, and where there is something to do decides again on what then is the state, and does it.
func (s *Service) scheduleOne(ctx context.Context, id string) (wake time.Time, err error) {
	var p plan
	var at situation
	err = s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		at, err = s.situation(ctx, tx, id)
		return err
	})
	if err != nil {
		return time.Time{}, err
	}
	at.Health = s.targetHealth(ctx, at.Tasks)
	if p = decide(at); !p.Changed && p.Start == 0 && len(p.Judged) == 0 {
		return p.Wake, nil
	}
	err = s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		now, err := s.situation(ctx, tx, id)
		if err != nil {
			return err
		}
		now.Health = at.Health
		p = decide(now)
		return s.apply(ctx, tx, p, now)
	})
	return p.Wake, err
}

func (s *Service) situation(ctx context.Context, tx *store.Tx, id string) (at situation, err error) {
	at.Now = s.Clock.Now()
	if at.Service, err = services.Get(tx, s.key(ctx, id)); err != nil {
		return at, err
	}
	at.Tasks, err = s.tasksOfService(ctx, tx, at.Service)
	at.Tasks = slices.DeleteFunc(at.Tasks, func(t task) bool { return t.Last == taskStopped && t.Judged })
	return at, err
}

// targetHealth asks the load balancers about the tasks that are their targets; of several verdicts the worst counts.
func (s *Service) targetHealth(ctx context.Context, tasks []task) map[string]verdict {
	said := map[string]map[string]elbv2.TargetHealthDescription{}
	found := map[string]verdict{}
	for _, t := range tasks {
		if t.Desired == taskStopped || t.Last != taskRunning {
			continue
		}
		for _, r := range t.Registered {
			if said[r.Group] == nil {
				said[r.Group] = s.groupHealth(ctx, r.Group)
			}
			h := said[r.Group][targetKey(r.ID, r.Port)].TargetHealth
			if h == nil {
				h = &elbv2.TargetHealth{State: new("unused"), Reason: new("Target.NotRegistered"), Description: new("Target is not registered to the target group")}
			}
			have, known := found[t.ID]
			if !known || have.State == "healthy" || *h.State == "unhealthy" {
				found[t.ID] = verdict{State: *h.State, Reason: wire.Value(h.Description), Group: r.Group, Port: r.Port}
			}
		}
	}
	return found
}

func targetKey(id string, port int) string { return fmt.Sprintf("%s:%d", id, port) }

func (s *Service) groupHealth(ctx context.Context, group string) map[string]elbv2.TargetHealthDescription {
	found := map[string]elbv2.TargetHealthDescription{}
	out, err := s.elb.DescribeTargetHealth(ctx, &elbv2.DescribeTargetHealthInput{TargetGroupArn: group})
	if err != nil {
		s.Log.Warn("health of targets not known", "group", group, "error", err)
		return found
	}
	for _, h := range out.TargetHealthDescriptions {
		if h.Target != nil && h.TargetHealth != nil && h.TargetHealth.State != nil {
			found[targetKey(h.Target.Id, wire.Value(h.Target.Port))] = h
		}
	}
	return found
}

// apply writes a plan down; the runners of tasks then do it.
func (s *Service) apply(ctx context.Context, tx *store.Tx, p plan, at situation) error {
	for _, id := range p.Judged {
		if _, err := s.changeTask(ctx, id, func(_ context.Context, _ *store.Tx, t *task) (bool, error) { t.Judged = true; return true, nil }); err != nil {
			return err
		}
	}
	for _, stop := range p.Stop {
		_, err := s.changeTask(ctx, stop.Task, func(_ context.Context, _ *store.Tx, t *task) (bool, error) {
			t.Unhealthy = stop.Unhealthy
			return t.end(at.Now, stop.Code, stop.Reason), nil
		})
		if err != nil {
			return err
		}
	}
	if p.Start > 0 {
		if err := s.startTasks(ctx, tx, &p, at.Now); err != nil {
			return err
		}
	}
	if err := s.recordProgress(ctx, tx, p.Service, at.Tasks, at.Now); err != nil {
		return err
	}
	return services.Put(tx, s.key(ctx, p.Service.id()), p.Service)
}

func (s *Service) startTasks(ctx context.Context, tx *store.Tx, p *plan, now time.Time) error {
	v := &p.Service
	primary := v.primary()
	c, err := s.cluster(ctx, tx, &v.Cluster)
	if err != nil {
		return err
	}
	d, err := s.definition(ctx, tx, primary.Config.Definition)
	if err != nil {
		return s.noPlace(v, now, err.Error())
	}
	var started []task
	for range p.Start {
		t, reason, err := s.place(ctx, tx, c, d, primary.Config)
		var refused *wire.Error
		if errors.As(err, &refused) {
			reason, err = refused.Message, nil
		}
		if err != nil {
			return err
		}
		if reason != "" {
			if err := s.noPlace(v, now, reason); err != nil {
				return err
			}
			break
		}
		t.Service, t.Deployment, t.Group, t.StartedBy = v.Name, primary.ID, "service:"+v.Name, primary.ID
		t.Targets, t.Execute, t.Tags = primary.Config.LoadBalancers, v.Execute, v.tagsFor(d)
		if err := taskRows.Put(tx, s.key(ctx, t.ID), t); err != nil {
			return err
		}
		started = append(started, t)
	}
	if len(started) > 0 {
		v.note(now, fmt.Sprintf("(service %s) has started %d tasks: %s.", v.Name, len(started), taskNames(started)))
	}
	return nil
}

// noPlace notes that a task could not be placed, and waits for room.
func (s *Service) noPlace(v *service, now time.Time, reason string) error {
	text := fmt.Sprintf("(service %s) was unable to place a task because no container instance met all of its requirements. Reason: %s For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.", v.Name, reason)
	said := slices.ContainsFunc(v.Events, func(e event) bool { return e.Message == text && now.Sub(e.At) < placementSilence })
	if !said {
		v.note(now, text)
	}
	v.primary().NotBefore = now.Add(placementPause)
	return nil
}
