package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// relay stands between a client and the engine, and can be cut as if the daemon had died.
type relay struct {
	path, behind string
	mu           sync.Mutex
	listener     net.Listener
	open         []net.Conn
}

func newRelay(t *testing.T, e *Engine) *relay {
	t.Helper()
	behind, ok := strings.CutPrefix(e.Host(), "unix://")
	if !ok {
		t.Skip("the engine is not on a socket")
	}
	dir, err := os.MkdirTemp("", "relay") // a socket's path may have 108 bytes only
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{path: filepath.Join(dir, "s"), behind: behind}
	r.listen(t)
	t.Cleanup(func() { r.cut(); _ = os.RemoveAll(dir) })
	return r
}

func (r *relay) listen(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("unix", r.path)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.listener = listener
	r.mu.Unlock()
	go func() {
		for {
			front, err := listener.Accept()
			if err != nil {
				return
			}
			r.join(front)
		}
	}()
}

func (r *relay) join(front net.Conn) {
	back, err := net.Dial("unix", r.behind)
	if err != nil {
		_ = front.Close()
		return
	}
	r.mu.Lock()
	r.open = append(r.open, front, back)
	r.mu.Unlock()
	go func() { _, _ = io.Copy(back, front); _ = back.Close() }()
	go func() { _, _ = io.Copy(front, back); _ = front.Close() }()
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.listener.Close()
	for _, connection := range r.open {
		_ = connection.Close()
	}
	r.open = nil
}

func TestEventsOutliveTheConnection(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	r := newRelay(t, e)
	through, err := Dial(t.Context(), "unix://"+r.path)
	if err != nil {
		t.Fatal(err)
	}
	withCase := labels()
	withCase["case"] = "relay"
	ctx, cancel := context.WithCancel(t.Context())
	events, err := through.Events(ctx, withCase)
	if err != nil {
		t.Fatal(err)
	}
	id := start(t, e, Spec{Labels: withCase, Command: []string{"term"}})
	awaitEvent(t, events, EventStart)

	r.cut()
	if _, err := through.Inspect(t.Context(), id); !errors.Is(err, ErrEngineGone) {
		t.Errorf("inspect without a daemon: %v", err)
	}
	if _, err := through.Events(t.Context(), nil); !errors.Is(err, ErrEngineGone) {
		t.Errorf("events without a daemon: %v", err)
	}
	if err := e.Stop(t.Context(), id, 30*time.Second); err != nil { // while nobody listens
		t.Fatal(err)
	}
	r.listen(t)
	if event := <-events; event.Kind != EventReconnected {
		t.Errorf("first after the gap: %+v", event)
	}
	if event := awaitEvent(t, events, EventDie); event.ID != id {
		t.Errorf("what happened in the gap: %+v", event)
	}
	cancel()
	for range events { // closed, or the test hangs
	}
}

func TestADaemonThatDiesMidway(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	r := newRelay(t, e)
	through, err := Dial(t.Context(), "unix://"+r.path)
	if err != nil {
		t.Fatal(err)
	}
	id := start(t, e, Spec{Command: []string{"term"}})
	awaitLine(t, e, id, "ready")

	executed := make(chan error, 1)
	ready := &signalled{at: "ready", seen: make(chan struct{})}
	go func() {
		_, err := through.Exec(t.Context(), id, Exec{Command: []string{"/program", "term"}, Stdout: ready})
		executed <- err
	}()
	waited := make(chan error, 1)
	go func() { _, err := through.Wait(t.Context(), id); waited <- err }()
	<-ready.seen
	var logErr error
	for line, err := range through.Logs(t.Context(), id, LogPosition{}, true) {
		if err != nil {
			logErr = err
		} else if line.Text == "ready" {
			r.cut()
		}
	}
	for what, err := range map[string]error{"exec": <-executed, "wait": <-waited, "logs": logErr, "ping": through.Ping(t.Context())} {
		if !errors.Is(err, ErrEngineGone) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// signalled is a writer that tells when a text came.
type signalled struct {
	at   string
	seen chan struct{}
	once sync.Once
}

func (s *signalled) Write(p []byte) (int, error) {
	if strings.Contains(string(p), s.at) {
		s.once.Do(func() { close(s.seen) })
	}
	return len(p), nil
}
