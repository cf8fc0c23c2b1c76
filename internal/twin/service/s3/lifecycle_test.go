package s3

import (
	"encoding/base64"
	"hash/crc64"
	"slices"
	"testing"
	"time"

	api "slipway.dev/internal/twin/api/s3"
)

func TestExpiration(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC)
	at := func(days int, version string) object {
		return object{Key: "logs/x", Version: version, Size: 100, Modified: now.Add(-time.Duration(days) * day), Tags: []api.Tag{{Key: "t", Value: "v"}}}
	}
	marker := at(1, "m")
	marker.Marker = true
	rule := func(f func(*api.LifecycleRule)) []api.LifecycleRule {
		r := api.LifecycleRule{Status: "Enabled"}
		f(&r)
		return []api.LifecycleRule{r}
	}
	after := func(days int) *api.LifecycleExpiration { return &api.LifecycleExpiration{Days: &days} }
	for _, c := range []struct {
		name     string
		rules    []api.LifecycleRule
		versions []object
		deleted  bool
		removed  []string
	}{
		{"old enough", rule(func(r *api.LifecycleRule) { r.Expiration = after(30) }), []object{at(30, "1")}, true, nil},
		{"too young", rule(func(r *api.LifecycleRule) { r.Expiration = after(30) }), []object{at(29, "1")}, false, nil},
		{"disabled", rule(func(r *api.LifecycleRule) { r.Expiration, r.Status = after(1), "Disabled" }), []object{at(30, "1")}, false, nil},
		{"another prefix", rule(func(r *api.LifecycleRule) {
			r.Expiration, r.Filter = after(1), &api.LifecycleRuleFilter{Prefix: new("tmp/")}
		}), []object{at(30, "1")}, false, nil},
		{"prefix, tag and size", rule(func(r *api.LifecycleRule) {
			r.Expiration = after(1)
			r.Filter = &api.LifecycleRuleFilter{And: &api.LifecycleRuleAndOperator{Prefix: new("logs/"), Tags: []api.Tag{{Key: "t", Value: "v"}}, ObjectSizeGreaterThan: new(99)}}
		}), []object{at(30, "1")}, true, nil},
		{"another tag", rule(func(r *api.LifecycleRule) {
			r.Expiration, r.Filter = after(1), &api.LifecycleRuleFilter{Tag: &api.Tag{Key: "t", Value: "w"}}
		}), []object{at(30, "1")}, false, nil},
		{"by date", rule(func(r *api.LifecycleRule) { r.Expiration = &api.LifecycleExpiration{Date: &now} }), []object{at(0, "1")}, true, nil},
		{"old versions, counted from when they became old", rule(func(r *api.LifecycleRule) {
			r.NoncurrentVersionExpiration = &api.NoncurrentVersionExpiration{NoncurrentDays: new(10)}
		}), []object{at(5, "3"), at(20, "2"), at(40, "1")}, false, []string{"1"}},
		{"but some are kept", rule(func(r *api.LifecycleRule) {
			r.NoncurrentVersionExpiration = &api.NoncurrentVersionExpiration{NoncurrentDays: new(1), NewerNoncurrentVersions: new(1)}
		}), []object{at(5, "3"), at(20, "2"), at(40, "1")}, false, []string{"1"}},
		{"a lone marker", rule(func(r *api.LifecycleRule) {
			r.Expiration = &api.LifecycleExpiration{ExpiredObjectDeleteMarker: new(true)}
		}), []object{marker}, false, []string{"m"}},
	} {
		deleted, removed := expire(c.rules, c.versions, now)
		if deleted != c.deleted || !slices.Equal(removed, c.removed) {
			t.Errorf("%s: %v %v, want %v %v", c.name, deleted, removed, c.deleted, c.removed)
		}
	}
}

func TestCRC64NVME(t *testing.T) {
	t.Parallel()
	if got := crc64.Checksum([]byte("123456789"), nvme); got != 0xae8b14860a799888 {
		t.Errorf("%x is not the check value of the catalogue of CRCs", got)
	}
}

func TestCRCsOfPartsMakeThatOfTheWhole(t *testing.T) {
	t.Parallel()
	pieces := []string{"the quick brown ", "", "fox jumps over", " the lazy dog"}
	for _, algorithm := range []string{crc32Name, crc32cName, crc64Name} {
		whole := algorithms[algorithm]()
		var parts []part
		for _, piece := range pieces {
			h := algorithms[algorithm]()
			h.Write([]byte(piece))
			whole.Write([]byte(piece))
			parts = append(parts, part{stored: stored{Size: int64(len(piece))}, Checksum: checksum{Value: base64.StdEncoding.EncodeToString(h.Sum(nil))}})
		}
		if got, want := wholeCRC(algorithm, parts), base64.StdEncoding.EncodeToString(whole.Sum(nil)); got != want {
			t.Errorf("%s: %s, want %s", algorithm, got, want)
		}
	}
}

func FuzzRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-5", "bytes=-5", "bytes=5-", "bytes=9-1", "bytes=a-b", "bytes=0-0,2-3", "x"} {
		f.Add(seed, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		e, err := parseRange(&header, size)
		if err == nil && (e.start < 0 || e.length < 0 || e.start+e.length > size || e.partial && e.length == 0) {
			t.Errorf("%q of %d: %+v", header, size, e)
		}
	})
}
