package twin

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"slipway.dev/internal/twin/gateway"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
)

// auditSchema keeps one row a call: who, what, when, from where, and how it ended. Inputs are not kept: they may hold secrets.
var auditSchema = store.SQL("audit", `CREATE TABLE audit (id TEXT PRIMARY KEY, at INTEGER NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL,
caller TEXT NOT NULL, access_key TEXT NOT NULL, service TEXT NOT NULL, operation TEXT NOT NULL, source_ip TEXT NOT NULL,
user_agent TEXT NOT NULL, internal INTEGER NOT NULL, error TEXT NOT NULL, micros INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX audit_at ON audit (at)`)

const auditKept = 100_000

// audit writes calls in batches, off the path of the request. The queue has no bound: a record is never dropped, and a caller
// never waits, for it may be inside the transaction that the writer waits for.
type audit struct {
	store *store.Store
	log   *slog.Logger
	wake  room.Signal
	lock  sync.Mutex
	queue []gateway.Call

	untrimmed int // calls written since the last trim; the writer's own
}

func newAudit(s *store.Store, log *slog.Logger) *audit {
	return &audit{store: s, log: log, wake: room.NewSignal()}
}

// Record implements gateway.Auditor.
func (a *audit) Record(c gateway.Call) {
	c.Input = nil
	a.lock.Lock()
	a.queue = append(a.queue, c)
	a.lock.Unlock()
	a.wake.Wake()
}

// run writes what is queued until ctx ends, and then what is left.
func (a *audit) run(ctx context.Context) {
	for {
		select {
		case <-a.wake:
			a.flush()
		case <-ctx.Done():
			a.flush()
			return
		}
	}
}

func (a *audit) flush() {
	a.lock.Lock()
	queue := a.queue
	a.queue = nil
	a.lock.Unlock()
	for batch := range slices.Chunk(queue, 256) {
		if err := a.write(batch); err != nil {
			a.log.Error("audit record not written", "calls", len(batch), "error", err)
		}
	}
}

func (a *audit) write(batch []gateway.Call) error {
	return a.store.Update(context.Background(), func(ctx context.Context, tx *store.Tx) error {
		for _, c := range batch {
			err := tx.Exec("INSERT OR IGNORE INTO audit VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", c.ID, c.At.UnixMicro(), c.Caller.Account, c.Caller.Region,
				c.Caller.ARN, c.Caller.AccessKeyID, c.Service, c.Operation, c.Caller.SourceIP, c.UserAgent, c.Internal, c.ErrorCode, c.Duration.Microseconds())
			if err != nil {
				return err
			}
		}
		return a.trim(tx, len(batch))
	})
}

// trim forgets the oldest calls. It looks only once in a while: counting from the newest takes as long as what is kept.
func (a *audit) trim(tx *store.Tx, written int) error {
	if a.untrimmed += written; a.untrimmed < auditKept/20 {
		return nil
	}
	a.untrimmed = 0
	return tx.Exec("DELETE FROM audit WHERE at < (SELECT at FROM audit ORDER BY at DESC LIMIT 1 OFFSET ?)", auditKept)
}

// auditRow is a call as it is shown.
type auditRow struct {
	At        time.Time `json:"at"`
	Caller    string    `json:"caller"`
	Operation string    `json:"operation"`
	Error     string    `json:"error,omitempty"`
	Internal  bool      `json:"internal,omitempty"`
}

// recent returns the newest calls, newest first.
func (a *audit) recent(ctx context.Context, n int) (rows []auditRow, err error) {
	err = a.store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		found, err := tx.Query("SELECT at, caller, service || ':' || operation, error, internal FROM audit ORDER BY at DESC LIMIT ?", n)
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			var r auditRow
			var micros int64
			if err := found.Scan(&micros, &r.Caller, &r.Operation, &r.Error, &r.Internal); err != nil {
				return err
			}
			r.At = time.UnixMicro(micros).UTC()
			rows = append(rows, r)
		}
		return found.Err()
	})
	return rows, err
}
