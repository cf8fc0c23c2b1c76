package ecs

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"slipway.dev/internal/engine"
	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// The stream of ExecuteCommand is a WebSocket at the session's StreamUrl. Its first message, of the client, is text:
// {"token": <TokenValue>, "tty": true, "rows": 24, "cols": 80}. Every later message is binary, its first byte says what it is:
//
//	0  input of the command             client → twin
//	1  standard output                  twin → client
//	2  standard error                   twin → client
//	3  the terminal's new size: rows and columns, two bytes each, big endian   client → twin
//	4  exit code, four bytes, big endian; the last message                     twin → client
//	5  end of input                     client → twin
//
// The protocol of AWS's Session Manager plugin is another one.
const (
	frameInput byte = iota
	frameOutput
	frameError
	frameSize
	frameExit
	frameEnd
)

const (
	streamPath  = "/v1/data-channel/"
	sessionLife = time.Minute // from ExecuteCommand to the connection
)

// session is a command that waits for its client.
type session struct {
	id, token string
	container string // the engine's name
	command   []string
	expires   time.Time
	service   *Service
}

// sessions are those that nobody has connected to yet. Each is used once.
type sessions struct {
	lock sync.Mutex
	open map[string]session
}

func (all *sessions) add(v session) {
	all.lock.Lock()
	defer all.lock.Unlock()
	if all.open == nil {
		all.open = map[string]session{}
	}
	for id, old := range all.open {
		if v.service.Clock.Now().After(old.expires) {
			delete(all.open, id)
		}
	}
	all.open[v.id] = v
}

func (all *sessions) take(id string) (session, bool) {
	all.lock.Lock()
	defer all.lock.Unlock()
	v, ok := all.open[id]
	delete(all.open, id)
	return v, ok && !v.service.Clock.Now().After(v.expires)
}

var errExecOff = invalidf("The execute command failed because execute command was not enabled when the task was run or the execute command agent isn’t running. Wait and try again or run a new task with execute command enabled and try again.")

// ExecuteCommand opens a session in which a command runs in a container of a running task.
func (s *Service) ExecuteCommand(ctx context.Context, in *api.ExecuteCommandInput) (*api.ExecuteCommandOutput, error) {
	if !in.Interactive {
		return nil, invalidf("Interactive is the only mode supported currently.")
	}
	command, err := words(in.Command)
	if err != nil || len(command) == 0 {
		return nil, invalidf("The command %q cannot be run: %v", in.Command, err)
	}
	var t task
	err = s.view(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		t, err = s.task(ctx, tx, in.Cluster, in.Task)
		return err
	})
	if err != nil {
		return nil, err
	}
	c, err := execTarget(t, wire.Value(in.Container))
	if err != nil {
		return nil, err
	}
	if _, err := s.docker(ctx); err != nil {
		return nil, err
	}
	v := session{id: "ecs-execute-command-" + randomHex(9), token: randomText(64), container: s.containerName(t, c.Name), command: command, expires: s.Clock.Now().Add(sessionLife), service: s}
	s.sessions.add(v)
	return &api.ExecuteCommandOutput{ClusterArn: new(operation.ARN(ctx, "ecs", "cluster/"+t.Cluster)), TaskArn: &t.ARN, ContainerArn: &c.ARN, ContainerName: &c.Name, Interactive: new(true),
		Session: &api.Session{SessionId: &v.id, TokenValue: &v.token, StreamUrl: new("ws" + strings.TrimPrefix(s.Endpoint, "http") + streamPath + v.id)}}, nil
}

func execTarget(t task, name string) (container, error) {
	switch {
	case !t.Execute:
		return container{}, errExecOff
	case t.Last != taskRunning:
		return container{}, wire.Errorf("TargetNotConnectedException", "The execute command failed due to an internal error. Try again later.")
	case name == "" && len(t.Containers) > 1:
		return container{}, invalidf("Container name must be specified when a task has more than one container.")
	case name == "":
		name = t.Containers[0].Name
	}
	c := t.container(name)
	if c == nil || c.Status != taskRunning {
		return container{}, invalidf("The container %s does not exist in the task, or does not run.", name)
	}
	return *c, nil
}

// words splits a command as a shell does, with quotes and backslashes, without anything else of a shell.
func words(text string) (list []string, err error) {
	var word strings.Builder
	var quote rune
	begun, escaped := false, false
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, begun = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if begun {
				list = append(list, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("a quote is not closed")
	}
	if begun {
		list = append(list, word.String())
	}
	return list, nil
}

// Takes picks the streams of sessions.
func (all *sessions) Takes(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, streamPath+"ecs-execute-command-")
}

func (all *sessions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v, ok := all.take(strings.TrimPrefix(r.URL.Path, streamPath))
	if !ok {
		http.Error(w, "no such session, or it has expired", http.StatusNotFound)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	status, reason := websocket.StatusNormalClosure, ""
	if err := v.serve(r.Context(), conn); err != nil {
		status, reason = websocket.StatusInternalError, strings.ToValidUTF8(err.Error()[:min(len(err.Error()), reasonLimit)], "")
	}
	_ = conn.Close(status, reason) // the client may be gone
}

// reasonLimit is what a close frame has room for, in bytes (RFC 6455 §5.5).
const reasonLimit = 123

// opening is the client's first message.
type opening struct {
	Token      string
	TTY        bool
	Rows, Cols uint
}

func (v session) serve(ctx context.Context, conn *websocket.Conn) error {
	_, first, err := conn.Read(ctx)
	if err != nil {
		return err
	}
	var o opening
	if err := json.Unmarshal(first, &o); err != nil || o.Token != v.token {
		return errors.New("the token is not that of the session")
	}
	docker, err := v.service.docker(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	input, feed := io.Pipe()
	sizes := make(chan engine.WindowSize, 1)
	go func() {
		defer cancel() // a client that goes away ends its command's connection
		feed.CloseWithError(receive(ctx, conn, feed, sizes))
	}()
	code, err := docker.Exec(ctx, v.container, engine.Exec{Command: v.command, Stdin: input, Stdout: frames{ctx, conn, frameOutput}, Stderr: frames{ctx, conn, frameError},
		TTY: o.TTY, Size: engine.WindowSize{Rows: o.Rows, Columns: o.Cols}, Resize: sizes})
	if err != nil {
		return err
	}
	return conn.Write(ctx, websocket.MessageBinary, binary.BigEndian.AppendUint32([]byte{frameExit}, uint32(code)))
}

func receive(ctx context.Context, conn *websocket.Conn, feed *io.PipeWriter, sizes chan engine.WindowSize) error {
	for {
		_, m, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if len(m) == 0 {
			continue
		}
		switch m[0] {
		case frameInput:
			if _, err := feed.Write(m[1:]); err != nil {
				return err
			}
		case frameEnd:
			_ = feed.Close() // it never fails
		case frameSize:
			if len(m) < 5 {
				return fmt.Errorf("a size has four bytes, not %d", len(m)-1)
			}
			select {
			case sizes <- engine.WindowSize{Rows: uint(binary.BigEndian.Uint16(m[1:])), Columns: uint(binary.BigEndian.Uint16(m[3:]))}:
			default: // the last one has not been taken yet; another will come
			}
		}
	}
}

// frames writes one of the command's outputs.
type frames struct {
	ctx  context.Context
	conn *websocket.Conn
	kind byte
}

func (f frames) Write(p []byte) (int, error) {
	return len(p), f.conn.Write(f.ctx, websocket.MessageBinary, slices.Concat([]byte{f.kind}, p))
}
