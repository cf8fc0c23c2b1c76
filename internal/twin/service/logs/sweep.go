package logs

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"slipway.dev/internal/twin/store"
)

const (
	sweepEvery = time.Hour
	sweepBatch = 2000 // events removed in one transaction: others wait for a few milliseconds at most
)

// sweep removes events that nobody may read any more: those of deleted groups and streams, those past their group's retention,
// and the oldest of a group above the cap.
func (s *Service) sweep(ctx context.Context) error {
	for {
		if err := s.sweepOnce(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("log events not swept", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-s.Clock.After(sweepEvery):
		}
	}
}

func (s *Service) sweepOnce(ctx context.Context) error {
	for _, step := range []func(context.Context) error{s.sweepOrphans, s.sweepGroups} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// drain repeats a step in transactions of its own until it has nothing left to do.
func (s *Service) drain(ctx context.Context, step func(tx *store.Tx) (done bool, err error)) error {
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.Store.Update(ctx, func(_ context.Context, tx *store.Tx) (err error) {
			done, err = step(tx)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) sweepOrphans(ctx context.Context) error {
	return s.drain(ctx, func(tx *store.Tx) (bool, error) {
		var groupID, streamID int64
		err := tx.QueryRow("SELECT grp, stream FROM log_orphans LIMIT 1").Scan(&groupID, &streamID)
		if errors.Is(err, sql.ErrNoRows) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		where, id := "stream = ?", streamID
		if streamID == 0 {
			where, id = "grp = ?", groupID
		}
		removed, err := remove(tx, groupID, where, id)
		if err != nil || removed == sweepBatch {
			return false, err
		}
		return false, tx.Exec("DELETE FROM log_orphans WHERE grp = ? AND stream = ?", groupID, streamID)
	})
}

// remove deletes the oldest events that where selects, a batch at most, and takes their bytes off the group.
func remove(tx *store.Tx, groupID int64, where string, args ...any) (removed int, err error) {
	args = append(args, sweepBatch)
	chosen := "SELECT grp, at, id FROM log_events WHERE " + where + " ORDER BY at, id LIMIT ?"
	var bytes int
	err = tx.QueryRow("SELECT count(*), coalesce(sum(octet_length(message) + 26), 0) FROM log_events WHERE (grp, at, id) IN ("+chosen+")", args...).Scan(&removed, &bytes)
	if err != nil || removed == 0 {
		return 0, err
	}
	if err := tx.Exec("DELETE FROM log_events WHERE (grp, at, id) IN ("+chosen+")", args...); err != nil {
		return 0, err
	}
	return removed, tx.Exec("UPDATE log_groups SET bytes = max(0, bytes - ?) WHERE id = ?", bytes, groupID)
}

func (s *Service) sweepGroups(ctx context.Context) error {
	var due []group
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		rows, err := tx.Query("SELECT "+groupColumns+" FROM log_groups WHERE retention > 0 OR bytes > ?", s.cap)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			g, err := scanGroup(rows)
			if err != nil {
				return err
			}
			due = append(due, g)
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	for _, g := range due {
		if err := errors.Join(s.expire(ctx, g), s.shrink(ctx, g)); err != nil {
			return err
		}
	}
	return nil
}

// expire removes what is older than the group's retention.
func (s *Service) expire(ctx context.Context, g group) error {
	if g.Retention == 0 {
		return nil
	}
	limit := s.Clock.Now().AddDate(0, 0, -g.Retention).UnixMilli()
	return s.drain(ctx, func(tx *store.Tx) (bool, error) {
		removed, err := remove(tx, g.ID, "grp = ? AND at < ?", g.ID, limit)
		return removed < sweepBatch, err
	})
}

// shrink brings a group above the cap a tenth below it, so that the next line does not start it again.
func (s *Service) shrink(ctx context.Context, g group) error {
	limit := s.cap
	return s.drain(ctx, func(tx *store.Tx) (bool, error) {
		var bytes int64
		err := tx.QueryRow("SELECT bytes FROM log_groups WHERE id = ?", g.ID).Scan(&bytes)
		if errors.Is(err, sql.ErrNoRows) || err == nil && bytes <= limit {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		limit = s.cap * 9 / 10
		removed, err := remove(tx, g.ID, "grp = ?", g.ID)
		return removed == 0, err
	})
}
