package kms

import (
	"slices"
	"testing"
	"time"
)

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
