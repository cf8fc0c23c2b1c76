package logs

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	api "slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

const (
	maxAnswer = 1 << 20 // bytes of events in one answer
	maxEvents = 10_000  // events in one answer
	maxScan   = 50_000  // events one FilterLogEvents looks at before it hands back a token
)

// position is a place between events. Events are ordered by time, then by arrival.
type position struct{ at, id int }

func (p position) String() string { return fmt.Sprintf("%028d%028d", max(p.at, 0), max(p.id, 0)) }

func parsePosition(digits string) (p position, ok bool) {
	if len(digits) != 56 {
		return p, false
	}
	at, err1 := strconv.Atoi(digits[:28])
	id, err2 := strconv.Atoi(digits[28:])
	return position{at, id}, err1 == nil && err2 == nil && at >= 0 && id >= 0
}

// event is a stored event.
type event struct {
	position
	stream   string
	ingested int
	message  string
}

// GetLogEvents returns a stretch of one stream, oldest first. Tokens f/… and b/… lead on in either direction; at an end the
// answer holds the token it was asked with.
func (s *Service) GetLogEvents(ctx context.Context, in *api.GetLogEventsInput) (*api.GetLogEventsOutput, error) {
	name, err := groupOf(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	w, err := windowOf(in)
	if err != nil {
		return nil, err
	}
	var found []event
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, t, err := findStream(ctx, tx, name, in.LogStreamName)
		if err != nil {
			return err
		}
		found, err = w.read(tx, t.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	back, forward := w.tokens(found)
	out := &api.GetLogEventsOutput{Events: []api.OutputLogEvent{}, NextBackwardToken: &back, NextForwardToken: &forward}
	for _, e := range found {
		out.Events = append(out.Events, api.OutputLogEvent{Timestamp: &e.at, IngestionTime: &e.ingested, Message: &e.message})
	}
	return out, nil
}

// window is what a GetLogEvents asks for: events in [start, end), after or before a position.
type window struct {
	start, end int
	limit      int
	backward   bool
	from       position
}

func windowOf(in *api.GetLogEventsInput) (window, error) {
	w := window{start: wire.Value(in.StartTime), end: math.MaxInt64, limit: maxEvents, backward: !wire.Value(in.StartFromHead)}
	if in.EndTime != nil {
		w.end = *in.EndTime
	}
	if in.Limit != nil {
		w.limit = *in.Limit
	}
	if in.NextToken == nil {
		w.from = position{at: w.start}
		if w.backward {
			w.from = position{at: math.MaxInt64, id: math.MaxInt64}
		}
		return w, nil
	}
	direction, digits, _ := strings.Cut(*in.NextToken, "/")
	from, ok := parsePosition(digits)
	if !ok || direction != "f" && direction != "b" {
		return w, wire.Errorf("InvalidParameterException", "The specified nextToken is invalid.")
	}
	w.from, w.backward = from, direction == "b"
	return w, nil
}

func (w window) read(tx *store.Tx, streamID int64) (found []event, err error) {
	side, order := ">", "at, id"
	if w.backward {
		side, order = "<", "at DESC, id DESC"
	}
	rows, err := tx.Query("SELECT at, id, ingested, message FROM log_events WHERE stream = ? AND at >= ? AND at < ? AND (at, id) "+side+
		" (?, ?) ORDER BY "+order+" LIMIT ?", streamID, w.start, w.end, w.from.at, w.from.id, w.limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for bytes := 0; rows.Next(); {
		var e event
		if err := rows.Scan(&e.at, &e.id, &e.ingested, &e.message); err != nil {
			return nil, err
		}
		if bytes += eventSize(e.message); bytes > maxAnswer && len(found) > 0 {
			break
		}
		found = append(found, e)
	}
	if w.backward {
		slices.Reverse(found)
	}
	return found, rows.Err()
}

// tokens lead on from what was found. Where nothing was, the place stays: neither direction skips an event.
func (w window) tokens(found []event) (back, forward string) {
	if n := len(found); n > 0 {
		return "b/" + found[0].String(), "f/" + found[n-1].String()
	}
	if !w.backward {
		return "b/" + position{w.from.at, w.from.id + 1}.String(), "f/" + w.from.String()
	}
	if w.from.at == math.MaxInt64 {
		return "b/" + w.from.String(), "f/" + position{at: w.start}.String()
	}
	return "b/" + w.from.String(), "f/" + position{w.from.at, w.from.id - 1}.String()
}

// FilterLogEvents searches the streams of a group, interleaved in the order of time.
func (s *Service) FilterLogEvents(ctx context.Context, in *api.FilterLogEventsInput) (*api.FilterLogEventsOutput, error) {
	name, err := groupOf(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	if len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != nil {
		return nil, wire.Errorf("InvalidParameterException", "Cannot specify both logStreamNames and logStreamNamePrefix.")
	}
	match, err := ParsePattern(wire.Value(in.FilterPattern))
	if err != nil {
		return nil, err
	}
	f := search{match: match, start: wire.Value(in.StartTime), end: math.MaxInt64, limit: maxEvents}
	if in.EndTime != nil {
		f.end = *in.EndTime
	}
	if in.Limit != nil {
		f.limit = *in.Limit
	}
	f.from = position{at: f.start}
	if in.NextToken != nil {
		var ok bool
		if f.from, ok = parsePosition(*in.NextToken); !ok {
			return nil, wire.Errorf("InvalidParameterException", "The specified nextToken is invalid.")
		}
	}
	var g group
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		if g, err = findGroup(ctx, tx, name); err != nil {
			return err
		}
		streams, err := chosenStreams(tx, g.ID, in)
		if err != nil {
			return err
		}
		return f.run(tx, g.ID, streams)
	})
	if err != nil {
		return nil, err
	}
	return f.answer(g.ID), nil
}

// chosenStreams are the ids of the streams a request names; nil is every stream.
func chosenStreams(tx *store.Tx, groupID int64, in *api.FilterLogEventsInput) ([]int64, error) {
	prefix := wire.Value(in.LogStreamNamePrefix)
	if len(in.LogStreamNames) == 0 && prefix == "" {
		return nil, nil
	}
	all, err := listStreams(tx, "grp = ? AND substr(name, 1, ?) = ?", groupID, len([]rune(prefix)), prefix)
	if err != nil {
		return nil, err
	}
	byName := map[string]bool{}
	ids := []int64{}
	for _, t := range all {
		byName[t.Name] = true
		if prefix != "" || slices.Contains(in.LogStreamNames, t.Name) {
			ids = append(ids, t.ID)
		}
	}
	for _, name := range in.LogStreamNames {
		if !byName[name] {
			return nil, errNoStream
		}
	}
	return ids, nil
}

// search is one FilterLogEvents under way.
type search struct {
	match      Pattern
	start, end int
	limit      int
	from       position

	found []event
	next  *position
}

func (f *search) run(tx *store.Tx, groupID int64, streams []int64) error {
	if streams != nil && len(streams) == 0 {
		return nil
	}
	where, args := "e.grp = ?", []any{groupID}
	if len(streams) == 1 {
		where, args = "e.stream = ?", []any{streams[0]}
	} else if streams != nil {
		where += " AND e.stream IN (?" + strings.Repeat(", ?", len(streams)-1) + ")"
		for _, id := range streams {
			args = append(args, id)
		}
	}
	args = append(args, f.start, f.end, f.from.at, f.from.id)
	rows, err := tx.Query("SELECT e.at, e.id, e.ingested, e.message, t.name FROM log_events e JOIN log_streams t ON t.id = e.stream WHERE "+where+
		" AND e.at >= ? AND e.at <= ? AND (e.at, e.id) > (?, ?) ORDER BY e.at, e.id", args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	bytes := 0
	last := f.from
	for scanned := 0; rows.Next(); scanned++ {
		if len(f.found) == f.limit || scanned == maxScan || bytes > maxAnswer {
			f.next = &last
			break
		}
		var e event
		if err := rows.Scan(&e.at, &e.id, &e.ingested, &e.message, &e.stream); err != nil {
			return err
		}
		last = e.position
		if f.match.Match(e.message) {
			bytes += eventSize(e.message)
			f.found = append(f.found, e)
		}
	}
	return rows.Err()
}

func (f *search) answer(groupID int64) *api.FilterLogEventsOutput {
	out := &api.FilterLogEventsOutput{Events: []api.FilteredLogEvent{}, SearchedLogStreams: []api.SearchedLogStream{}}
	for _, e := range f.found {
		out.Events = append(out.Events, api.FilteredLogEvent{EventId: new(eventID(groupID, e.position)), LogStreamName: &e.stream,
			Timestamp: &e.at, IngestionTime: &e.ingested, Message: &e.message})
	}
	if f.next != nil {
		out.NextToken = new(f.next.String())
	}
	return out
}

// eventID is 56 digits that no other event of the twin has and that grow with time.
func eventID(groupID int64, p position) string {
	return fmt.Sprintf("3%015d%020d%020d", p.at, groupID, p.id)
}
