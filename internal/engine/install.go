package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// EnsureOptions say how Ensure goes about it.
type EnsureOptions struct {
	StateDir string    // where dockerd's log goes when it is started without systemd; made where missing
	Progress io.Writer // a line for each thing done; nil drops them
}

// Ensure finds an engine, and makes one where it can: installed but not running, it is started; not installed, on Debian
// or Ubuntu, it is installed (apt-get install docker.io) and started. Both need root. In all other cases, and where
// DOCKER_HOST or a docker context names an engine that does not answer, the error is Find's, which says what to do.
// Nothing else in this package installs or starts anything.
func Ensure(ctx context.Context, options EnsureOptions) (*Engine, error) {
	if options.Progress == nil {
		options.Progress = io.Discard
	}
	return ensure(ctx, options, thisMachine())
}

// machine is what Ensure knows of and does to the machine.
type machine struct {
	os        string
	root      bool
	osRelease string // path
	systemd   string // a directory that is there when systemd runs
	find      func(context.Context) (*Engine, error)
	lookPath  func(string) (string, error)
	run       func(ctx context.Context, output io.Writer, name string, args ...string) error
	startLog  func(path string, name string, args ...string) (exited <-chan error, err error) // detached
	waitFor   time.Duration
}

func thisMachine() machine {
	return machine{
		os: runtime.GOOS, root: os.Geteuid() == 0, osRelease: "/etc/os-release", systemd: "/run/systemd/system",
		find: Find, lookPath: exec.LookPath, run: runCommand, startLog: startDetached, waitFor: time.Minute,
	}
}

func ensure(ctx context.Context, options EnsureOptions, m machine) (*Engine, error) {
	found, err := m.find(ctx)
	var none *NoEngineError
	if err == nil || !errors.As(err, &none) || none.wasNamed() || m.os != "linux" || !m.root {
		return found, err
	}
	if _, lookErr := m.lookPath("dockerd"); lookErr != nil {
		if !m.isDebian() {
			return nil, err
		}
		if err := m.install(ctx, options.Progress); err != nil {
			return nil, err
		}
		if found, err := m.find(ctx); err == nil {
			return found, nil // the package starts it where there is systemd
		}
	}
	return m.start(ctx, options)
}

// wasNamed says whether the user chose an engine; then no other will do.
func (e *NoEngineError) wasNamed() bool {
	return slices.ContainsFunc(e.Attempts, func(a Attempt) bool { return a.Named != "" })
}

// isDebian reads https://www.freedesktop.org/software/systemd/man/latest/os-release.html.
func (m machine) isDebian() bool {
	text, err := os.ReadFile(m.osRelease)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		families := strings.Fields(strings.Trim(value, `"'`))
		if (name == "ID" || name == "ID_LIKE") && (slices.Contains(families, "debian") || slices.Contains(families, "ubuntu")) {
			return true
		}
	}
	return false
}

func (m machine) install(ctx context.Context, progress io.Writer) error {
	for _, args := range [][]string{
		{"update", "-q"},
		{"install", "-q", "-y", "--no-install-recommends", "docker.io", "iptables", "ca-certificates"},
	} {
		fmt.Fprintf(progress, "apt-get %s\n", strings.Join(args, " "))
		var output bytes.Buffer
		if err := m.run(ctx, &output, "apt-get", args...); err != nil {
			return fmt.Errorf("install a container engine: apt-get %s: %w\n%s", args[0], err, lastLines(output.String(), 10))
		}
	}
	return nil
}

// start starts the installed dockerd and waits until it answers.
func (m machine) start(ctx context.Context, options EnsureOptions) (*Engine, error) {
	if _, err := os.Stat(m.systemd); err == nil {
		fmt.Fprintln(options.Progress, "systemctl start docker")
		var output bytes.Buffer
		if err := m.run(ctx, &output, "systemctl", "start", "docker"); err != nil {
			return nil, fmt.Errorf("start the container engine: systemctl start docker: %w\n%s", err, lastLines(output.String(), 10))
		}
		return m.await(ctx, nil, "journalctl -u docker")
	}
	if err := os.MkdirAll(options.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("start the container engine: %w", err)
	}
	log := filepath.Join(options.StateDir, "dockerd.log")
	fmt.Fprintf(options.Progress, "dockerd (log: %s)\n", log)
	exited, err := m.startLog(log, "dockerd")
	if err != nil {
		return nil, fmt.Errorf("start the container engine: %w", err)
	}
	return m.await(ctx, exited, log)
}

// await asks for the engine until it answers, exits, or has had its time.
func (m machine) await(ctx context.Context, exited <-chan error, log string) (*Engine, error) {
	ctx, cancel := context.WithTimeout(ctx, m.waitFor)
	defer cancel()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		if found, err := m.find(ctx); err == nil {
			return found, nil
		}
		select {
		case err := <-exited:
			text, _ := os.ReadFile(log) // an unreadable log has no last lines
			return nil, fmt.Errorf("the container engine did not start: dockerd ended (%w); its log %s ends:\n%s", err, log, lastLines(string(text), 10))
		case <-ctx.Done():
			return nil, fmt.Errorf("the container engine was started, but does not answer after %v; see %s: %w", m.waitFor, log, ctx.Err())
		case <-ticker.C:
		}
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func runCommand(ctx context.Context, output io.Writer, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	command.Stdout, command.Stderr = output, output
	return command.Run()
}

// startDetached starts a program that outlives this one, in a session of its own, its output going to a file.
func startDetached(log, name string, args ...string) (<-chan error, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	command := exec.Command(name, args...)
	command.Stdout, command.Stderr = file, file
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return nil, err
	}
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()
	return exited, nil
}
