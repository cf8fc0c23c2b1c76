package ecs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"slipway.dev/internal/engine"
	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// position is how far a container's output has been shipped. It is written together with the events, so that a process that is
// killed neither loses nor doubles a line.
type position struct{ engine.LogPosition }

var positions = &store.Table[position]{Name: "ecs_log_positions"}

// batch is how much output is sent at once, and how long a line waits for others.
const (
	batchLines = 1000
	batchBytes = 512 << 10
	batchWait  = 100 * time.Millisecond
)

// shippers are the goroutines that carry container output to CloudWatch Logs, one a container.
type shippers struct {
	lock sync.Mutex
	live map[string]chan struct{} // by container ARN, closed at the end
	all  sync.WaitGroup
}

func (p *shippers) wait() { p.all.Wait() }

// add reports whether the container had none yet.
func (p *shippers) add(arn string) (done chan struct{}, added bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.live == nil {
		p.live = map[string]chan struct{}{}
	}
	if have, ok := p.live[arn]; ok {
		return have, false
	}
	p.live[arn] = make(chan struct{})
	return p.live[arn], true
}

// finish waits until the output of a stopped task has been carried off, within reason.
func (p *shippers) finish(ctx context.Context, t task) {
	limit := time.After(10 * time.Second)
	for _, c := range t.Containers {
		p.lock.Lock()
		done, ok := p.live[c.ARN]
		p.lock.Unlock()
		if !ok {
			continue
		}
		select {
		case <-done:
			p.lock.Lock()
			delete(p.live, c.ARN)
			p.lock.Unlock()
		case <-limit:
			return
		case <-ctx.Done():
			return
		}
	}
}

// stream is where a container's output goes: "prefix/container/task", or the container's id where no prefix is given.
func stream(t task, c api.ContainerDefinition, runtime string) (group, name string, ok bool) {
	l := c.LogConfiguration
	if l == nil || l.LogDriver != "awslogs" {
		return "", "", false
	}
	if prefix := l.Options["awslogs-stream-prefix"]; prefix != "" {
		return l.Options["awslogs-group"], prefix + "/" + *c.Name + "/" + t.ID, true
	}
	return l.Options["awslogs-group"], runtime, true
}

// inRegion is the context of a container's log group, which may be in another region.
func inRegion(ctx context.Context, c api.ContainerDefinition) context.Context {
	caller := operation.CallerOf(ctx)
	return operation.AsService(ctx, principal, caller.Account, c.LogConfiguration.Options["awslogs-region"])
}

// prepareOutput makes the log stream before the container starts: without it the container must not.
func (s *Service) prepareOutput(ctx context.Context, t task, c api.ContainerDefinition) error {
	group, name, ok := stream(t, c, "")
	if !ok || name == "" {
		return nil
	}
	return s.makeStream(ctx, c, group, name)
}

func (s *Service) makeStream(ctx context.Context, c api.ContainerDefinition, group, name string) error {
	ctx = inRegion(ctx, c)
	if c.LogConfiguration.Options["awslogs-create-group"] == "true" {
		if _, err := s.logs.CreateLogGroup(ctx, &logs.CreateLogGroupInput{LogGroupName: group}); err != nil && !wire.HasCode(err, "ResourceAlreadyExistsException") {
			return initialError{fmt.Errorf("failed to validate logger args: failed to create Cloudwatch log group: %w", err)}
		}
	}
	_, err := s.logs.CreateLogStream(ctx, &logs.CreateLogStreamInput{LogGroupName: group, LogStreamName: name})
	if err != nil && !wire.HasCode(err, "ResourceAlreadyExistsException") {
		return initialError{fmt.Errorf("failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: %w : exit status 1", err)}
	}
	return nil
}

// ship has the output of a task's containers carried to CloudWatch Logs, where their definition says so.
func (s *Service) ship(ctx context.Context, docker *engine.Engine, t task, d definition) {
	for _, c := range t.Containers {
		def, ok := d.container(c.Name)
		if !ok || c.Runtime == "" || !c.Ready {
			continue
		}
		group, name, ok := stream(t, def, c.Runtime)
		if !ok {
			continue
		}
		done, added := s.shippers.add(c.ARN)
		if !added {
			continue
		}
		s.shippers.all.Go(func() {
			defer close(done)
			s.carry(inRegion(ctx, def), docker, carrying{container: c, group: group, stream: name, key: s.key(ctx, c.ARN)})
		})
	}
}

// carrying is one container's output on its way.
type carrying struct {
	container     container
	group, stream string
	key           store.Key // of its position
}

// carry sends lines until the container has ended and all of them are sent. An engine may end a stream that follows a
// container before its last line, so what is left is read once more.
func (s *Service) carry(ctx context.Context, docker *engine.Engine, to carrying) {
	for follow := true; ctx.Err() == nil; {
		err := s.carryOn(ctx, docker, to, follow)
		if err == nil && follow {
			follow = false
			continue
		}
		if err == nil || errors.Is(err, engine.ErrNotFound) {
			return
		}
		if ctx.Err() == nil {
			s.Log.Warn("container output waits", "container", to.container.Name, "group", to.group, "error", err)
		}
		if wire.HasCode(err, "ResourceNotFoundException") || s.Clock.Sleep(ctx, time.Second) != nil {
			return // nobody wants it any more
		}
	}
}

func (s *Service) carryOn(ctx context.Context, docker *engine.Engine, to carrying, follow bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var from position
	err := s.view(ctx, func(_ context.Context, tx *store.Tx) (err error) {
		from, err = positions.Get(tx, to.key)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	lines := make(chan engine.LogLine, batchLines)
	broken := make(chan error, 1)
	go func() {
		defer close(lines)
		for line, err := range docker.Logs(ctx, to.container.Runtime, from.LogPosition, follow) {
			if err != nil {
				broken <- err
				return
			}
			select {
			case lines <- line:
			case <-ctx.Done():
				return
			}
		}
	}()
	for open := true; open; {
		var lot []engine.LogLine
		lot, open = gather(lines)
		if err := s.send(ctx, to, lot); err != nil {
			return err
		}
	}
	select {
	case err := <-broken:
		return err
	default:
		return ctx.Err()
	}
}

// gather takes a first line, and those that come soon after.
func gather(lines <-chan engine.LogLine) (lot []engine.LogLine, open bool) {
	line, open := <-lines
	if !open {
		return nil, false
	}
	lot = append(lot, line)
	size := len(line.Text)
	soon := time.After(batchWait)
	for len(lot) < batchLines && size < batchBytes {
		select {
		case line, open = <-lines:
			if !open {
				return lot, false
			}
			lot, size = append(lot, line), size+len(line.Text)
		case <-soon:
			return lot, true
		}
	}
	return lot, true
}

// eventLimit is the most an event of CloudWatch Logs may be, in bytes: 256 KiB less its overhead.
const eventLimit = 256<<10 - 26

func (s *Service) send(ctx context.Context, to carrying, lot []engine.LogLine) error {
	var events []logs.InputLogEvent
	for _, line := range lot {
		text := strings.ToValidUTF8(line.Text, "\uFFFD")
		for len(text) > eventLimit {
			piece := strings.ToValidUTF8(text[:eventLimit], "")
			events = append(events, logs.InputLogEvent{Message: piece, Timestamp: int(line.Time.UnixMilli())})
			text = text[len(piece):]
		}
		if text != "" { // an event cannot be empty
			events = append(events, logs.InputLogEvent{Message: text, Timestamp: int(line.Time.UnixMilli())})
		}
	}
	if len(lot) == 0 {
		return nil
	}
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := positions.Put(tx, to.key, position{lot[len(lot)-1].After}); err != nil || len(events) == 0 {
			return err
		}
		_, err := s.logs.PutLogEvents(ctx, &logs.PutLogEventsInput{LogGroupName: to.group, LogStreamName: to.stream, LogEvents: events})
		return err
	})
}

func (s *Service) forgetOutput(ctx context.Context, tx *store.Tx, t task) error {
	for _, c := range t.Containers {
		if err := positions.Delete(tx, s.key(ctx, c.ARN)); err != nil {
			return err
		}
	}
	return nil
}
