// Package e2e_test runs the whole: the real slipway, its twin, and containers of a real engine, each test with a twin of its own.
package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"slipway.dev/internal/engine"
)

// slipway is the program under test: SLIPWAY_BIN, or built here. app is testdata/app, for the images.
var slipway, app string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "slipway-e2e-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := removeImages(); err != nil {
		fmt.Fprintln(os.Stderr, "clean up:", err)
	}
	return code
}

// removeImages takes away what the tests built of the test program, when none of them runs any more.
func removeImages() error {
	e, err := findEngine()
	if err != nil {
		return nil // nothing was built
	}
	api, err := client.New(client.WithHost(e.Host()))
	if err != nil {
		return err
	}
	defer api.Close()
	list, err := api.ImageList(context.Background(), client.ImageListOptions{})
	for _, image := range list.Items {
		for _, tag := range image.RepoTags {
			if path.Base(strings.Split(tag, ":")[strings.Count(tag, ":")-1]) == "e2e-web" {
				err = errors.Join(err, e.RemoveImage(context.Background(), tag, true))
			}
		}
	}
	return err
}

func build(dir string) error {
	app = filepath.Join(dir, "app")
	if err := goBuild(app, "./testdata/app", "GOOS=linux"); err != nil {
		return err
	}
	if slipway = os.Getenv("SLIPWAY_BIN"); slipway != "" {
		return nil
	}
	slipway = filepath.Join(dir, "slipway")
	return goBuild(slipway, "slipway.dev/cmd/slipway")
}

func goBuild(output, what string, env ...string) error {
	c := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", output, what)
	c.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if said, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", what, err, said)
	}
	return nil
}

var findEngine = sync.OnceValues(func() (*engine.Engine, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return engine.Find(ctx)
})

// docker is the engine; without one the test is skipped, unless SLIPWAY_REQUIRE_ENGINE asks for one.
func docker(t *testing.T) *engine.Engine {
	t.Helper()
	e, err := findEngine()
	if err != nil && os.Getenv("SLIPWAY_REQUIRE_ENGINE") == "1" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip("needs a container engine: ", err)
	}
	return e
}

// eventually calls a condition until it holds; the one place where these tests wait, because whole processes are watched from outside.
func eventually(t *testing.T, limit time.Duration, what string, condition func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not after %s: %v", what, limit, err)
		}
	}
}
