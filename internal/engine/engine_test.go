package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

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
