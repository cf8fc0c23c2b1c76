// Package store keeps the twin's state in one SQLite file (WAL mode): typed tables keyed by account, region and id.
//
// There is one writer and many readers. A write happens in Update; an Update inside the context of another one joins it as a
// savepoint, so what a service does for another service commits or vanishes with the caller's own writes. That is what lets
// CloudFormation create a resource and remember its physical id in one step that a kill cannot split.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"modernc.org/sqlite"
)

// ErrNotFound says that no row has the key.
var ErrNotFound = errors.New("not found")

// ErrCorrupt says that the state file cannot be read. The file is left as it is.
var ErrCorrupt = errors.New("state file is damaged")

// ErrFull says that the disk has no room for a write; nothing of the transaction was kept.
var ErrFull = errors.New("no space left to write the state")

// Store is an open state file.
type Store struct {
	write *sql.DB
	read  *sql.DB
	lock  sync.Mutex
	seal  *sealer
	path  string
}

// Schema is a table or a group of tables that a service keeps.
type Schema interface {
	name() string
	statements() []string // one a version; a state file runs those it has not seen
}

// Open opens or makes the state file in dir and brings the tables of every schema up to date.
func Open(dir string, schemas ...Schema) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	seal, err := openSealer(filepath.Join(dir, "master.key"))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "state.db")
	s := &Store{seal: seal, path: path}
	if s.write, err = open(path, 1); err != nil {
		return nil, err
	}
	if s.read, err = open(path, 4); err != nil {
		s.write.Close()
		return nil, err
	}
	if err := s.migrate(schemas); err != nil {
		s.Close()
		return nil, explain(path, err)
	}
	return s, nil
}

func open(path string, connections int) (*sql.DB, error) {
	dsn := "file:" + path + "?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(5000)&_pragma=temp_store(MEMORY)&_pragma=cache_size(-4000)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	var verdict string
	if connections == 1 {
		if err := db.QueryRow("PRAGMA quick_check(1)").Scan(&verdict); err != nil || verdict != "ok" {
			db.Close()
			return nil, explain(path, cmpError(err, verdict))
		}
		if err := os.Chmod(path, 0o600); err != nil {
			db.Close()
			return nil, err
		}
	}
	return db, nil
}

func cmpError(err error, verdict string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", ErrCorrupt, verdict)
}

const (
	sqliteFull    = 13
	sqliteCorrupt = 11
	sqliteNotADB  = 26
)

// full is ErrFull of a file. Its text is for callers too: they alone can make room.
type full struct{ path string }

func (f full) Error() string {
	return fmt.Sprintf("%s: %s; nothing of this change was kept. Make room and try again", ErrFull, f.path)
}

// Public is what a caller is told.
func (f full) Public() string { return f.Error() }

// Unwrap makes it an ErrFull.
func (f full) Unwrap() error { return ErrFull }

// explain turns a driver's error into one that says what happened to the file and how to go on.
func explain(path string, err error) error {
	var se *sqlite.Error
	code := 0
	if errors.As(err, &se) {
		code = se.Code() & 0xff
	}
	switch {
	case code == sqliteCorrupt, code == sqliteNotADB, errors.Is(err, ErrCorrupt):
		return fmt.Errorf("%w: %s (%w); it was left untouched. To begin anew keep a copy, then run: slipway twin reset", ErrCorrupt, path, err)
	case code == sqliteFull, errors.Is(err, syscall.ENOSPC):
		return full{path}
	}
	return err
}

func (s *Store) migrate(schemas []Schema) error {
	if _, err := s.write.Exec("CREATE TABLE IF NOT EXISTS schema_versions (name TEXT PRIMARY KEY, version INTEGER NOT NULL)"); err != nil {
		return err
	}
	for _, schema := range schemas {
		if err := s.migrateOne(schema); err != nil {
			return fmt.Errorf("table %s: %w", schema.name(), err)
		}
	}
	return nil
}

func (s *Store) migrateOne(schema Schema) error {
	var version int
	err := s.write.QueryRow("SELECT version FROM schema_versions WHERE name = ?", schema.name()).Scan(&version)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	steps := schema.statements()
	if version > len(steps) {
		return fmt.Errorf("was written by a newer version of slipway (version %d, this one knows %d): use that one, or run: slipway twin reset", version, len(steps))
	}
	if version == len(steps) {
		return nil
	}
	tx, err := s.write.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, step := range steps[version:] {
		if _, err := tx.Exec(step); err != nil {
			return err
		}
	}
	if _, err := tx.Exec("INSERT OR REPLACE INTO schema_versions VALUES (?, ?)", schema.name(), len(steps)); err != nil {
		return err
	}
	return tx.Commit()
}

// Close closes the file. Writes that were committed are kept.
func (s *Store) Close() error { return errors.Join(s.read.Close(), s.write.Close()) }

// Tx is a transaction: reads see its own writes.
type Tx struct {
	store *Store
	q     querier
	after []func()
	depth int
	write bool
}

type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

type txKey struct{}

func current(ctx context.Context) *Tx {
	tx, _ := ctx.Value(txKey{}).(*Tx)
	return tx
}

// Detached returns a context without the transaction of ctx, for work that outlives it.
func Detached(ctx context.Context) context.Context {
	return context.WithValue(context.WithoutCancel(ctx), txKey{}, (*Tx)(nil))
}

// Update runs f in a write transaction, or in a savepoint of the one that ctx is in. Where f fails nothing of it is kept.
func (s *Store) Update(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	if tx := current(ctx); tx != nil {
		if !tx.write {
			return errors.New("a write inside a read")
		}
		return tx.savepoint(ctx, f)
	}
	s.lock.Lock()
	tx, err := s.commit(ctx, f)
	s.lock.Unlock()
	if err != nil {
		return explain(s.path, err)
	}
	for _, done := range tx.after {
		done()
	}
	return nil
}

// commit runs on a connection of its own with BEGIN IMMEDIATE; a caller that goes away does not abort a half-made write.
func (s *Store) commit(ctx context.Context, f func(ctx context.Context, tx *Tx) error) (*Tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	inner := context.WithoutCancel(ctx)
	sqlTx, err := s.write.BeginTx(inner, nil)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer sqlTx.Rollback()
	tx := &Tx{store: s, q: sqlTx, write: true}
	if err := f(context.WithValue(ctx, txKey{}, tx), tx); err != nil {
		return nil, err
	}
	if err := sqlTx.Commit(); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return tx, nil
}

func (tx *Tx) savepoint(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	inner := context.WithoutCancel(ctx)
	tx.depth++
	name := fmt.Sprintf("s%d", tx.depth)
	defer func() { tx.depth-- }()
	if _, err := tx.q.ExecContext(inner, "SAVEPOINT "+name); err != nil {
		return err
	}
	hooks := len(tx.after)
	if err := f(ctx, tx); err != nil {
		tx.after = tx.after[:hooks]
		_, undo := tx.q.ExecContext(inner, "ROLLBACK TO "+name+"; RELEASE "+name)
		return errors.Join(err, undo)
	}
	_, err := tx.q.ExecContext(inner, "RELEASE "+name)
	return err
}

// View runs f with a consistent view, within the transaction of ctx where there is one.
func (s *Store) View(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	if tx := current(ctx); tx != nil {
		return f(ctx, tx)
	}
	sqlTx, err := s.read.BeginTx(context.WithoutCancel(ctx), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return explain(s.path, err)
	}
	defer sqlTx.Rollback()
	tx := &Tx{store: s, q: sqlTx}
	return f(context.WithValue(ctx, txKey{}, tx), tx)
}

// AfterCommit runs f once the outermost transaction has committed; never where it fails. Loops are woken this way.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// Exec, Query and QueryRow are for tables that a service lays out itself with SQL.
func (tx *Tx) Exec(query string, args ...any) error {
	_, err := tx.q.ExecContext(context.Background(), query, args...)
	return err
}

// Query returns rows; the caller closes them before anything else happens in the transaction.
func (tx *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	return tx.q.QueryContext(context.Background(), query, args...)
}

// QueryRow returns one row.
func (tx *Tx) QueryRow(query string, args ...any) *sql.Row {
	return tx.q.QueryRowContext(context.Background(), query, args...)
}

// SQL is a schema written in SQL, one statement list a version.
func SQL(name string, versions ...string) Schema { return sqlSchema{name, versions} }

type sqlSchema struct {
	id       string
	versions []string
}

func (s sqlSchema) name() string         { return s.id }
func (s sqlSchema) statements() []string { return s.versions }
