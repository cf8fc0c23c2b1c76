package logs

import (
	"context"
	"slices"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// The limits of PutLogEvents.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
const (
	maxBatch      = 1 << 20
	eventOverhead = 26
	maxAge        = 14 * 24 * time.Hour
	maxAhead      = 2 * time.Hour
	maxSpan       = 24 * time.Hour
	insertRows    = 200
)

// sequenceToken is what every stream answers: AWS ignores sequence tokens and goes on returning them.
var sequenceToken = strings.Repeat("0", 55) + "1"

// PutLogEvents appends a batch of events to a stream. Events that are too old or too new are left out and named in the answer.
func (s *Service) PutLogEvents(ctx context.Context, in *api.PutLogEventsInput) (*api.PutLogEventsOutput, error) {
	if err := checkBatch(in.LogEvents); err != nil {
		return nil, err
	}
	out := &api.PutLogEventsOutput{NextSequenceToken: &sequenceToken}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, t, err := findStream(ctx, tx, in.LogGroupName, in.LogStreamName)
		if err != nil {
			return err
		}
		now := s.Clock.Now()
		kept, rejected := sift(in.LogEvents, now, g.Retention)
		out.RejectedLogEventsInfo = rejected
		if len(kept) == 0 {
			return nil
		}
		bytes, err := insert(tx, g.ID, t.ID, kept, now.UnixMilli())
		if err != nil {
			return err
		}
		arn := groupARN(ctx, g.Name)
		tx.AfterCommit(func() {
			s.tails.publish(arn, t.Name, kept, int(now.UnixMilli()))
			if int64(g.Bytes+bytes) > s.cap {
				s.wake.Wake()
			}
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func eventSize(message string) int { return len(message) + eventOverhead }

func checkBatch(batch []api.InputLogEvent) error {
	bytes := 0
	for _, e := range batch {
		bytes += eventSize(e.Message)
	}
	if bytes > maxBatch {
		return wire.Errorf("InvalidParameterException", "Upload too large: %d bytes exceeds limit of %d", bytes, maxBatch)
	}
	if !slices.IsSortedFunc(batch, func(a, b api.InputLogEvent) int { return a.Timestamp - b.Timestamp }) {
		return wire.Errorf("InvalidParameterException", "Log events in a single PutLogEvents request must be in chronological order.")
	}
	if n := len(batch); n > 0 && batch[n-1].Timestamp-batch[0].Timestamp > int(maxSpan.Milliseconds()) {
		return wire.Errorf("InvalidParameterException", "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	return nil
}

// sift leaves out what is older than 14 days or than the retention in days (0: none), and what is more than two hours ahead.
// The batch is in chronological order, so what is left out is a head and a tail.
func sift(batch []api.InputLogEvent, now time.Time, retention int) ([]api.InputLogEvent, *api.RejectedLogEventsInfo) {
	before := func(limit time.Time) int {
		n, _ := slices.BinarySearchFunc(batch, int(limit.UnixMilli()), func(e api.InputLogEvent, t int) int { return e.Timestamp - t })
		return n
	}
	info := &api.RejectedLogEventsInfo{}
	start, end := before(now.Add(-maxAge)), before(now.Add(maxAhead+time.Millisecond))
	if start > 0 {
		info.TooOldLogEventEndIndex = &start
	}
	if retention > 0 {
		if expired := before(now.AddDate(0, 0, -retention)); expired > start {
			info.ExpiredLogEventEndIndex, start = &expired, expired
		}
	}
	if end < len(batch) {
		info.TooNewLogEventStartIndex = &end
	}
	if *info == (api.RejectedLogEventsInfo{}) {
		return batch, nil
	}
	return batch[start:max(start, end)], info
}

// insert writes events, in order, and returns how many bytes they count.
func insert(tx *store.Tx, groupID, streamID int64, kept []api.InputLogEvent, now int64) (bytes int, err error) {
	var last int64
	if err := tx.QueryRow("SELECT last FROM log_groups WHERE id = ?", groupID).Scan(&last); err != nil {
		return 0, err
	}
	for chunk := range slices.Chunk(kept, insertRows) {
		args := make([]any, 0, 6*len(chunk))
		for _, e := range chunk {
			last++
			bytes += eventSize(e.Message)
			args = append(args, groupID, e.Timestamp, last, streamID, now, e.Message)
		}
		if err := tx.Exec("INSERT INTO log_events (grp, at, id, stream, ingested, message) VALUES (?, ?, ?, ?, ?, ?)"+
			strings.Repeat(", (?, ?, ?, ?, ?, ?)", len(chunk)-1), args...); err != nil {
			return 0, err
		}
	}
	if err := tx.Exec("UPDATE log_groups SET last = ?, bytes = bytes + ? WHERE id = ?", last, bytes, groupID); err != nil {
		return 0, err
	}
	first, newest := kept[0].Timestamp, kept[len(kept)-1].Timestamp
	return bytes, tx.Exec("UPDATE log_streams SET first = min(coalesce(first, ?), ?), newest = max(coalesce(newest, ?), ?), ingested = ? WHERE id = ?",
		first, first, newest, newest, now, streamID)
}
