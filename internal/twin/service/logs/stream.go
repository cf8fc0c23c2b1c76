package logs

import (
	"context"
	"database/sql"
	"errors"

	api "slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// stream is a log stream. Times are milliseconds since 1970; nil until there are events.
type stream struct {
	ID                      int64
	Name                    string
	Created                 int
	First, Newest, Ingested *int
}

const streamColumns = "id, name, created, first, newest, ingested"

func scanStream(row scanner) (t stream, err error) {
	return t, row.Scan(&t.ID, &t.Name, &t.Created, &t.First, &t.Newest, &t.Ingested)
}

var errNoStream = wire.Errorf("ResourceNotFoundException", "The specified log stream does not exist.")

// findStream returns a stream with its group.
func findStream(ctx context.Context, tx *store.Tx, groupName, name string) (group, stream, error) {
	g, err := findGroup(ctx, tx, groupName)
	if err != nil {
		return g, stream{}, err
	}
	t, err := scanStream(tx.QueryRow("SELECT "+streamColumns+" FROM log_streams WHERE grp = ? AND name = ?", g.ID, name))
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoStream
	}
	return g, t, err
}

// CreateLogStream makes a stream.
func (s *Service) CreateLogStream(ctx context.Context, in *api.CreateLogStreamInput) (*api.CreateLogStreamOutput, error) {
	return &api.CreateLogStreamOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, _, err := findStream(ctx, tx, in.LogGroupName, in.LogStreamName)
		if err == nil {
			return wire.Errorf("ResourceAlreadyExistsException", "The specified log stream already exists")
		}
		if !errors.Is(err, errNoStream) {
			return err
		}
		return tx.Exec("INSERT INTO log_streams (grp, name, created) VALUES (?, ?, ?)", g.ID, in.LogStreamName, s.Clock.Now().UnixMilli())
	})
}

// DeleteLogStream removes a stream at once; the sweeper removes its events.
func (s *Service) DeleteLogStream(ctx context.Context, in *api.DeleteLogStreamInput) (*api.DeleteLogStreamOutput, error) {
	return &api.DeleteLogStreamOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, t, err := findStream(ctx, tx, in.LogGroupName, in.LogStreamName)
		if err != nil {
			return err
		}
		tx.AfterCommit(s.wake.Wake)
		return errors.Join(tx.Exec("DELETE FROM log_streams WHERE id = ?", t.ID), tx.Exec("INSERT INTO log_orphans VALUES (?, ?)", g.ID, t.ID))
	})
}

// DescribeLogStreams lists streams by name or by the time of their newest event.
func (s *Service) DescribeLogStreams(ctx context.Context, in *api.DescribeLogStreamsInput) (*api.DescribeLogStreamsOutput, error) {
	name, err := groupOf(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	byTime := wire.Value(in.OrderBy) == "LastEventTime"
	if byTime && in.LogStreamNamePrefix != nil {
		return nil, wire.Errorf("InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	all, err := s.streams(ctx, name, wire.Value(in.LogStreamNamePrefix), byTime, wire.Value(in.Descending))
	if err != nil {
		return nil, err
	}
	all, next, err := page.Cut(all, in.NextToken, in.Limit, 50, "InvalidParameterException")
	if err != nil {
		return nil, err
	}
	out := &api.DescribeLogStreamsOutput{LogStreams: []api.LogStream{}, NextToken: next}
	for _, t := range all {
		out.LogStreams = append(out.LogStreams, api.LogStream{
			Arn: new(groupARN(ctx, name) + ":log-stream:" + t.Name), LogStreamName: &t.Name, CreationTime: &t.Created, StoredBytes: new(0),
			FirstEventTimestamp: t.First, LastEventTimestamp: t.Newest, LastIngestionTime: t.Ingested, UploadSequenceToken: &sequenceToken,
		})
	}
	return out, nil
}

func (s *Service) streams(ctx context.Context, groupName, prefix string, byTime, descending bool) (all []stream, err error) {
	order := "name"
	if byTime {
		order = "coalesce(newest, created)"
	}
	if descending {
		order += " DESC"
	}
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := findGroup(ctx, tx, groupName)
		if err != nil {
			return err
		}
		all, err = listStreams(tx, "grp = ? AND substr(name, 1, ?) = ? ORDER BY "+order+", id", g.ID, len([]rune(prefix)), prefix)
		return err
	})
	return all, err
}

func listStreams(tx *store.Tx, where string, args ...any) (all []stream, err error) {
	rows, err := tx.Query("SELECT "+streamColumns+" FROM log_streams WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		t, err := scanStream(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, rows.Err()
}
