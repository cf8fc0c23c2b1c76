package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

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
