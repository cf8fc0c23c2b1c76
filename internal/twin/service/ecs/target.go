package ecs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway.dev/internal/engine"
	"slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// registerTargets makes a task a target of every group its service names.
func (s *Service) registerTargets(ctx context.Context, tx *store.Tx, t *task) error {
	if len(t.Targets) == 0 || len(t.Registered) > 0 {
		return nil
	}
	d, err := s.definitionOf(ctx, tx, *t)
	if err != nil {
		return err
	}
	for _, l := range t.Targets {
		r := registration{Group: wire.Value(l.TargetGroupArn), ID: t.Interface.Address, Port: wire.Value(l.ContainerPort)}
		if r.ID == "" {
			c := t.container(wire.Value(l.ContainerName))
			def, _ := d.container(wire.Value(l.ContainerName))
			i := slices.IndexFunc(c.Ports, func(p engine.PublishedPort) bool { return p.Container == r.Port })
			if i < 0 {
				return wire.Errorf("InvalidTarget", "container %s has not published port %d", c.Name, r.Port)
			}
			r.ID, r.Port = t.Machine, t.hostPort(def, c.Ports[i])
		}
		if _, err := s.elb.RegisterTargets(ctx, &elbv2.RegisterTargetsInput{TargetGroupArn: r.Group, Targets: []elbv2.TargetDescription{{Id: r.ID, Port: &r.Port}}}); err != nil {
			return err
		}
		t.Registered = append(t.Registered, r)
	}
	return s.noteOf(ctx, tx, *t, t.targetNotes("registered")...)
}

// targetNotes are events in AWS's words, one a target group.
func (t task) targetNotes(verb string) (notes []string) {
	count := map[string]int{}
	for _, r := range t.Registered {
		count[r.Group]++
	}
	for _, group := range slices.Sorted(maps.Keys(count)) {
		notes = append(notes, fmt.Sprintf("%s %d targets in (target-group %s)", verb, count[group], group))
	}
	return notes
}

// deregisterTargets takes a task off its target groups; it drains there.
func (s *Service) deregisterTargets(ctx context.Context, tx *store.Tx, t task) error {
	for _, r := range t.Registered {
		_, err := s.elb.DeregisterTargets(ctx, &elbv2.DeregisterTargetsInput{TargetGroupArn: r.Group, Targets: []elbv2.TargetDescription{{Id: r.ID, Port: &r.Port}}})
		if err != nil && !gone(err) {
			return err
		}
	}
	if len(t.Registered) == 0 {
		return nil
	}
	return s.noteOf(ctx, tx, t, append(t.targetNotes("deregistered"), "has begun draining connections on 1 tasks.")...)
}

// gone: the target group, or the target in it, was removed before the task.
func gone(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && (strings.HasSuffix(e.Code, "NotFound") || e.Code == "InvalidTarget")
}

// drains reports whether a load balancer still has requests under way to the task.
func (s *Service) drains(ctx context.Context, t task) bool {
	for _, r := range t.Registered {
		h, known := s.groupHealth(ctx, r.Group)[targetKey(r.ID, r.Port)]
		if known && *h.TargetHealth.State == "draining" {
			return true
		}
	}
	return false
}
