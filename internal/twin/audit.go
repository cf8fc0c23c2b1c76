package twin

import (
	"context"
	"time"

	"slipway.dev/internal/twin/gateway"
	"slipway.dev/internal/twin/store"
)

// auditSchema keeps one row a call: who, what, when, from where, and how it ended. Inputs are not kept: they may hold secrets.
var auditSchema = store.SQL("audit", `CREATE TABLE audit (id TEXT PRIMARY KEY, at INTEGER NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL,
caller TEXT NOT NULL, access_key TEXT NOT NULL, service TEXT NOT NULL, operation TEXT NOT NULL, source_ip TEXT NOT NULL,
user_agent TEXT NOT NULL, internal INTEGER NOT NULL, error TEXT NOT NULL, micros INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX audit_at ON audit (at)`)

const (
	auditBuffer = 4096
	auditKept   = 100_000
)

// audit writes calls in batches, off the path of the request. A full buffer makes the caller wait: a record is never dropped.
type audit struct {
	store *store.Store
	calls chan gateway.Call
	done  chan struct{}
}

func newAudit(s *store.Store) *audit {
	return &audit{store: s, calls: make(chan gateway.Call, auditBuffer), done: make(chan struct{})}
}

// Record implements gateway.Auditor.
func (a *audit) Record(c gateway.Call) {
	c.Input = nil
	select {
	case a.calls <- c:
	case <-a.done:
	}
}

func (a *audit) run(ctx context.Context) {
	defer close(a.done)
	for {
		select {
		case c := <-a.calls:
			a.write(a.batch(c))
		case <-ctx.Done():
			select {
			case c := <-a.calls:
				a.write(a.batch(c))
			default:
			}
			return
		}
	}
}

// batch takes what has queued up behind the first call.
func (a *audit) batch(first gateway.Call) []gateway.Call {
	batch := []gateway.Call{first}
	for len(batch) < 256 {
		select {
		case c := <-a.calls:
			batch = append(batch, c)
		default:
			return batch
		}
	}
	return batch
}

func (a *audit) write(batch []gateway.Call) {
	a.store.Update(context.Background(), func(ctx context.Context, tx *store.Tx) error {
		for _, c := range batch {
			err := tx.Exec("INSERT OR IGNORE INTO audit VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", c.ID, c.At.UnixMicro(), c.Caller.Account, c.Caller.Region,
				c.Caller.ARN, c.Caller.AccessKeyID, c.Service, c.Operation, c.Caller.SourceIP, c.UserAgent, c.Internal, c.ErrorCode, c.Duration.Microseconds())
			if err != nil {
				return err
			}
		}
		return tx.Exec("DELETE FROM audit WHERE at < (SELECT at FROM audit ORDER BY at DESC LIMIT 1 OFFSET ?)", auditKept)
	})
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
