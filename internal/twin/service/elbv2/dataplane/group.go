package dataplane

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// group is a running target group.
type group struct {
	id     string
	plane  *Plane
	counts groupCounts

	mu        sync.Mutex
	spec      TargetGroup
	used      bool      // some forward action names it
	members   []*target // in the order of the configuration
	selection atomic.Pointer[selection]
	next      atomic.Uint64
}

// selection is whom new requests may go to, decided whenever the configuration or a health state changes.
type selection struct {
	targets    []*target
	algorithm  string
	stickiness Stickiness
	version    string
	slowStart  time.Duration
	warmUntil  time.Time // the last of targets to end its slow start does so then
	delay      time.Duration
	secure     bool
}

func newGroup(p *Plane, id string) *group {
	g := &group{id: id, plane: p}
	g.selection.Store(&selection{})
	return g
}

// update takes over a new configuration of the group.
func (g *group) update(spec TargetGroup, used bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	protocolChanged := g.spec.Protocol != spec.Protocol || g.spec.ProtocolVersion != spec.ProtocolVersion
	checksChanged := g.spec.HealthCheck != spec.HealthCheck
	g.spec, g.used = spec, used
	old := g.members
	if protocolChanged {
		g.members = nil
	}
	members := make([]*target, 0, len(spec.Targets))
	for _, wanted := range spec.Targets {
		members = append(members, g.member(wanted))
	}
	g.members = members
	for _, t := range old {
		if checksChanged {
			t.wake()
		}
		if !slices.Contains(members, t) {
			t.retire(spec.DeregistrationDelay)
		}
	}
	g.reselect()
}

// member finds the running target for a wanted one, or starts it. One that is registered again while it drains is new.
func (g *group) member(wanted Target) *target {
	for _, t := range g.members {
		if t.is(wanted) && (!t.draining.Load() || wanted.Draining) {
			t.adopt(wanted)
			return t
		}
	}
	t := newTarget(g, wanted)
	t.adopt(wanted)
	return t
}

// reselect publishes who serves: the healthy targets or, when none is, all that are registered ("fail open").
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
func (g *group) reselect() {
	s := &selection{
		algorithm: g.spec.Algorithm, stickiness: g.spec.Stickiness, version: g.spec.ProtocolVersion,
		slowStart: g.spec.SlowStart, delay: g.spec.DeregistrationDelay, secure: g.spec.Protocol == "HTTPS",
	}
	var registered []*target
	for _, t := range g.members {
		if t.draining.Load() {
			continue
		}
		registered = append(registered, t)
		if t.health.serves() {
			s.targets = append(s.targets, t)
		}
	}
	if len(s.targets) == 0 {
		s.targets = registered
	}
	if s.slowStart > 0 {
		for _, t := range s.targets {
			s.warmUntil = later(s.warmUntil, t.healthySince.Add(s.slowStart))
		}
	}
	g.selection.Store(s)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// pick chooses a target for a request: the one the client is bound to, else by the algorithm.
func (g *group) pick(r *route, headers headerSource) {
	for {
		s := g.selection.Load()
		t := s.bound(r, headers)
		if t == nil {
			t = g.balance(s)
		}
		if t == nil {
			return
		}
		// The count goes up before the look at draining, and draining is set before the count is read: a target that
		// is told to be drained can get no request any more.
		t.inFlight.Add(1)
		if !t.draining.Load() {
			r.target = t
			return
		}
		t.end()
	}
}

// bound finds the target that a stickiness cookie names and notes the cookie to set.
func (s *selection) bound(r *route, headers headerSource) *target {
	if !s.stickiness.Enabled {
		return nil
	}
	name := targetCookie
	if r.bindTarget = s.stickiness.Duration; s.stickiness.Type == "app_cookie" {
		name, r.appCookie = appCookie, s.stickiness.CookieName
	}
	value := cookie(headers, name)
	if value == "" {
		return nil
	}
	for _, t := range s.targets {
		if t.token == value {
			return t
		}
	}
	return nil
}

func (g *group) balance(s *selection) *target {
	switch n := len(s.targets); {
	case n == 0:
		return nil
	case n == 1:
		return s.targets[0]
	case s.slowStart > 0 && time.Now().Before(s.warmUntil):
		return s.warming(time.Now())
	case s.algorithm == "least_outstanding_requests":
		return g.leastOutstanding(s)
	case s.algorithm == "weighted_random":
		return s.targets[rand.IntN(n)]
	}
	return s.targets[g.next.Add(1)%uint64(len(s.targets))]
}

// leastOutstanding looks at the targets from a moving start, so that equals take turns.
func (g *group) leastOutstanding(s *selection) *target {
	start := int(g.next.Add(1) % uint64(len(s.targets)))
	best := s.targets[start]
	for i := 1; i < len(s.targets); i++ {
		if t := s.targets[(start+i)%len(s.targets)]; t.inFlight.Load() < best.inFlight.Load() {
			best = t
		}
	}
	return best
}

// warming chooses by chance, a target in its slow start by the part of it that is over.
func (s *selection) warming(now time.Time) *target {
	total := 0.0
	for _, t := range s.targets {
		total += t.warmth(now, s.slowStart)
	}
	mark := rand.Float64() * total
	for _, t := range s.targets {
		if mark -= t.warmth(now, s.slowStart); mark <= 0 {
			return t
		}
	}
	return s.targets[len(s.targets)-1]
}

// health tells the states of the targets.
func (g *group) health() []TargetHealth {
	g.mu.Lock()
	defer g.mu.Unlock()
	told := make([]TargetHealth, 0, len(g.members))
	for _, t := range g.members {
		told = append(told, t.report(g.used))
	}
	return told
}

// close retires all targets: the group left the configuration, or the plane ends.
func (g *group) close(delay time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.members {
		t.retire(delay)
	}
	g.members, g.used = nil, false
	g.reselect()
}

// prune closes connections that have been idle for too long.
func (g *group) prune(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.members {
		t.pool.prune(now)
	}
}

func (g *group) delay() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.spec.DeregistrationDelay
}
