package dataplane

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestHealthFollowsTheChecks(t *testing.T) {
	t.Parallel()
	check := HealthCheck{HealthyThreshold: 3, UnhealthyThreshold: 2, Interval: 10 * time.Second}.withDefaults(&TargetGroup{})
	ok := outcome{}
	refused := outcome{reason: ReasonFailedHealthChecks}
	code := func(n int) outcome { return outcome{reason: ReasonResponseCodeMismatch, code: n} }
	healthy := healthState{state: StateHealthy}
	unhealthy := healthState{state: StateUnhealthy, reason: ReasonTimeout, description: "Request timed out"}
	for name, test := range map[string]struct {
		from        healthState
		outcomes    []outcome
		every       time.Duration
		state       State
		reason      Reason
		description string
	}{
		"new":                               {newHealthState(), nil, time.Second, StateInitial, ReasonRegistrationInProgress, "Target registration is in progress"},
		"new, one success":                  {newHealthState(), []outcome{ok}, time.Second, StateHealthy, "", ""},
		"new, one failure":                  {newHealthState(), []outcome{refused}, time.Second, StateInitial, ReasonInitialHealthChecking, "Initial health checks in progress"},
		"new, failures within one interval": {newHealthState(), slices.Repeat([]outcome{refused}, 9), time.Second, StateInitial, ReasonInitialHealthChecking, "Initial health checks in progress"},
		"new, failures over two intervals":  {newHealthState(), slices.Repeat([]outcome{refused}, 11), time.Second, StateUnhealthy, ReasonFailedHealthChecks, "Health checks failed"},
		"new, slow to start":                {newHealthState(), append(slices.Repeat([]outcome{refused}, 9), ok), time.Second, StateHealthy, "", ""},
		"healthy, one failure":              {healthy, []outcome{code(500)}, 10 * time.Second, StateHealthy, "", ""},
		"healthy, two failures":             {healthy, []outcome{code(500), code(500)}, 10 * time.Second, StateUnhealthy, ReasonResponseCodeMismatch, "Health checks failed with these codes: [500]"},
		"healthy, two codes":                {healthy, []outcome{code(500), code(404)}, 10 * time.Second, StateUnhealthy, ReasonResponseCodeMismatch, "Health checks failed with these codes: [500, 404]"},
		"healthy, failures apart":           {healthy, []outcome{refused, ok, refused}, 10 * time.Second, StateHealthy, "", ""},
		"healthy, timeouts":                 {healthy, []outcome{{reason: ReasonTimeout}, {reason: ReasonTimeout}}, 10 * time.Second, StateUnhealthy, ReasonTimeout, "Request timed out"},
		"unhealthy, two successes":          {unhealthy, []outcome{ok, ok}, 10 * time.Second, StateUnhealthy, ReasonTimeout, "Request timed out"},
		"unhealthy, three successes":        {unhealthy, []outcome{ok, ok, ok}, 10 * time.Second, StateHealthy, "", ""},
		"unhealthy, new reason":             {unhealthy, []outcome{code(503)}, 10 * time.Second, StateUnhealthy, ReasonResponseCodeMismatch, "Health checks failed with these codes: [503]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, now := test.from, time.Unix(1_000_000, 0)
			for _, o := range test.outcomes {
				h = h.after(o, check, now)
				now = now.Add(test.every)
			}
			if h.state != test.state || h.reason != test.reason || h.description != test.description {
				t.Errorf("got %s %s %q", h.state, h.reason, h.description)
			}
		})
	}
}

func TestMatcher(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		code int
		want bool
	}{{"200", 200, true}, {"200", 204, false}, {"200,302", 302, true}, {"200-299", 204, true}, {"200-299, 401", 401, true}, {"0-99", 12, true}} {
		m, err := parseMatcher(test.text)
		if err != nil || m.has(test.code) != test.want {
			t.Errorf("%s has %d: %v %v", test.text, test.code, !test.want, err)
		}
	}
	for _, bad := range []string{"", "ok", "300-200", "200,", "2xx"} {
		if _, err := parseMatcher(bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

func TestNewTargetIsCheckedOftenAtFirst(t *testing.T) {
	t.Parallel()
	const interval = 30 * time.Second
	if first := nextCheck(0, interval); first != 100*time.Millisecond {
		t.Errorf("first wait %s", first)
	}
	total, last := time.Duration(0), time.Duration(0)
	for attempt := range 40 {
		wait := nextCheck(attempt, interval)
		if wait < last || wait > interval {
			t.Fatalf("wait %d is %s after %s", attempt, wait, last)
		}
		if total+wait <= 5*time.Second && attempt > 12 {
			t.Fatalf("%d checks in %s", attempt, total)
		}
		last, total = wait, total+wait
	}
	if last != interval {
		t.Errorf("ends at %s", last)
	}
}

// The time here is the fake one of a synctest bubble: the dialled connections are pipes to a target that comes up late.
func TestTargetThatStartsLateBecomesHealthySoonAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		up := time.Now().Add(4 * time.Second)
		p := New(Options{Dial: pipeDial(func() (int, bool) { return 200, time.Now().After(up) })})
		group := groupOf("g", "10.0.0.1:80")
		group.HealthCheck = HealthCheck{Interval: 30 * time.Second}
		apply(t, p, unbound(group))
		health := await(t, p, "g", allHealthy)
		if late := time.Since(up); late > 2*time.Second {
			t.Errorf("healthy %s after it was up: %+v", late, health)
		}
		closeNow(t, p)
	})
}

func TestTargetThatFailsLosesItsTrafficAndGetsItBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		code := make(chan int, 1)
		code <- 200
		p := New(Options{Dial: pipeDial(func() (int, bool) {
			now := <-code
			code <- now
			return now, true
		})})
		group := groupOf("g", "10.0.0.1:80")
		group.HealthCheck = HealthCheck{Interval: 10 * time.Second, HealthyThreshold: 2, UnhealthyThreshold: 3}
		apply(t, p, unbound(group))
		await(t, p, "g", allHealthy)
		<-code
		code <- 500
		began := time.Now()
		health := awaitState(t, p, StateUnhealthy)
		if took := time.Since(began); took < 20*time.Second || took > 30*time.Second {
			t.Errorf("unhealthy after %s", took)
		}
		if health.Reason != ReasonResponseCodeMismatch || health.Description != "Health checks failed with these codes: [500]" {
			t.Errorf("told %+v", health)
		}
		<-code
		code <- 200
		began = time.Now()
		awaitState(t, p, StateHealthy)
		if took := time.Since(began); took < 10*time.Second || took > 20*time.Second {
			t.Errorf("healthy after %s", took)
		}
		closeNow(t, p)
	})
}

func TestTargetThatIsSilentTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{Dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go io.Copy(io.Discard, far)
			return near, nil
		}})
		group := groupOf("g", "10.0.0.1:80")
		group.HealthCheck = HealthCheck{Interval: 10 * time.Second, Timeout: 2 * time.Second}
		apply(t, p, unbound(group))
		if health := awaitState(t, p, StateUnhealthy); health.Reason != ReasonTimeout || health.Description != "Request timed out" {
			t.Errorf("told %+v", health)
		}
		closeNow(t, p)
	})
}

// awaitState waits, without a limit of its own, for the state of the only target of "g".
func awaitState(t *testing.T, p *Plane, want State) TargetHealth {
	t.Helper()
	changes, stop := p.Watch()
	defer stop()
	for {
		if health := p.Health("g")[0]; health.State == want {
			return health
		}
		<-changes
	}
}

// unbound is a load balancer without a port of its own.
func unbound(group TargetGroup) Config {
	config := single([]Rule{forwardTo(group.ID)}, group)
	config.LoadBalancers[0].Listeners[0].Bind = ""
	return config
}

func closeNow(t *testing.T, p *Plane) {
	t.Helper()
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// pipeDial dials targets that exist in memory alone: answer says with which code, and whether anybody listens.
func pipeDial(answer func() (code int, up bool)) dialer {
	return func(context.Context, string, string) (net.Conn, error) {
		code, up := answer()
		if !up {
			return nil, &net.OpError{Op: "dial", Err: io.ErrClosedPipe}
		}
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			if request, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
				(&http.Response{StatusCode: code, ProtoMajor: 1, ProtoMinor: 1, Request: request, Close: true}).Write(far)
			}
		}()
		return near, nil
	}
}

func TestHealthCheckGoesToItsOwnPathAndPort(t *testing.T) {
	t.Parallel()
	paths := make(chan string, 100)
	checks := backend(t, func(w http.ResponseWriter, r *http.Request) {
		paths <- r.URL.Path + " " + r.UserAgent()
		w.WriteHeader(204)
	})
	_, port, _ := net.SplitHostPort(checks)
	group := groupOf("g", "127.0.0.1:1")
	group.HealthCheck = HealthCheck{Path: "/ready", Port: port, Matcher: "200-299"}
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	await(t, p, "g", allHealthy)
	if path := <-paths; path != "/ready ELB-HealthChecker/2.0" {
		t.Errorf("checked by %s", path)
	}
}

func TestStatesWithoutChecks(t *testing.T) {
	t.Parallel()
	p := start(t)
	unused, unchecked := groupOf("unused", says(t, "x")), groupOf("unchecked", says(t, "x"))
	unchecked.HealthCheck.Disabled = true
	apply(t, p, single([]Rule{forwardTo("unchecked")}, unused, unchecked))
	if h := p.Health("unused")[0]; h.State != StateUnused || h.Reason != ReasonNotInUse {
		t.Errorf("told %+v", h)
	}
	if h := p.Health("unchecked")[0]; h.State != StateUnavailable || h.Reason != ReasonHealthCheckDisabled {
		t.Errorf("told %+v", h)
	}
	if _, body := get(t, p, "/"); body != "x" {
		t.Errorf("answered %q", body)
	}
	if p.Health("unknown") != nil {
		t.Error("an unknown group has health")
	}
}

func TestTargetWithoutAnAddressIsUnhealthy(t *testing.T) {
	t.Parallel()
	group := groupOf("g", "")
	group.HealthCheck = HealthCheck{UnhealthyThreshold: 1}
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	health := await(t, p, "g", func(h []TargetHealth) bool { return h[0].State == StateUnhealthy })
	if health[0].Reason != ReasonFailedHealthChecks {
		t.Errorf("told %+v", health[0])
	}
	if response, _ := get(t, p, "/"); response.StatusCode != 502 {
		t.Errorf("answered %d", response.StatusCode)
	}
}
