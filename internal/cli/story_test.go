package cli_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"slipway.dev/internal/engine"
)

// slipway is the program the stories run, built once: the real one, because it starts itself as the twin.
var slipway string

// services are programs for the images of the stories, by name; built once.
var services = map[string]string{}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "slipway-stories-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func build(dir string) error {
	slipway = filepath.Join(dir, "slipway")
	if err := goBuild(slipway, "slipway.dev/cmd/slipway", "-ldflags=-X main.version=1.2.3"); err != nil {
		return err
	}
	for _, name := range []string{"good", "better", "crashing", "sick"} {
		services[name] = filepath.Join(dir, "service-"+name)
		if err := goBuild(services[name], "./testdata/service", "-ldflags=-s -w -X main.kind="+name); err != nil {
			return err
		}
	}
	return nil
}

func goBuild(output, what string, flags ...string) error {
	command := exec.Command("go", append(append([]string{"build", "-o", output}, flags...), what)...)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", what, err, said)
	}
	return nil
}

// TestStories runs testdata/*.txtar: each a user's story told in commands. Those that need a container engine begin with
// [!engine] skip.
func TestStories(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup:         setup,
		Condition: func(condition string) (bool, error) {
			if condition == "engine" {
				return hasEngine(), nil
			}
			return false, fmt.Errorf("unknown condition %s", condition)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"service": putService,
			"get":     get,
			"bytes":   sameBytes,
		},
	})
}

var hasEngine = sync.OnceValue(func() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	docker, err := engine.Find(ctx)
	if err != nil {
		return false
	}
	return docker.Close() == nil
})

// setup gives each story its own home, so its own twin on its own port, and takes the twin down with it.
func setup(e *testscript.Env) error {
	// Not below the working directory: that is what images are built from.
	home, err := os.MkdirTemp("", "slipway-home-")
	if err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	e.Setenv("SLIPWAY_HOME", home)
	e.Setenv("ADDRESS", fmt.Sprintf("127.0.0.1:%d", port))
	e.Setenv("PATH", filepath.Dir(slipway)+string(os.PathListSeparator)+os.Getenv("PATH"))
	e.Setenv("HOME", e.WorkDir)
	for _, name := range []string{"DOCKER_HOST", "XDG_RUNTIME_DIR"} {
		e.Setenv(name, os.Getenv(name))
	}
	e.Defer(func() {
		reset := exec.Command(slipway, "twin", "reset", "--yes")
		reset.Env = append(os.Environ(), "SLIPWAY_HOME="+home)
		if said, err := reset.CombinedOutput(); err != nil {
			e.T().Log(fmt.Sprintf("reset of the story's twin: %v\n%s", err, said))
		}
		os.RemoveAll(home)
	})
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// putService copies a program to where the story's Dockerfile takes it from: service good bin/service.
func putService(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || services[args[0]] == "" {
		ts.Fatalf("usage: service good|better|crashing|sick FILE")
	}
	program, err := os.ReadFile(services[args[0]])
	ts.Check(err)
	target := ts.MkAbs(args[1])
	ts.Check(os.MkdirAll(filepath.Dir(target), 0o755))
	ts.Check(os.WriteFile(target, program, 0o755))
}

// get calls the address in a file, which may have no DNS: names below localhost are this machine.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: get FILE-WITH-URL TEXT")
	}
	url := strings.TrimSpace(ts.ReadFile(args[0]))
	body, err := fetch(url)
	if err != nil && !neg {
		ts.Fatalf("GET %s: %v", url, err)
	}
	if found := err == nil && strings.Contains(body, args[1]); found == neg {
		ts.Fatalf("GET %s answered %q (error %v), looking for %q", url, body, err, args[1])
	}
}

// sameBytes compares two folders: their files have the same names and contents.
func sameBytes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: bytes FOLDER FOLDER")
	}
	one, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	other, err := os.ReadDir(ts.MkAbs(args[1]))
	ts.Check(err)
	if len(one) == 0 || len(one) != len(other) {
		ts.Fatalf("%d files, and %d", len(one), len(other))
	}
	for i := range one {
		if one[i].Name() != other[i].Name() {
			ts.Fatalf("%s, and %s", one[i].Name(), other[i].Name())
		}
		a, b := ts.ReadFile(filepath.Join(args[0], one[i].Name())), ts.ReadFile(filepath.Join(args[1], one[i].Name()))
		if a != b {
			ts.Fatalf("%s differs", one[i].Name())
		}
	}
}

var errStatus = errors.New("not a 200")
