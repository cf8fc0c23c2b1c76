package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// Key names a row. Global services (IAM, Route 53) use the region "aws-global".
type Key struct{ Account, Region, ID string }

// Global is the region of what has none.
const Global = "aws-global"

// Table keeps values of one type. A second look-up, By, may group the rows of an account and region: the tasks of a service, the
// events of a stack.
type Table[T any] struct {
	Name string
	By   func(T) string
	// Upgrades are SQL statements that bring rows of older versions of T up to date, oldest first; they are only ever added.
	Upgrades []string
	// Sealed rows are encrypted in the file: for values that may hold what a user marked as secret.
	Sealed bool
}

func (t *Table[T]) name() string { return t.Name }

func (t *Table[T]) statements() []string {
	create := fmt.Sprintf(`CREATE TABLE %[1]q (account TEXT NOT NULL, region TEXT NOT NULL, id TEXT NOT NULL, grp TEXT NOT NULL, doc BLOB NOT NULL,
PRIMARY KEY (account, region, id)) WITHOUT ROWID; CREATE INDEX %[2]q ON %[1]q (grp, account, region)`, t.Name, t.Name+"_grp")
	return append([]string{create}, t.Upgrades...)
}

func (t *Table[T]) encode(tx *Tx, v T) ([]byte, error) {
	doc, err := json.Marshal(v)
	if err == nil && t.Sealed {
		doc = tx.store.Seal(doc, t.Name)
	}
	return doc, err
}

func (t *Table[T]) decode(tx *Tx, doc []byte) (v T, err error) {
	if t.Sealed {
		if doc, err = tx.store.Unseal(doc, t.Name); err != nil {
			return v, fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	return v, json.Unmarshal(doc, &v)
}

func (t *Table[T]) group(v T) string {
	if t.By == nil {
		return ""
	}
	return t.By(v)
}

// Get returns the row, or ErrNotFound.
func (t *Table[T]) Get(tx *Tx, k Key) (T, error) {
	var v T
	var doc []byte
	err := tx.QueryRow(fmt.Sprintf("SELECT doc FROM %q WHERE account = ? AND region = ? AND id = ?", t.Name), k.Account, k.Region, k.ID).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return v, fmt.Errorf("%s %s: %w", t.Name, k.ID, ErrNotFound)
	}
	if err != nil {
		return v, err
	}
	return t.decode(tx, doc)
}

// Has reports whether the row is there.
func (t *Table[T]) Has(tx *Tx, k Key) (bool, error) {
	_, err := t.Get(tx, k)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Put writes the row, new or not.
func (t *Table[T]) Put(tx *Tx, k Key, v T) error {
	doc, err := t.encode(tx, v)
	if err != nil {
		return err
	}
	return tx.Exec(fmt.Sprintf("INSERT OR REPLACE INTO %q (account, region, id, grp, doc) VALUES (?, ?, ?, ?, ?)", t.Name),
		k.Account, k.Region, k.ID, t.group(v), doc)
}

// Delete removes the row; removing what is not there is no error.
func (t *Table[T]) Delete(tx *Tx, k Key) error {
	return tx.Exec(fmt.Sprintf("DELETE FROM %q WHERE account = ? AND region = ? AND id = ?", t.Name), k.Account, k.Region, k.ID)
}

// List returns the rows of an account and region, by id.
func (t *Table[T]) List(tx *Tx, account, region string) ([]T, error) {
	return t.query(tx, "WHERE account = ? AND region = ? ORDER BY id", account, region)
}

// ListBy returns the rows of a group, by id.
func (t *Table[T]) ListBy(tx *Tx, account, region, group string) ([]T, error) {
	return t.query(tx, t.byGroup()+"WHERE grp = ? AND account = ? AND region = ? ORDER BY id", group, account, region)
}

// byGroup makes SQLite use the index of groups: without statistics it prefers the primary key, which has every row of a region.
func (t *Table[T]) byGroup() string { return fmt.Sprintf("INDEXED BY %q ", t.Name+"_grp") }

// DeleteBy removes the rows of a group.
func (t *Table[T]) DeleteBy(tx *Tx, account, region, group string) error {
	return tx.Exec(fmt.Sprintf("DELETE FROM %q %sWHERE grp = ? AND account = ? AND region = ?", t.Name, t.byGroup()), group, account, region)
}

func (t *Table[T]) query(tx *Tx, where string, args ...any) ([]T, error) {
	rows, err := tx.Query(fmt.Sprintf("SELECT doc FROM %q %s", t.Name, where), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var doc sql.RawBytes
		if err := rows.Scan(&doc); err != nil {
			return nil, err
		}
		v, err := t.decode(tx, doc)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Row is a value with its key.
type Row[T any] struct {
	Key
	Value T
}

// All returns every row of every account and region, for the loops.
func (t *Table[T]) All(tx *Tx) ([]Row[T], error) { return t.rows(tx, "") }

// AllBy returns the rows of a group in every account and region.
func (t *Table[T]) AllBy(tx *Tx, group string) ([]Row[T], error) {
	return t.rows(tx, t.byGroup()+"WHERE grp = ?", group)
}

func (t *Table[T]) rows(tx *Tx, where string, args ...any) ([]Row[T], error) {
	rows, err := tx.Query(fmt.Sprintf("SELECT account, region, id, doc FROM %q %s ORDER BY account, region, id", t.Name, where), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Row[T]
	for rows.Next() {
		var r Row[T]
		var doc sql.RawBytes
		if err := rows.Scan(&r.Account, &r.Region, &r.ID, &doc); err != nil {
			return nil, err
		}
		if r.Value, err = t.decode(tx, doc); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}
