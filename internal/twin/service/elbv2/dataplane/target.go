package dataplane

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"
)

// target is a running target: its connections, its health and what is in flight to it.
type target struct {
	group     *group
	token     string
	pool      pool
	transport atomic.Pointer[transport] // for what the HTTP/1 loop does not serve
	life      context.Context           // ends when what is in flight is cut
	endLife   context.CancelFunc
	inFlight  atomic.Int64
	draining  atomic.Bool
	expired   atomic.Bool // the deregistration delay is over

	// guarded by group.mu
	spec         Target
	health       healthState
	healthySince time.Time
	stopChecks   context.CancelFunc
	recheck      chan struct{} // wakes the health checker after the configuration changed
	delay        *time.Timer
}

func newTarget(g *group, spec Target) *target {
	t := &target{
		group: g, token: token(g.id + "\x00" + spec.ID + "\x00" + strconv.Itoa(spec.Port)),
		health: newHealthState(), recheck: make(chan struct{}, 1),
	}
	t.spec = spec
	t.life, t.endLife = context.WithCancel(g.plane.ctx)
	t.pool = pool{address: spec.Address, dial: g.plane.dial, secure: g.spec.Protocol == "HTTPS"}
	return t
}

func (t *target) is(wanted Target) bool {
	return t.spec.ID == wanted.ID && t.spec.Port == wanted.Port && t.spec.Address == wanted.Address
}

// adopt takes over the wanted state. The group's lock is held.
func (t *target) adopt(wanted Target) {
	t.spec = wanted
	if wanted.Draining {
		t.retire(t.group.spec.DeregistrationDelay)
		return
	}
	checked := t.group.used && !t.group.spec.HealthCheck.Disabled
	if checked && t.stopChecks == nil {
		ctx, cancel := context.WithCancel(t.group.plane.ctx)
		t.stopChecks = cancel
		t.group.plane.background.Go(func() { t.checkHealth(ctx) })
	}
	if !checked && t.stopChecks != nil {
		t.stopChecking()
		t.health = newHealthState()
	}
}

// wake makes the health checker look at its configuration again.
func (t *target) wake() {
	select {
	case t.recheck <- struct{}{}:
	default:
	}
}

func (t *target) stopChecking() {
	if t.stopChecks != nil {
		t.stopChecks()
		t.stopChecks = nil
	}
}

// retire ends the target: nothing new is sent to it, idle connections close, what is in flight may last for delay.
// The group's lock is held.
func (t *target) retire(delay time.Duration) {
	t.stopChecking()
	if t.draining.Swap(true) {
		return
	}
	t.pool.retire()
	if transport := t.transport.Load(); transport != nil {
		transport.CloseIdleConnections()
	}
	t.delay = time.AfterFunc(delay, t.expire)
	t.group.plane.changed()
}

// expire cuts what outlived the deregistration delay.
func (t *target) expire() {
	t.expired.Store(true)
	t.pool.cut()
	t.endLife()
	t.group.plane.changed()
}

// end is the counterpart of group.pick.
func (t *target) end() {
	if t.inFlight.Add(-1) == 0 && t.draining.Load() {
		t.group.plane.changed()
	}
}

func (t *target) warmth(now time.Time, slowStart time.Duration) float64 {
	return min(1, max(0.01, float64(now.Sub(t.healthySince))/float64(slowStart)))
}

// report tells the health. The group's lock is held.
func (t *target) report(used bool) TargetHealth {
	told := TargetHealth{Target: t.spec, InFlight: int(t.inFlight.Load())}
	switch {
	case t.draining.Load():
		told.State, told.Reason = StateDraining, ReasonDeregistrationInProgress
		told.Description = "Target deregistration is in progress"
		told.Drained = told.InFlight == 0 || t.expired.Load()
	case !used:
		told.State, told.Reason = StateUnused, ReasonNotInUse
		told.Description = "Target group is not configured to receive traffic from the load balancer"
	case t.group.spec.HealthCheck.Disabled:
		told.State, told.Reason = StateUnavailable, ReasonHealthCheckDisabled
		told.Description = "Health checks are disabled"
	default:
		told.State, told.Reason, told.Description = t.health.state, t.health.reason, t.health.description
	}
	return told
}
