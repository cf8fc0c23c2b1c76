package dataplane

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// withDefaults fills in what an Application Load Balancer takes where nothing is given.
func (h HealthCheck) withDefaults(group *TargetGroup) HealthCheck {
	grpc := group.ProtocolVersion == "GRPC"
	h.Protocol = orElse(h.Protocol, orElse(group.Protocol, "HTTP"))
	h.Port = orElse(h.Port, "traffic-port")
	h.Interval = positive(h.Interval, 30*time.Second)
	h.Timeout = positive(h.Timeout, 5*time.Second)
	h.HealthyThreshold = positive(h.HealthyThreshold, 5)
	h.UnhealthyThreshold = positive(h.UnhealthyThreshold, 2)
	if grpc {
		h.Path, h.Matcher = orElse(h.Path, "/AWS.ALB/healthcheck"), orElse(h.Matcher, "12")
	}
	h.Path, h.Matcher = orElse(h.Path, "/"), orElse(h.Matcher, "200")
	return h
}

func positive[T int | time.Duration](value, other T) T {
	if value > 0 {
		return value
	}
	return other
}

// matcher is the set of codes that mean health: "200", "200,302", "200-299".
type matcher []struct{ low, high int }

func parseMatcher(text string) (matcher, error) {
	var m matcher
	for part := range strings.SplitSeq(text, ",") {
		from, to, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			to = from
		}
		low, err := strconv.Atoi(from)
		if err != nil {
			return nil, fmt.Errorf("health check matcher %q: %q is not a code", text, part)
		}
		high, err := strconv.Atoi(to)
		if err != nil || high < low {
			return nil, fmt.Errorf("health check matcher %q: %q is not a range of codes", text, part)
		}
		m = append(m, struct{ low, high int }{low, high})
	}
	return m, nil
}

func (m matcher) has(code int) bool {
	for _, r := range m {
		if r.low <= code && code <= r.high {
			return true
		}
	}
	return false
}

// outcome is what one health check found.
type outcome struct {
	reason Reason // "" for success
	code   int    // with Target.ResponseCodeMismatch
}

// healthState is what the checks of one target have shown so far.
type healthState struct {
	state       State
	reason      Reason
	description string

	successes int       // in a row
	failures  int       // in a row, no more than one an interval
	counted   time.Time // when the last failure counted
	codes     []int     // of the failures in a row
}

func newHealthState() healthState {
	return healthState{
		state: StateInitial, reason: ReasonRegistrationInProgress, description: "Target registration is in progress",
	}
}

// serves says whether the target is to get requests as long as others do.
func (h *healthState) serves() bool { return h.state == StateHealthy }

// after decides the state that follows from one more check.
//
// As on AWS, an initial target is healthy with its first success, an unhealthy one after HealthyThreshold successes in a
// row, and UnhealthyThreshold failures in a row make either a healthy or an initial one unhealthy. New targets are checked
// more often than the interval says (see nextCheck); so that this never shortens the time a container has to start,
// failures count once an interval at most.
func (h healthState) after(o outcome, check HealthCheck, now time.Time) healthState {
	if o.reason == "" {
		return h.succeed(check)
	}
	return h.fail(o, check, now)
}

func (h healthState) succeed(check HealthCheck) healthState {
	h.successes++
	h.failures, h.codes, h.counted = 0, nil, time.Time{}
	if h.state == StateInitial || h.successes >= check.HealthyThreshold {
		h.state, h.reason, h.description = StateHealthy, "", ""
	}
	return h
}

func (h healthState) fail(o outcome, check HealthCheck, now time.Time) healthState {
	h.successes = 0
	if h.counted.IsZero() || now.Sub(h.counted) >= check.Interval-check.Interval/100 {
		h.failures++
		h.counted = now
	}
	if o.reason == ReasonResponseCodeMismatch && !slices.Contains(h.codes, o.code) && len(h.codes) < 5 {
		h.codes = append(slices.Clip(h.codes), o.code)
	}
	switch {
	case h.state == StateUnhealthy || h.failures >= check.UnhealthyThreshold:
		h.state, h.reason, h.description = StateUnhealthy, o.reason, h.describe(o)
	case h.state == StateInitial:
		h.reason, h.description = ReasonInitialHealthChecking, "Initial health checks in progress"
	}
	return h
}

// describe gives AWS's sentence for a failure.
func (h *healthState) describe(o outcome) string {
	switch o.reason {
	case ReasonResponseCodeMismatch:
		codes := make([]string, len(h.codes))
		for i, code := range h.codes {
			codes[i] = strconv.Itoa(code)
		}
		return "Health checks failed with these codes: [" + strings.Join(codes, ", ") + "]"
	case ReasonTimeout:
		return "Request timed out"
	}
	return "Health checks failed"
}

const (
	firstCheckAgain = 100 * time.Millisecond
	checkBackOff    = 1.25
)

// nextCheck decides how long to wait after the attempt-th check of a target that never was healthy: 100 ms at first, since
// a deployment waits for the first success, then longer by a quarter each time up to the interval. AWS waits the whole
// interval; the answer is the same, sooner.
func nextCheck(attempt int, interval time.Duration) time.Duration {
	wait := float64(firstCheckAgain)
	for range min(attempt, 64) {
		wait *= checkBackOff
	}
	return min(time.Duration(wait), interval)
}
