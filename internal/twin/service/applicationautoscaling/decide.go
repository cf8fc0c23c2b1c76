package applicationautoscaling

import (
	"fmt"
	"math"
	"time"

	"slipway.dev/internal/twin/wire"
)

// The shape of target tracking's alarms: so many minutes in a row above the target scale out, so many below nine tenths of it
// scale in.
const (
	highMinutes = 3
	lowMinutes  = 15
	lowShare    = 0.9
)

// usualCooldown is that of ECS services where a policy names none.
const usualCooldown = 300 * time.Second

// situation is everything a decision depends on.
type situation struct {
	Now       time.Time
	Target    target
	Desired   int
	Deploying bool // a deployment of the service is under way
	Policies  []policy
	// Minutes are the averages of the full minutes past, newest last, by metric; NaN for a minute without data.
	Minutes map[string][]float64
}

// decision is what the desired count is to be, and why. Nothing is to be done where it is the present one.
type decision struct {
	Desired int
	Cause   string
}

// decide says what a service's desired count is to be.
// https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-auto-scaling.html
func decide(s situation) decision {
	if d, ok := s.intoBounds(); ok {
		return d
	}
	if d, ok := s.out(); ok {
		return d
	}
	if d, ok := s.in(); ok {
		return d
	}
	return decision{Desired: s.Desired}
}

// intoBounds brings a service within bounds that were just set. A count that somebody sets by hand stays until a policy acts.
func (s situation) intoBounds() (decision, bool) {
	switch t := s.Target; {
	case !t.BoundsSet:
		return decision{}, false
	case s.Desired < t.Min:
		return decision{t.Min, fmt.Sprintf("minimum capacity was set to %d", t.Min)}, true
	case s.Desired > t.Max:
		return decision{t.Max, fmt.Sprintf("maximum capacity was set to %d", t.Max)}, true
	}
	return decision{}, false
}

// out scales out when any policy asks for it, to the largest count that one does. During the cooldown only what goes beyond the
// last scaling out counts.
func (s situation) out() (best decision, ok bool) {
	if wire.Value(s.Target.Suspended.DynamicScalingOutSuspended) || s.Desired >= s.Target.Max {
		return decision{}, false
	}
	best.Desired = s.Desired
	for _, p := range s.Policies {
		value, high := s.high(p)
		if !high {
			continue
		}
		base := s.Desired
		if s.Now.Before(s.Target.Out.At.Add(cooldown(p.Tracking.ScaleOutCooldown))) {
			base = min(base, s.Target.Out.From)
		}
		wanted := max(needed(base, value, p), base+1, s.Target.Min)
		if wanted = min(wanted, s.Target.Max); wanted > best.Desired {
			best = decision{wanted, cause(p, "above", p.Tracking.TargetValue, highMinutes)}
		}
	}
	return best, best.Desired > s.Desired
}

// in scales in when all policies that may agree, to the largest count that one of them wants.
func (s situation) in() (best decision, ok bool) {
	if s.Deploying || wire.Value(s.Target.Suspended.DynamicScalingInSuspended) || s.Desired <= s.Target.Min {
		return decision{}, false
	}
	for _, p := range s.Policies {
		if wire.Value(p.Tracking.DisableScaleIn) {
			continue
		}
		value, low := s.low(p)
		if !low || s.Now.Before(s.Target.In.Add(cooldown(p.Tracking.ScaleInCooldown))) {
			return decision{}, false
		}
		wanted := min(max(needed(s.Desired, value, p), s.Target.Min), s.Target.Max)
		if !ok || wanted > best.Desired {
			best = decision{wanted, cause(p, "below", lowShare*p.Tracking.TargetValue, lowMinutes)}
		}
		ok = true
	}
	return best, ok && best.Desired < s.Desired
}

// high says whether a policy's metric was above its target in each of the last minutes, and what it was in the last.
func (s situation) high(p policy) (value float64, yes bool) {
	last, full := s.last(p, highMinutes)
	for _, v := range last {
		if !(v > p.Tracking.TargetValue) { // also where there is no data
			return 0, false
		}
		value = v
	}
	return value, full
}

// low says whether a policy's metric was well below its target in each of the last minutes, and the most it was.
func (s situation) low(p policy) (value float64, yes bool) {
	last, full := s.last(p, lowMinutes)
	for _, v := range last {
		if !(v < lowShare*p.Tracking.TargetValue) {
			return 0, false
		}
		value = max(value, v)
	}
	return value, full
}

func (s situation) last(p policy, n int) (minutes []float64, full bool) {
	minutes = s.Minutes[p.metric()]
	if len(minutes) < n {
		return nil, false
	}
	return minutes[len(minutes)-n:], true
}

// needed is how many tasks would bring the metric to the target.
func needed(tasks int, value float64, p policy) int {
	return int(math.Ceil(float64(tasks) * value / p.Tracking.TargetValue))
}

func cooldown(seconds *int) time.Duration {
	if seconds == nil {
		return usualCooldown
	}
	return time.Duration(*seconds) * time.Second
}

func cause(p policy, side string, mark float64, minutes int) string {
	return fmt.Sprintf("%s was %s %g for %d minutes; policy %s was triggered", p.metric(), side, mark, minutes, p.Name)
}
