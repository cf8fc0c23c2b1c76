package engine

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/moby/moby/client"
)

// Logs yields the lines a container has written after a position, and with follow those it goes on to write, until it
// exits or ctx ends. An error is the last thing yielded; the end of ctx is one. Keep LogLine.After of the last line
// taken: Logs from there, in this process or the next, goes on without losing or doubling a line.
//
// A line longer than 1 MiB (8 KiB with Podman) comes in pieces, and so does one that the other stream writes into.
func (e *Engine) Logs(ctx context.Context, id string, after LogPosition, follow bool) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		body, tty, err := e.openLogs(ctx, id, after, follow)
		if err != nil {
			yield(LogLine{}, err)
			return
		}
		defer body.Close()
		reader := logReader{position: after, skip: after}
		enough := false // a consumer that has stopped must not be given anything more, not even an error
		err = reader.read(bufio.NewReader(body), tty, func(line LogLine) bool {
			enough = enough || !yield(line, nil)
			return !enough
		})
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if err != nil && !enough {
			yield(LogLine{}, failure("read the output of container", id, err))
		}
	}
}

func (e *Engine) openLogs(ctx context.Context, id string, after LogPosition, follow bool) (body io.ReadCloser, tty bool, err error) {
	inspected, err := e.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, false, failure("read the output of container", id, err)
	}
	options := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: follow}
	if !after.Time.IsZero() {
		options.Since = fmt.Sprintf("%d.%09d", after.Time.Unix(), after.Time.Nanosecond())
	}
	body, err = e.api.ContainerLogs(ctx, id, options)
	tty = inspected.Container.Config != nil && inspected.Container.Config.Tty
	return body, tty, failure("read the output of container", id, err)
}

var errConsumerDone = errors.New("the consumer has enough")

// lineLimit bounds how much of a line without an end is kept in memory.
const lineLimit = 1 << 20

// logReader turns the engine's log entries into lines. The engine cuts long lines into entries of 16 KiB, each with its
// own timestamp, only the last of which ends in a line feed.
type logReader struct {
	skip     LogPosition // entries up to here were read before: the engine's "since" includes its moment
	position LogPosition // of the last entry taken
	partial  LogLine     // pieces of a line whose end has not come
}

func (r *logReader) read(from *bufio.Reader, tty bool, yield func(LogLine) bool) error {
	next := multiplexedEntry
	if tty {
		next = rawEntry
	}
	for {
		stream, entry, err := next(from)
		if errors.Is(err, io.EOF) {
			return r.flush(yield)
		}
		if err != nil {
			return errors.Join(err, r.flush(yield))
		}
		if err := r.take(stream, entry, yield); err != nil {
			return err
		}
	}
}

// multiplexedEntry reads one frame: a byte of stream, three of padding, four of length, and the entry
// (https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach).
func multiplexedEntry(from *bufio.Reader) (Stream, string, error) {
	var header [8]byte
	if _, err := io.ReadFull(from, header[:]); err != nil {
		return "", "", err
	}
	size := binary.BigEndian.Uint32(header[4:])
	if size > 2*lineLimit {
		return "", "", fmt.Errorf("a log entry of %d bytes: not a log stream", size)
	}
	entry := make([]byte, size)
	if _, err := io.ReadFull(from, entry); err != nil {
		return "", "", io.ErrUnexpectedEOF
	}
	switch header[0] {
	case 0, 1:
		return Stdout, string(entry), nil
	case 2:
		return Stderr, string(entry), nil
	case 3:
		return "", "", fmt.Errorf("the engine broke off: %s", entry)
	}
	return "", "", fmt.Errorf("unknown stream %d in the log", header[0])
}

// rawEntry reads an entry of a container with a TTY, which has no frames.
func rawEntry(from *bufio.Reader) (Stream, string, error) {
	line, err := from.ReadString('\n')
	if line != "" && errors.Is(err, io.EOF) {
		err = nil
	}
	return Stdout, line, err
}

// take adds an entry: "<RFC 3339 timestamp> text".
func (r *logReader) take(stream Stream, entry string, yield func(LogLine) bool) error {
	stamp, text, _ := strings.Cut(entry, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return fmt.Errorf("timestamp of a log entry: %w", err)
	}
	if r.isRepeated(at) {
		return nil
	}
	if r.partial.Stream != "" && r.partial.Stream != stream {
		if err := r.flush(yield); err != nil {
			return err
		}
	}
	r.advance(at)
	if r.partial.Stream == "" {
		r.partial = LogLine{Time: at, Stream: stream}
	}
	ended := strings.HasSuffix(text, "\n")
	r.partial.Text += strings.TrimSuffix(text, "\n")
	r.partial.After = r.position
	if ended || len(r.partial.Text) >= lineLimit {
		return r.flush(yield)
	}
	return nil
}

// isRepeated recognises what had been read before the position this reading began after.
func (r *logReader) isRepeated(at time.Time) bool {
	if at.Before(r.skip.Time) {
		return true
	}
	if at.Equal(r.skip.Time) && r.skip.Entries > 0 {
		r.skip.Entries--
		return true
	}
	return false
}

func (r *logReader) advance(at time.Time) {
	if !at.Equal(r.position.Time) {
		r.position = LogPosition{Time: at}
	}
	r.position.Entries++
}

// flush yields what there is of a line; a container may exit without ending its last.
func (r *logReader) flush(yield func(LogLine) bool) error {
	if r.partial.Stream == "" {
		return nil
	}
	line := r.partial
	r.partial = LogLine{}
	line.Text = strings.TrimSuffix(line.Text, "\r")
	if !yield(line) {
		return errConsumerDone
	}
	return nil
}
