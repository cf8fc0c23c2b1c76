package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type item struct{ Name, Parent string }

var items = &Table[item]{Name: "items", By: func(i item) string { return i.Parent }}

func opened(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.TempDir(), items)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func key(id string) Key { return Key{"111122223333", "us-east-1", id} }

func put(t *testing.T, s *Store, ctx context.Context, id, parent string) {
	t.Helper()
	err := s.Update(ctx, func(ctx context.Context, tx *Tx) error { return items.Put(tx, key(id), item{id, parent}) })
	if err != nil {
		t.Fatal(err)
	}
}

func TestRowsAreKeyedByAccountAndRegion(t *testing.T) {
	t.Parallel()
	s, ctx := opened(t), t.Context()
	put(t, s, ctx, "a", "p")
	put(t, s, ctx, "b", "p")
	put(t, s, ctx, "c", "q")
	err := s.View(ctx, func(ctx context.Context, tx *Tx) error {
		group, err := items.ListBy(tx, "111122223333", "us-east-1", "p")
		if len(group) != 2 || group[0].Name != "a" {
			t.Errorf("group p = %v", group)
		}
		if _, err := items.Get(tx, Key{"111122223333", "eu-west-1", "a"}); !errors.Is(err, ErrNotFound) {
			t.Errorf("another region sees the row: %v", err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFailedUpdateLeavesNothingAndRunsNoHook(t *testing.T) {
	t.Parallel()
	s, ctx := opened(t), t.Context()
	boom := errors.New("boom")
	hooks := 0
	err := s.Update(ctx, func(ctx context.Context, tx *Tx) error {
		tx.AfterCommit(func() { hooks++ })
		put(t, s, ctx, "outer", "")
		inner := s.Update(ctx, func(ctx context.Context, tx *Tx) error {
			tx.AfterCommit(func() { hooks += 10 })
			put(t, s, ctx, "inner", "")
			return boom
		})
		if !errors.Is(inner, boom) {
			t.Errorf("inner error = %v", inner)
		}
		return nil
	})
	if err != nil || hooks != 1 {
		t.Fatalf("err %v, hooks %d", err, hooks)
	}
	s.View(ctx, func(ctx context.Context, tx *Tx) error {
		all, _ := items.List(tx, "111122223333", "us-east-1")
		if len(all) != 1 || all[0].Name != "outer" {
			t.Errorf("rows = %v, want only outer", all)
		}
		return nil
	})
}

func TestADamagedFileIsRefusedAndKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db")
	garbage := strings.Repeat("not a database ", 100)
	os.WriteFile(path, []byte(garbage), 0o600)
	_, err := Open(dir, items)
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "slipway twin reset") {
		t.Fatalf("err = %v", err)
	}
	if kept, _ := os.ReadFile(path); string(kept) != garbage {
		t.Error("the damaged file was changed")
	}
}

func TestAFileOfANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newer := &Table[item]{Name: "items", Upgrades: []string{"SELECT 1"}}
	s, err := Open(dir, newer)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(dir, items); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Fatalf("err = %v", err)
	}
}

func TestSealedRowsAreNotReadableInTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secrets := &Table[item]{Name: "secrets", Sealed: true}
	s, err := Open(dir, secrets)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), func(ctx context.Context, tx *Tx) error { return secrets.Put(tx, key("a"), item{Name: "canary-4711"}) })
	if err != nil {
		t.Fatal(err)
	}
	s.View(t.Context(), func(ctx context.Context, tx *Tx) error {
		if got, err := secrets.Get(tx, key("a")); err != nil || got.Name != "canary-4711" {
			t.Errorf("%v, %v", got, err)
		}
		return nil
	})
	s.Close()
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range files {
		if b, _ := os.ReadFile(f); strings.Contains(string(b), "canary-4711") {
			t.Errorf("plain text in %s", f)
		}
	}
}

func TestSealedValuesOpenOnlyInTheirContext(t *testing.T) {
	t.Parallel()
	s := opened(t)
	sealed := s.Seal([]byte("hush"), "ssm/x")
	if strings.Contains(string(sealed), "hush") {
		t.Fatal("plaintext in the sealed value")
	}
	if plain, err := s.Unseal(sealed, "ssm/x"); err != nil || string(plain) != "hush" {
		t.Fatalf("%q, %v", plain, err)
	}
	if _, err := s.Unseal(sealed, "ssm/y"); err == nil {
		t.Fatal("opened in another context")
	}
}

func TestAFullDiskKeepsNothingOfTheChange(t *testing.T) {
	t.Parallel()
	s, ctx := opened(t), t.Context()
	put(t, s, ctx, "before", "")
	if _, err := s.write.Exec("PRAGMA max_page_count = 20"); err != nil {
		t.Fatal(err)
	}
	err := s.Update(ctx, func(ctx context.Context, tx *Tx) error {
		for i := range 1000 {
			if err := items.Put(tx, key(strings.Repeat("x", i)), item{Name: strings.Repeat("y", 500)}); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, ErrFull) {
		t.Fatalf("err = %v", err)
	}
	s.View(ctx, func(ctx context.Context, tx *Tx) error {
		all, err := items.List(tx, "111122223333", "us-east-1")
		if err != nil || len(all) != 1 || all[0].Name != "before" {
			t.Errorf("rows after the full disk: %v, %v", all, err)
		}
		return nil
	})
}
