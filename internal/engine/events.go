package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

// Events tells what happens to the containers that have all the labels given, from now on until ctx ends, which closes
// the channel. When the engine goes away the stream is taken up again by itself; the first event after that is
// EventReconnected. A consumer that does not read holds up its own stream only.
func (e *Engine) Events(ctx context.Context, labels map[string]string) (<-chan Event, error) {
	subscription := subscription{engine: e, labels: labels, filters: labelFilters(labels).Add("type", "container"), out: make(chan Event)}
	// From this moment on, not from that of the subscription: what happens while the request travels is replayed.
	subscription.since = time.Now()
	stream, err := subscription.open(ctx)
	if err != nil {
		return nil, err
	}
	go subscription.run(ctx, stream)
	return subscription.out, nil
}

// subscription is one consumer's stream of events.
type subscription struct {
	engine  *Engine
	labels  map[string]string
	filters client.Filters
	since   time.Time
	out     chan Event
}

// eventStream is one connection's worth of it.
type eventStream struct {
	client.EventsResult
	close context.CancelFunc
}

// open connects, and finds out by a ping whether the engine is there: the client's stream would tell only later.
func (s *subscription) open(ctx context.Context) (eventStream, error) {
	if err := s.engine.Ping(ctx); err != nil {
		return eventStream{}, fmt.Errorf("follow the engine's events: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	since := strconv.FormatInt(s.since.Unix(), 10) + "." + fmt.Sprintf("%09d", s.since.Nanosecond())
	return eventStream{s.engine.api.Events(ctx, client.EventsListOptions{Since: since, Filters: s.filters}), cancel}, nil
}

func (s *subscription) run(ctx context.Context, stream eventStream) {
	defer close(s.out)
	for {
		s.forward(ctx, stream)
		stream.close()
		var ok bool
		if stream, ok = s.reopen(ctx); !ok {
			return
		}
		if !s.send(ctx, Event{Kind: EventReconnected, Time: time.Now()}) {
			stream.close()
			return
		}
	}
}

// forward passes events on until the connection breaks or ctx ends.
func (s *subscription) forward(ctx context.Context, stream eventStream) {
	for {
		select {
		case message := <-stream.Messages:
			s.since = time.Unix(0, message.TimeNano+1)
			if event, ok := eventOf(message); ok && s.wants(event) && !s.send(ctx, event) {
				return
			}
		case <-stream.Err: //nolint:errcheck // whatever ended the stream, the caller begins another
			return
		case <-ctx.Done():
			return
		}
	}
}

// wants looks at the labels again: Podman's filter is content with any of them.
func (s *subscription) wants(event Event) bool {
	for name, value := range s.labels {
		if event.Labels[name] != value {
			return false
		}
	}
	return true
}

func (s *subscription) send(ctx context.Context, event Event) bool {
	select {
	case s.out <- event:
		return true
	case <-ctx.Done():
		return false
	}
}

// The waits between attempts to reach an engine that went away: a restarted daemon is back within seconds.
const (
	reconnectFirst = 50 * time.Millisecond
	reconnectLast  = 2 * time.Second
)

func (s *subscription) reopen(ctx context.Context) (eventStream, bool) {
	for wait := reconnectFirst; ; wait = min(2*wait, reconnectLast) {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return eventStream{}, false
		case <-timer.C:
		}
		if stream, err := s.open(ctx); err == nil {
			return stream, true
		}
	}
}

// eventOf translates the events this package speaks of and drops the rest. Podman says died and remove where Docker
// says die and destroy.
func eventOf(message events.Message) (Event, bool) {
	action, detail, _ := strings.Cut(string(message.Action), ":")
	event := Event{ID: message.Actor.ID, Name: message.Actor.Attributes["name"], Labels: message.Actor.Attributes, Time: time.Unix(0, message.TimeNano)}
	switch action {
	case "start":
		event.Kind = EventStart
	case "die", "died":
		event.Kind = EventDie
		event.ExitCode = exitCodeOf(message.Actor.Attributes)
	case "oom":
		event.Kind = EventOOM
	case "destroy", "remove":
		event.Kind = EventDestroy
	case "health_status":
		event.Kind = EventHealth
		event.Health = HealthStatus(strings.TrimSpace(detail))
		if detail == "" {
			event.Health = HealthStatus(message.Actor.Attributes["health_status"])
		}
	default:
		return Event{}, false
	}
	return event, true
}

func exitCodeOf(attributes map[string]string) int {
	for _, name := range []string{"exitCode", "containerExitCode"} {
		if code, err := strconv.Atoi(attributes[name]); err == nil {
			return code
		}
	}
	return 0
}
