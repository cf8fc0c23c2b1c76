package engine

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"
)

// testLabel marks everything these tests make, testRun what this run of them made.
const testLabel = "dev.slipway.test"

var testRun = "engine-" + strings.ToLower(rand.Text()[:10])

// program is testdata/program, built for containers.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "slipway-engine-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "program")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "./testdata/program")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the test program: %v\n%s", err, output)
		os.Exit(1)
	}
	code := m.Run()
	removeEverything()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// removeEverything takes away the image all tests share, and what failed builds left on top of it.
func removeEverything() {
	e, err := shared.engine()
	if err != nil {
		return
	}
	images, err := e.api.ImageList(context.Background(), client.ImageListOptions{All: true, Filters: labelFilters(labels())})
	for _, image := range images.Items {
		err = errors.Join(err, e.RemoveImage(context.Background(), image.ID, true))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "clean up:", err)
	}
}

// shared is the engine and the test image, had once.
var shared sharedEngine

type sharedEngine struct {
	find, build sync.Once
	found       *Engine
	err         error
	buildErr    error
}

func (s *sharedEngine) engine() (*Engine, error) {
	s.find.Do(func() { s.found, s.err = Find(context.Background()) })
	return s.found, s.err
}

func (s *sharedEngine) image() string { return "localhost/slipway-test:" + testRun }

// testEngine gives the engine, or skips the test where there is none, unless SLIPWAY_REQUIRE_ENGINE asks for one.
func testEngine(t *testing.T) *Engine {
	t.Helper()
	e, err := shared.engine()
	if err == nil {
		return e
	}
	if os.Getenv("SLIPWAY_REQUIRE_ENGINE") == "1" {
		t.Fatal(err)
	}
	t.Skip("needs a container engine: ", err)
	return nil
}

// testImage is the image of the test program, built on first use.
func testImage(t *testing.T, e *Engine) string {
	t.Helper()
	shared.build.Do(func() {
		dir := filepath.Join(filepath.Dir(program), "context")
		shared.buildErr = errors.Join(
			os.MkdirAll(dir, 0o755),
			copyTo(filepath.Join(dir, "program"), program),
			os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCOPY program /program\nENTRYPOINT [\"/program\"]\nEXPOSE 8080 53/udp\nENV GREETING=hello\n"), 0o600))
		if shared.buildErr == nil {
			_, shared.buildErr = e.Build(context.Background(), Build{Dir: dir, Tags: []string{shared.image()}, Labels: labels()})
		}
	})
	if shared.buildErr != nil {
		t.Fatal(shared.buildErr)
	}
	return shared.image()
}

func copyTo(target, source string) error {
	content, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	return os.WriteFile(target, content, 0o755)
}

func labels() map[string]string { return map[string]string{testLabel: testRun} }

func testName(t *testing.T) string {
	return strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")) + "-" + testRun
}

// create makes a container of the test image that is removed with the test.
func create(t *testing.T, e *Engine, spec Spec) string {
	t.Helper()
	if spec.Name == "" {
		spec.Name = testName(t)
	}
	if spec.Image == "" {
		spec.Image = testImage(t, e)
	}
	if spec.Labels == nil {
		spec.Labels = labels()
	}
	id, err := e.Create(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Remove(context.Background(), id, true); err != nil {
			t.Error(err)
		}
	})
	return id
}

func start(t *testing.T, e *Engine, spec Spec) string {
	t.Helper()
	id := create(t, e, spec)
	if err := e.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	return id
}

// finish runs a container to its end.
func finish(t *testing.T, e *Engine, spec Spec) (id string, exitCode int) {
	t.Helper()
	id = start(t, e, spec)
	code, err := e.Wait(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return id, code
}

// awaitLine reads a container's output until a line comes.
func awaitLine(t *testing.T, e *Engine, id, text string) {
	t.Helper()
	for line, err := range e.Logs(t.Context(), id, LogPosition{}, true) {
		if err != nil {
			t.Fatal(err)
		}
		if line.Text == text {
			return
		}
	}
	t.Fatalf("the container ended without saying %q", text)
}

func inspect(t *testing.T, e *Engine, id string) State {
	t.Helper()
	state, err := e.Inspect(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func collect(t *testing.T, e *Engine, id string, after LogPosition) []LogLine {
	t.Helper()
	var lines []LogLine
	for line, err := range e.Logs(t.Context(), id, after, false) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestInfoNamesTheEngine(t *testing.T) {
	t.Parallel()
	info, err := testEngine(t).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.Name != "Docker" && info.Name != "Podman" {
		t.Errorf("name %q", info.Name)
	}
	if info.Version == "" || info.APIVersion == "" || info.OS != "linux" || info.NCPU < 1 || info.MemoryBytes < 1<<20 {
		t.Errorf("incomplete: %+v", info)
	}
	if info.Arch != "amd64" && info.Arch != "arm64" {
		t.Errorf("architecture %q is not Go's spelling", info.Arch)
	}
}

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

func TestExec(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	id := start(t, e, Spec{Command: []string{"term"}})
	var stdout, stderr bytes.Buffer
	code, err := e.Exec(t.Context(), id, Exec{
		Command: []string{"/program", "cat", "err=oops", "env=WHO", "exit=9"}, Env: []string{"WHO=me"},
		Stdin: strings.NewReader("in\n"), Stdout: &stdout, Stderr: &stderr,
	})
	if code != 9 || err != nil || stdout.String() != "in\nme\n" || stderr.String() != "oops\n" {
		t.Errorf("exit code %d, %v, stdout %q, stderr %q", code, err, &stdout, &stderr)
	}
	if code, err := e.Exec(t.Context(), id, Exec{Command: []string{"/absent"}}); err != nil || code != 126 && code != 127 {
		t.Errorf("a command that is not there: %d, %v", code, err)
	}
	if err := e.Stop(t.Context(), id, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Exec(t.Context(), id, Exec{Command: []string{"/program"}}); !errors.Is(err, ErrConflict) {
		t.Errorf("in a stopped container: %v", err)
	}
}

func TestExecWithATerminalFollowsItsSize(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	id := start(t, e, Spec{Command: []string{"term"}})
	typed, stdin := io.Pipe()
	screen, stdout := io.Pipe()
	resize := make(chan WindowSize)
	done := make(chan error, 1)
	go func() {
		code, err := e.Exec(t.Context(), id, Exec{
			Command: []string{"/program", "size"}, Stdin: typed, Stdout: stdout, TTY: true,
			Size: WindowSize{Rows: 24, Columns: 80}, Resize: resize,
		})
		if code != 0 {
			err = errors.Join(err, fmt.Errorf("exit code %d", code))
		}
		_ = stdout.Close()
		done <- err
	}()
	output := &screenText{}
	go func() { _, _ = io.Copy(output, screen) }()

	awaitSize := func(size string) {
		waitUntil(t, "the terminal is "+size, func() bool {
			_, _ = io.WriteString(stdin, "\n")
			return strings.Contains(output.String(), "size "+size)
		})
	}
	awaitSize("24x80")
	resize <- WindowSize{Rows: 50, Columns: 132}
	awaitSize("50x132")
	_, _ = io.WriteString(stdin, "end\n")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type screenText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screenText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screenText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestContainersOfATaskShareTheNetworkOfItsPause(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ref, err := e.PauseImage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, err := e.PauseImage(t.Context())
	if again != ref || err != nil {
		t.Errorf("the second time %q, %v", again, err)
	}
	network := testNetwork(t, e, NetworkSpec{})
	pause := start(t, e, Spec{Name: testName(t) + "-pause", Image: ref, Network: network.Name, Aliases: []string{"web.internal"}, Ports: []Port{{Container: 8080}}})
	start(t, e, Spec{Name: testName(t) + "-web", NetworkContainer: pause, Command: []string{"serve=8080"}})

	state := inspect(t, e, pause)
	port, ok := state.HostPort(8080, "tcp")
	if !ok || state.Networks[network.Name] == "" {
		t.Fatalf("%+v", state)
	}
	if got := get(t, port.Host); !strings.HasPrefix(got, "hello") {
		t.Errorf("through the pause container's port: %q", got)
	}
	client, code := finish(t, e, Spec{Name: testName(t) + "-client", Network: network.Name, Command: []string{"get=http://web.internal:8080/"}})
	if code != 0 {
		t.Errorf("by name on the network: %v", collect(t, e, client, LogPosition{}))
	}
	if err := e.Stop(t.Context(), pause, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	if state := inspect(t, e, pause); state.ExitCode != 0 {
		t.Errorf("the pause program did not take SIGTERM: exit code %d", state.ExitCode)
	}
}

func testNetwork(t *testing.T, e *Engine, spec NetworkSpec) Network {
	t.Helper()
	spec.Name, spec.Labels = testName(t), labels()
	network, err := e.EnsureNetwork(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.RemoveNetwork(context.Background(), network.ID); err != nil {
			t.Error(err)
		}
	})
	return network
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	network := testNetwork(t, e, NetworkSpec{Internal: true})
	if network.ID == "" || network.Subnet == "" || network.Gateway == "" {
		t.Errorf("%+v", network)
	}
	again, err := e.EnsureNetwork(t.Context(), NetworkSpec{Name: network.Name, Labels: labels()})
	if err != nil || again.ID != network.ID {
		t.Errorf("the second time %+v, %v", again, err)
	}
	if _, err := e.EnsureNetwork(t.Context(), NetworkSpec{Name: network.Name, Labels: map[string]string{testLabel: "other"}}); !errors.Is(err, ErrConflict) {
		t.Errorf("with other labels: %v", err)
	}
	list, err := e.Networks(t.Context(), labels())
	if err != nil || !slices.ContainsFunc(list, func(n Network) bool { return n.ID == network.ID }) {
		t.Errorf("%+v, %v", list, err)
	}

	id := start(t, e, Spec{Command: []string{"term"}})
	for range 2 { // connecting is idempotent
		if err := e.ConnectNetwork(t.Context(), network.ID, id, "other.name"); err != nil {
			t.Fatal(err)
		}
	}
	if inspect(t, e, id).Networks[network.Name] == "" {
		t.Error("not connected")
	}
	if err := e.RemoveNetwork(t.Context(), network.ID); !errors.Is(err, ErrConflict) {
		t.Errorf("removal while in use: %v", err)
	}
	for range 2 {
		if err := e.DisconnectNetwork(t.Context(), network.ID, id); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMountsAndVolumes(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	volume := testName(t)
	for range 2 {
		if err := e.EnsureVolume(t.Context(), volume, labels()); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := e.RemoveVolume(context.Background(), volume); err != nil {
			t.Error(err)
		}
	})
	id, code := finish(t, e, Spec{
		Command:        []string{"exists=/bound/file", "exists=/volume", "exists=/scratch"},
		Mounts:         []Mount{{Bind: dir, Target: "/bound", ReadOnly: true}, {Volume: volume, Target: "/volume"}},
		Tmpfs:          map[string]string{"/scratch": "size=1m"},
		ReadonlyRootFS: true, CapDrop: []string{"ALL"}, Ulimits: []Ulimit{{Name: "nofile", Soft: 100, Hard: 200}}, Init: true,
	})
	if code != 0 {
		t.Errorf("exit code %d: %v", code, collect(t, e, id, LogPosition{}))
	}
	if names, err := e.Volumes(t.Context(), labels()); err != nil || !slices.Contains(names, volume) {
		t.Errorf("%v, %v", names, err)
	}
	if err := e.RemoveVolume(t.Context(), volume); !errors.Is(err, ErrConflict) {
		t.Errorf("removal while in use: %v", err)
	}
}
