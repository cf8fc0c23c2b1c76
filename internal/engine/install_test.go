package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bareMachine is a machine on which everything is told and nothing done. The engine answers once it was started.
type bareMachine struct {
	machine
	told      []string
	installed bool // dockerd is on the PATH
	answersAt time.Time
	running   bool
	exited    chan error
}

func newBareMachine(t *testing.T, release string) *bareMachine {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "os-release"), []byte(release), 0o600); err != nil {
		t.Fatal(err)
	}
	b := &bareMachine{exited: make(chan error, 1)}
	b.machine = machine{
		os: "linux", root: true, osRelease: filepath.Join(dir, "os-release"), systemd: filepath.Join(dir, "absent"),
		find: b.findEngine, lookPath: b.look, run: b.runCommand, startLog: b.startDaemon, waitFor: time.Minute,
	}
	return b
}

func (b *bareMachine) findEngine(ctx context.Context) (*Engine, error) {
	if b.running && !time.Now().Before(b.answersAt) {
		return &Engine{host: "unix:///started"}, nil
	}
	return nil, &NoEngineError{os: b.os, Attempts: []Attempt{{Host: "unix:///var/run/docker.sock", Err: errNoSocket}}}
}

func (b *bareMachine) look(string) (string, error) {
	if b.installed {
		return "/usr/sbin/dockerd", nil
	}
	return "", os.ErrNotExist
}

func (b *bareMachine) runCommand(_ context.Context, output io.Writer, name string, args ...string) error {
	b.told = append(b.told, strings.Join(append([]string{name}, args...), " "))
	if name == "systemctl" {
		b.running = true
	}
	return nil
}

func (b *bareMachine) startDaemon(path, name string, args ...string) (<-chan error, error) {
	b.told = append(b.told, name)
	b.running, b.answersAt = true, time.Now().Add(3*time.Second)
	return b.exited, os.WriteFile(path, []byte("starting\nfailed to mount overlay\n"), 0o600)
}

const debian = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n"

func TestEnsureInstallsAndStarts(t *testing.T) {
	t.Parallel()
	aptUpdate, aptInstall := "apt-get update -q", "apt-get install -q -y --no-install-recommends docker.io iptables ca-certificates"
	for name, c := range map[string]struct {
		release   string
		installed bool
		systemd   bool
		want      []string
	}{
		"bare Debian":       {debian, false, false, []string{aptUpdate, aptInstall, "dockerd"}},
		"a child of Ubuntu": {"ID=pop\nID_LIKE=\"ubuntu debian\"\n", false, false, []string{aptUpdate, aptInstall, "dockerd"}},
		"installed":         {"ID=fedora\n", true, false, []string{"dockerd"}},
		"with systemd":      {debian, true, true, []string{"systemctl start docker"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBareMachine(t, c.release)
				b.installed = c.installed
				if c.systemd {
					b.systemd = t.TempDir()
				}
				var progress bytes.Buffer
				e, err := ensure(t.Context(), EnsureOptions{StateDir: t.TempDir(), Progress: &progress}, b.machine)
				if err != nil || e.Host() != "unix:///started" {
					t.Fatalf("%v, %v", e, err)
				}
				if diff := cmp.Diff(c.want, b.told); diff != "" {
					t.Error(diff)
				}
				if lines := strings.Count(progress.String(), "\n"); lines != len(c.want) {
					t.Errorf("progress: %s", &progress)
				}
			})
		})
	}
}

func TestEnsureKeepsItsHandsOff(t *testing.T) {
	t.Parallel()
	named := &NoEngineError{Attempts: []Attempt{{Named: "DOCKER_HOST", Host: "tcp://x", Err: errNoSocket}}}
	for name, change := range map[string]func(*bareMachine){
		"not root":         func(b *bareMachine) { b.root = false },
		"macOS":            func(b *bareMachine) { b.os = "darwin" },
		"Fedora":           func(b *bareMachine) { b.osRelease = "/absent" },
		"a named engine":   func(b *bareMachine) { b.find = func(context.Context) (*Engine, error) { return nil, named } },
		"one that answers": func(b *bareMachine) { b.running = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBareMachine(t, debian)
			change(b)
			_, err := ensure(t.Context(), EnsureOptions{StateDir: t.TempDir(), Progress: io.Discard}, b.machine)
			if len(b.told) > 0 || (err == nil) != b.running || err != nil && !errors.Is(err, ErrNoEngine) {
				t.Errorf("did %v, %v", b.told, err)
			}
		})
	}
}

func TestEnsureTellsWhyItFailed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*bareMachine)
		text   string
	}{
		"apt": {func(b *bareMachine) {
			b.run = func(_ context.Context, output io.Writer, _ string, _ ...string) error {
				fmt.Fprintln(output, "E: Unable to locate package docker.io")
				return errors.New("exit status 100")
			}
		}, "apt-get update: exit status 100\nE: Unable to locate package docker.io"},
		"dockerd": {func(b *bareMachine) {
			b.installed = true
			b.exited <- errors.New("exit status 1")
		}, "failed to mount overlay"},
		"time": {func(b *bareMachine) { b.installed, b.waitFor = true, time.Second }, "does not answer after 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBareMachine(t, debian)
				c.change(b)
				_, err := ensure(t.Context(), EnsureOptions{StateDir: t.TempDir(), Progress: io.Discard}, b.machine)
				if err == nil || !strings.Contains(err.Error(), c.text) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestStartDetachedKeepsTheOutput(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	exited, err := startDetached(path, "/bin/sh", "-c", "echo out; echo err >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	if err := <-exited; err == nil {
		t.Error("no exit code")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "out\nerr\n" {
		t.Errorf("log %q, %v", text, err)
	}
}
