package engine

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAContainerFromCreationToRemoval(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	id := create(t, e, Spec{Command: []string{"out=one", "exit=3"}, Env: []string{"A=b"}})
	if state := inspect(t, e, id); state.Status != StatusCreated || !state.StartedAt.IsZero() || state.Health.Status != HealthNone {
		t.Errorf("before the start: %+v", state)
	}
	if err := e.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if code, err := e.Wait(t.Context(), id); code != 3 || err != nil {
		t.Fatalf("exit code %d, %v", code, err)
	}
	state := inspect(t, e, id)
	if state.Status != StatusExited || state.ExitCode != 3 || state.FinishedAt.Before(state.StartedAt) || state.Running() {
		t.Errorf("after the exit: %+v", state)
	}
	if state.Name != testName(t) || state.Labels[testLabel] != testRun || !strings.HasPrefix(state.ImageID, "sha256:") {
		t.Errorf("identity: %+v", state)
	}
	for range 2 { // removing is idempotent
		if err := e.Remove(t.Context(), id, false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Inspect(t.Context(), id); !errors.Is(err, ErrNotFound) {
		t.Errorf("a removed container: %v", err)
	}
}

func TestCreateAdoptsByNameAndLabels(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	spec := Spec{Name: testName(t), Image: testImage(t, e), Labels: labels(), Command: []string{"term"}}
	first := start(t, e, spec)
	second, err := e.Create(t.Context(), spec)
	if err != nil || second != first {
		t.Fatalf("repeated creation gave %q, %v; want %q", second, err, first)
	}
	if err := e.Start(t.Context(), second); err != nil {
		t.Errorf("repeated start: %v", err)
	}
	spec.Labels = map[string]string{testLabel: "somebody-else"}
	if _, err := e.Create(t.Context(), spec); !errors.Is(err, ErrConflict) {
		t.Errorf("creation with other labels: %v", err)
	}
}

func TestConcurrentCreationsMakeOneContainer(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	spec := Spec{Name: testName(t), Image: testImage(t, e), Labels: labels(), Command: []string{"term"}}
	want := create(t, e, spec)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if id, err := e.Create(t.Context(), spec); err != nil || id != want {
				t.Errorf("%q, %v", id, err)
			}
		})
	}
	wait.Wait()
}

func TestCreateWithoutTheImage(t *testing.T) {
	t.Parallel()
	_, err := testEngine(t).Create(t.Context(), Spec{Name: testName(t), Image: "localhost/slipway-test/absent:1"})
	if !errors.Is(err, ErrImageNotFound) || errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestStopGivesTimeAndThenKills(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	for _, c := range []struct {
		action   string
		timeout  time.Duration
		exitCode int
	}{{"term", 30 * time.Second, 0}, {"deaf", time.Second, 137}} {
		t.Run(c.action, func(t *testing.T) {
			t.Parallel()
			id := start(t, e, Spec{Command: []string{c.action}})
			awaitLine(t, e, id, "ready")
			for range 2 { // stopping is idempotent
				if err := e.Stop(t.Context(), id, c.timeout); err != nil {
					t.Fatal(err)
				}
			}
			if state := inspect(t, e, id); state.Status != StatusExited || state.ExitCode != c.exitCode {
				t.Errorf("%s with %d, want %d", state.Status, state.ExitCode, c.exitCode)
			}
			if err := e.Kill(t.Context(), id, "SIGTERM"); !errors.Is(err, ErrConflict) {
				t.Errorf("kill of a stopped container: %v", err)
			}
		})
	}
}

func TestPortsArePublishedOnLoopback(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	id := start(t, e, Spec{Command: []string{"serve=8080"}, Hostname: "testhost", Ports: []Port{{Container: 8080}}})
	port, ok := inspect(t, e, id).HostPort(8080, "tcp")
	if !ok || port.HostIP != "127.0.0.1" {
		t.Fatalf("published %+v, %v", port, ok)
	}
	if got := get(t, port.Host); got != "hello from testhost" {
		t.Errorf("the container says %q", got)
	}

	other := create(t, e, Spec{Name: testName(t) + "-other", Command: []string{"serve=8080"}, Ports: []Port{{Container: 8080, Host: port.Host}}})
	if err := e.Start(t.Context(), other); !errors.Is(err, ErrPortTaken) {
		t.Errorf("start on a taken port: %v", err)
	}
}

// get asks until the container listens: its start is not its readiness.
func get(t *testing.T, port int) string {
	t.Helper()
	var response *http.Response
	waitUntil(t, "the container listens", func() bool {
		var err error
		response, err = http.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
		return err == nil
	})
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// waitUntil looks at what tells nobody when it changes.
func waitUntil(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.NewTimer(30*time.Second), time.NewTicker(10*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatal("waited in vain until ", what)
		case <-tick.C:
		}
	}
}

func TestOutOfMemoryIsTold(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	withCase := labels()
	withCase["case"] = "memory"
	events, err := e.Events(t.Context(), withCase)
	if err != nil {
		t.Fatal(err)
	}
	id, code := finish(t, e, Spec{Labels: withCase, Command: []string{"eat=200"}, MemoryMiB: 32})
	if code != 137 {
		t.Errorf("exit code %d", code)
	}
	if !inspect(t, e, id).OOMKilled { // Docker 20.10 misses it where the news of the exit is faster
		awaitEvent(t, events, EventOOM)
	}
}

func TestHealthCheck(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	events, err := e.Events(t.Context(), map[string]string{testLabel: testRun, "case": "health"})
	if err != nil {
		t.Fatal(err)
	}
	withCase := labels()
	withCase["case"] = "health"
	id := start(t, e, Spec{Labels: withCase, Command: []string{"term"}, HealthCheck: &HealthCheck{
		Command: []string{"CMD", "/program", "out=looked", "exists=/absent"}, Interval: 100 * time.Millisecond, Timeout: 5 * time.Second, Retries: 2,
	}})
	if state := inspect(t, e, id); state.Health.Status != HealthStarting && state.Health.Status != HealthUnhealthy {
		t.Errorf("at first %+v", state.Health)
	}
	if got := awaitEvent(t, events, EventHealth); got.Health != HealthUnhealthy || got.ID != id {
		t.Errorf("event %+v", got)
	}
	health := inspect(t, e, id).Health
	if health.Status != HealthUnhealthy || health.FailingStreak < 2 || health.ExitCode != 1 || health.Output != "looked\nno /absent" {
		t.Errorf("%+v", health)
	}
}

func awaitEvent(t *testing.T, events <-chan Event, kind EventKind) Event {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		select {
		case event, open := <-events:
			if !open {
				t.Fatalf("the events ended without %s", kind)
			}
			if event.Kind == kind {
				return event
			}
		case <-deadline:
			t.Fatalf("no event %s", kind)
		}
	}
}

func TestEventsOfALife(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	events, err := e.Events(t.Context(), map[string]string{testLabel: testRun, "case": "life"})
	if err != nil {
		t.Fatal(err)
	}
	withCase := labels()
	withCase["case"] = "life"
	id, _ := finish(t, e, Spec{Labels: withCase, Command: []string{"exit=7"}})
	if err := e.Remove(t.Context(), id, false); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []EventKind{EventStart, EventDie, EventDestroy} {
		event := <-events
		if event.Kind != kind || event.ID != id || event.Labels["case"] != "life" || event.Name != testName(t) {
			t.Errorf("got %+v, want %s of %s", event, kind, id)
		}
		if kind == EventDie && event.ExitCode != 7 {
			t.Errorf("exit code %d in %+v", event.ExitCode, event)
		}
	}
}

func TestListByLabels(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	withCase := labels()
	withCase["case"] = "list"
	running := start(t, e, Spec{Name: testName(t) + "-running", Labels: withCase, Command: []string{"term"}})
	created := create(t, e, Spec{Name: testName(t) + "-created", Labels: withCase, Command: []string{"term"}})
	list, err := e.List(t.Context(), map[string]string{testLabel: testRun, "case": "list"})
	if err != nil {
		t.Fatal(err)
	}
	status := map[string]Status{}
	for _, item := range list {
		status[item.ID] = item.Status
	}
	if len(list) != 2 || status[running] != StatusRunning || status[created] != StatusCreated {
		t.Errorf("%+v", list)
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	id := start(t, e, Spec{Command: []string{"burn"}, MemoryMiB: 64, NanoCPUs: 1e8})
	awaitLine(t, e, id, "ready")
	first, err := e.Stats(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if first.MemoryLimitBytes != 64<<20 || first.MemoryBytes == 0 || first.MemoryBytes > 64<<20 || first.OnlineCPUs < 1 || first.Pids < 1 {
		t.Errorf("%+v", first)
	}
	waitUntil(t, "CPU time grows", func() bool {
		second, err := e.Stats(t.Context(), id)
		return err == nil && second.CPUNanos > first.CPUNanos && second.ReadAt.After(first.ReadAt)
	})
	if err := e.Kill(t.Context(), id, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Wait(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if usage, err := e.Stats(t.Context(), id); !errors.Is(err, ErrConflict) {
		t.Errorf("of a dead container: %+v, %v", usage, err)
	}
}
