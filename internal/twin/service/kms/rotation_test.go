package kms

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	api "slipway.dev/internal/twin/api/kms"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// TestTimeRotatesAndDestroys runs the passes of the loop in fake time: the state file is real, so the loop itself, which would
// wait for it outside the bubble, is not started.
func TestTimeRotatesAndDestroys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(dir, Tables...)
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		s := New(room.House{Store: st, Changed: room.NewBroadcast(), Log: slog.New(slog.DiscardHandler)})
		ctx := operation.AsService(context.Background(), "test.amazonaws.com", "000000000000", "us-east-1")
		typ := s.resources()[0]
		r := resource.Request{StackName: "s", LogicalID: "Key", Properties: map[string]any{"EnableKeyRotation": true, "RotationPeriodInDays": 90, "PendingWindowInDays": 7}}
		if r.PhysicalID, err = typ.Create(ctx, r); err != nil {
			t.Fatal(err)
		}
		sealed, err := s.Encrypt(ctx, &api.EncryptInput{KeyId: r.PhysicalID, Plaintext: []byte("old")})
		if err != nil {
			t.Fatal(err)
		}
		after := func(d time.Duration) masterKey {
			t.Helper()
			time.Sleep(d)
			if _, err := s.pass(ctx); err != nil {
				t.Fatal(err)
			}
			k, err := s.view(ctx, r.PhysicalID)
			if err != nil && !wire.HasCode(err, gone) {
				t.Fatal(err)
			}
			return k
		}
		if k := after(89 * day); len(k.Materials) != 1 {
			t.Errorf("%d materials before its time", len(k.Materials))
		}
		if k := after(2 * day); len(k.Materials) != 2 {
			t.Errorf("%d materials after a rotation", len(k.Materials))
		}
		if out, err := s.Decrypt(ctx, &api.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil || string(out.Plaintext) != "old" {
			t.Errorf("%+v, %v", out, err)
		}
		for range 2 {
			err = errors.Join(err, typ.Delete(ctx, r))
		}
		if err != nil {
			t.Fatal(err)
		}
		if k := after(6 * day); k.State != pendingDeletion {
			t.Errorf("state %q before its time", k.State)
		}
		if k := after(2 * day); k.ID != "" {
			t.Errorf("%s was not destroyed", k.ID)
		}
	})
}

func TestDecideWhatIsDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rotating := func(id string, at time.Time) masterKey {
		return masterKey{ID: id, State: enabled, Rotating: true, Next: at}
	}
	for name, c := range map[string]struct {
		keys []masterKey
		due  []string
		next time.Time
	}{
		"nothing":              {[]masterKey{{ID: "a", State: enabled}}, nil, time.Time{}},
		"rotation to come":     {[]masterKey{rotating("a", now.Add(2)), rotating("b", now.Add(1))}, nil, now.Add(1)},
		"rotation due":         {[]masterKey{rotating("a", now), rotating("b", now.Add(1))}, []string{"rotate a"}, now.Add(1)},
		"disabled":             {[]masterKey{{ID: "a", State: disabled, Rotating: true, Next: now}}, nil, time.Time{}},
		"deletion to come":     {[]masterKey{{ID: "a", State: pendingDeletion, Deletion: now.Add(1)}}, nil, now.Add(1)},
		"deletion due":         {[]masterKey{{ID: "a", State: pendingDeletion, Deletion: now.Add(-1)}}, []string{"destroy a"}, time.Time{}},
		"deleted, not rotated": {[]masterKey{{ID: "a", State: pendingDeletion, Deletion: now.Add(5), Rotating: true, Next: now}}, nil, now.Add(5)},
	} {
		var got []string
		due, next := decide(c.keys, now)
		for _, d := range due {
			got = append(got, map[bool]string{true: "destroy ", false: "rotate "}[d.destroy]+d.key.ID)
		}
		if !slices.Equal(got, c.due) || !next.Equal(c.next) {
			t.Errorf("%s: %v, next %v; want %v, %v", name, got, next, c.due, c.next)
		}
	}
}
