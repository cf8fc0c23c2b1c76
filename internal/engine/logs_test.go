package engine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func texts(lines []LogLine) []string {
	var list []string
	for _, line := range lines {
		list = append(list, string(line.Stream)+" "+line.Text)
	}
	return list
}

func TestLogsTellTheStreams(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	id, _ := finish(t, e, Spec{Command: []string{"out=one", "err=two", "long=40000", "unended=last"}, LogMaxSize: 1 << 20})
	got := collect(t, e, id, LogPosition{})
	byStream := map[Stream][]string{}
	for _, line := range got {
		byStream[line.Stream] = append(byStream[line.Stream], line.Text)
		if line.Time.IsZero() {
			t.Errorf("%q has no time", line.Text)
		}
	}
	want := map[Stream][]string{Stdout: {"one", strings.Repeat("x", 40000), "last"}, Stderr: {"two"}}
	if diff := cmp.Diff(want, byStream); diff != "" {
		t.Error(diff)
	}
}

func TestLogsGoOnFromEveryLine(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	id, _ := finish(t, e, Spec{Command: []string{"lines=200"}})
	all := collect(t, e, id, LogPosition{})
	if len(all) != 200 {
		t.Fatalf("%d lines", len(all))
	}
	for i := 0; i < len(all); i += 17 {
		rest := collect(t, e, id, all[i].After)
		if diff := cmp.Diff(texts(all[i+1:]), texts(rest)); diff != "" {
			t.Errorf("after line %d: %s", i, diff)
		}
	}
}

func TestLogsFollowAndAreBrokenOff(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	id := start(t, e, Spec{Command: []string{"term"}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for line, err := range e.Logs(ctx, id, LogPosition{}, true) {
		if err == nil && line.Text == "ready" {
			cancel()
		}
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("ended with %v", last)
	}

	stopped := make(chan error, 1)
	var got []string
	for line, err := range e.Logs(t.Context(), id, LogPosition{}, true) {
		if err != nil {
			t.Fatal(err)
		}
		if line.Text == "ready" {
			go func() { stopped <- e.Stop(context.Background(), id, 30*time.Second) }()
		}
		got = append(got, line.Text)
	}
	if diff := cmp.Diff([]string{"ready", "terminated"}, got); diff != "" {
		t.Error(diff)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestLogsOfATerminal(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	id, _ := finish(t, e, Spec{Command: []string{"out=one", "err=two"}, TTY: true})
	if diff := cmp.Diff([]string{"stdout one", "stdout two"}, texts(collect(t, e, id, LogPosition{}))); diff != "" {
		t.Error(diff)
	}
}

func TestLogsOfNoContainer(t *testing.T) {
	t.Parallel()
	for _, err := range testEngine(t).Logs(t.Context(), "absent-"+testRun, LogPosition{}, true) {
		if !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		return
	}
	t.Error("no error")
}

// entry is a log entry as an engine frames it.
type entry struct {
	stream byte
	nanos  int
	text   string
}

func frames(entries []entry) *bufio.Reader {
	var b bytes.Buffer
	for _, e := range entries {
		text := time.Unix(0, int64(e.nanos)).UTC().Format(time.RFC3339Nano) + " " + e.text
		b.Write([]byte{e.stream, 0, 0, 0})
		b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
		b.WriteString(text)
	}
	return bufio.NewReader(&b)
}

func readEntries(t *testing.T, entries []entry, after LogPosition) []LogLine {
	t.Helper()
	var lines []LogLine
	reader := logReader{position: after, skip: after}
	if err := reader.read(frames(entries), false, func(l LogLine) bool { lines = append(lines, l); return true }); err != nil {
		t.Fatal(err)
	}
	return lines
}

// Entries of one timestamp, a line in pieces, and a stream that writes into the other's line: wherever reading breaks
// off, it goes on without losing or doubling a byte.
func TestLogPositionsWithinOneMoment(t *testing.T) {
	t.Parallel()
	entries := []entry{
		{1, 5, "a\n"}, {1, 5, "b\n"}, {2, 5, "c\n"}, {1, 6, "d1"}, {1, 6, "d2\n"}, {1, 7, "e1"}, {2, 7, "f\n"}, {1, 7, "e2\n"}, {1, 8, ""}, {2, 9, "g"},
	}
	all := readEntries(t, entries, LogPosition{})
	want := []string{"stdout a", "stdout b", "stderr c", "stdout d1d2", "stdout e1", "stderr f", "stdout e2", "stdout ", "stderr g"}
	if diff := cmp.Diff(want, texts(all)); diff != "" {
		t.Fatal(diff)
	}
	for i, line := range all {
		var since []entry // as the engine answers: from the moment on, inclusive
		for _, e := range entries {
			if int64(e.nanos) >= line.After.Time.UnixNano() {
				since = append(since, e)
			}
		}
		if diff := cmp.Diff(want[i+1:], append([]string{}, texts(readEntries(t, since, line.After))...)); diff != "" {
			t.Errorf("after %d: %s", i, diff)
		}
	}
}

func FuzzLogEntries(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 35, '2', '0', '2', '6', '-', '0', '1', '-', '0', '1', 'T', '0', '0', ':', '0', '0', ':', '0', '0', '.', '0', '0', '0', '0', '0', '0', '0', '0', '1', 'Z', ' ', 'h', 'i', '\n'}, false)
	f.Add([]byte("2026-01-01T00:00:00.000000001Z hi\r\nnext"), true)
	f.Fuzz(func(t *testing.T, stream []byte, tty bool) {
		reader := logReader{}
		_ = reader.read(bufio.NewReader(bytes.NewReader(stream)), tty, func(l LogLine) bool {
			if strings.Contains(l.Text, "\n") && !tty && len(l.Text) == 0 {
				t.Error("an empty line with an end in it")
			}
			if l.After.Entries < 1 {
				t.Errorf("no position: %+v", l)
			}
			return true
		})
	})
}

func TestLogReaderRefusesWhatIsNoLog(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string]string{
		"unknown stream": "\x09\x00\x00\x00\x00\x00\x00\x01x",
		"too large":      "\x01\x00\x00\x00\xff\xff\xff\xff",
		"cut short":      "\x01\x00\x00\x00\x00\x00\x00\x09x",
		"no timestamp":   "\x01\x00\x00\x00\x00\x00\x00\x02hi",
		"engine's error": "\x03\x00\x00\x00\x00\x00\x00\x02hi",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reader := logReader{}
			if err := reader.read(bufio.NewReader(strings.NewReader(stream)), false, func(LogLine) bool { return true }); err == nil {
				t.Errorf("%q was read without an error", stream)
			}
		})
	}
}

// A consumer that stops because its context has ended is given nothing more, not even the end of the context.
func TestLogsGiveNothingToOneWhoHasStopped(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	id := start(t, e, Spec{Command: []string{"term"}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range e.Logs(ctx, id, LogPosition{}, true) {
		cancel()
		break
	}
}
