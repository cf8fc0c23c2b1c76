package logs

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	api "slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// The limits of a live tail session.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html
const (
	tailEvery   = time.Second
	tailEvents  = 500
	tailSession = 3 * time.Hour
)

// tails are the live tail sessions of this process. Events reach them after they have been committed.
type tails struct {
	lock sync.Mutex
	open map[*tail]bool
}

func newTails() *tails { return &tails{open: map[*tail]bool{}} }

// tail is one session: what it wants, and what has come since its last update.
type tail struct {
	groups   []string // ARNs
	streams  []string
	prefixes []string
	match    Pattern

	lock    sync.Mutex
	waiting []api.LiveTailSessionLogEvent
	sampled bool
}

func (ts *tails) add(t *tail) {
	ts.lock.Lock()
	defer ts.lock.Unlock()
	ts.open[t] = true
}

func (ts *tails) remove(t *tail) {
	ts.lock.Lock()
	defer ts.lock.Unlock()
	delete(ts.open, t)
}

// publish gives events to every session that wants them. It never blocks: a session keeps 500 events a second and is told that
// it sees a sample.
func (ts *tails) publish(groupARN, stream string, batch []api.InputLogEvent, ingested int) {
	ts.lock.Lock()
	defer ts.lock.Unlock()
	for t := range ts.open {
		if t.wants(groupARN, stream) {
			t.offer(groupARN, stream, batch, ingested)
		}
	}
}

func (t *tail) wants(groupARN, stream string) bool {
	if !slices.Contains(t.groups, groupARN) {
		return false
	}
	begins := func(prefix string) bool { return strings.HasPrefix(stream, prefix) }
	return len(t.streams)+len(t.prefixes) == 0 || slices.Contains(t.streams, stream) || slices.ContainsFunc(t.prefixes, begins)
}

func (t *tail) offer(groupARN, stream string, batch []api.InputLogEvent, ingested int) {
	t.lock.Lock()
	defer t.lock.Unlock()
	_, identifier, _ := strings.Cut(groupARN, ":log-group:")
	account := strings.Split(groupARN, ":")[4]
	for _, e := range batch {
		if !t.match.Match(e.Message) {
			continue
		}
		if len(t.waiting) == tailEvents {
			t.sampled = true
			return
		}
		t.waiting = append(t.waiting, api.LiveTailSessionLogEvent{LogGroupIdentifier: new(account + ":" + identifier), LogStreamName: &stream,
			Message: &e.Message, Timestamp: &e.Timestamp, IngestionTime: &ingested})
	}
}

// take returns what has come since the last call.
func (t *tail) take() *api.LiveTailSessionUpdate {
	t.lock.Lock()
	defer t.lock.Unlock()
	update := &api.LiveTailSessionUpdate{SessionMetadata: &api.LiveTailSessionMetadata{Sampled: new(t.sampled)}, SessionResults: t.waiting}
	if t.waiting == nil {
		update.SessionResults = []api.LiveTailSessionLogEvent{}
	}
	t.waiting, t.sampled = nil, false
	return update
}

// StartLiveTail streams events as they come: an update a second until the caller goes away or three hours have passed.
func (s *Service) StartLiveTail(ctx context.Context, in *api.StartLiveTailInput) (*api.StartLiveTailOutput, error) {
	match, err := ParsePattern(wire.Value(in.LogEventFilterPattern))
	if err != nil {
		return nil, err
	}
	if len(in.LogStreamNames) > 0 && len(in.LogStreamNamePrefixes) > 0 {
		return nil, wire.Errorf("InvalidParameterException", "Cannot specify both logStreamNames and logStreamNamePrefixes.")
	}
	if len(in.LogStreamNames)+len(in.LogStreamNamePrefixes) > 0 && len(in.LogGroupIdentifiers) > 1 {
		return nil, wire.Errorf("InvalidParameterException", "logStreamNames and logStreamNamePrefixes can be given for a single log group only.")
	}
	t := &tail{streams: in.LogStreamNames, prefixes: in.LogStreamNamePrefixes, match: match}
	if t.groups, err = s.tailGroups(ctx, in.LogGroupIdentifiers); err != nil {
		return nil, err
	}
	id := operation.CallerOf(ctx).RequestID
	start := &api.LiveTailSessionStart{LogEventFilterPattern: in.LogEventFilterPattern, LogGroupIdentifiers: in.LogGroupIdentifiers,
		LogStreamNames: in.LogStreamNames, LogStreamNamePrefixes: in.LogStreamNamePrefixes, RequestId: &id, SessionId: new(sessionID())}
	return &api.StartLiveTailOutput{ResponseStream: func(ctx context.Context, send func(api.StartLiveTailResponseStream) error) error {
		s.tails.add(t)
		defer s.tails.remove(t)
		return s.stream(ctx, t, start, send)
	}}, nil
}

// tailGroups turns identifiers into ARNs of groups that exist.
func (s *Service) tailGroups(ctx context.Context, identifiers []string) (arns []string, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, identifier := range identifiers {
			if strings.HasSuffix(identifier, "*") {
				return wire.Errorf("InvalidParameterException", "The log group identifier %s must be an ARN that does not end with *", identifier)
			}
			g, err := findGroup(ctx, tx, groupName(identifier))
			if err != nil {
				return err
			}
			arns = append(arns, groupARN(ctx, g.Name))
		}
		return nil
	})
	return arns, err
}

func sessionID() string {
	var b [16]byte
	rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (s *Service) stream(ctx context.Context, t *tail, start *api.LiveTailSessionStart, send func(api.StartLiveTailResponseStream) error) error {
	if err := send(api.StartLiveTailResponseStream{SessionStart: start}); err != nil {
		return err
	}
	end := s.Clock.After(tailSession)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			return send(api.StartLiveTailResponseStream{SessionTimeoutException: &api.SessionTimeoutException{Message: new("The session has timed out after three hours.")}})
		case <-s.Clock.After(tailEvery):
			if err := send(api.StartLiveTailResponseStream{SessionUpdate: t.take()}); err != nil {
				return err
			}
		}
	}
}
