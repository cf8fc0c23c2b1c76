package s3

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

const day = 24 * time.Hour

// covers reports whether a rule is about an object.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-filters.html
func covers(r api.LifecycleRule, o object) bool {
	prefix, tags := wire.Value(r.Prefix), []api.Tag(nil)
	var above, below *int
	if f := r.Filter; f != nil {
		prefix, above, below = wire.Value(f.Prefix), f.ObjectSizeGreaterThan, f.ObjectSizeLessThan
		if f.Tag != nil {
			tags = []api.Tag{*f.Tag}
		}
		if f.And != nil {
			prefix, tags, above, below = wire.Value(f.And.Prefix), f.And.Tags, f.And.ObjectSizeGreaterThan, f.And.ObjectSizeLessThan
		}
	}
	if r.Status != enabled || !strings.HasPrefix(o.Key, prefix) || above != nil && o.Size <= int64(*above) || below != nil && o.Size >= int64(*below) {
		return false
	}
	return !slices.ContainsFunc(tags, func(t api.Tag) bool { return !slices.Contains(o.Tags, t) })
}

// expire says what a bucket's rules do to the versions of one key, newest first: whether the key is deleted, and which versions
// are removed for good.
func expire(rules []api.LifecycleRule, versions []object, now time.Time) (deleted bool, removed []string) {
	for _, r := range rules {
		for n, o := range versions {
			if !covers(r, o) {
				continue
			}
			e := r.Expiration
			switch {
			case n > 0:
				if outdated(r.NoncurrentVersionExpiration, n, versions[n-1].Modified, now) && !slices.Contains(removed, o.Version) {
					removed = append(removed, o.Version)
				}
			case e == nil:
			case o.Marker:
				if len(versions) == 1 && (wire.Value(e.ExpiredObjectDeleteMarker) || e.Days != nil && now.Sub(o.Modified) >= time.Duration(*e.Days)*day) {
					removed = append(removed, o.Version)
				}
			case e.Days != nil && now.Sub(o.Modified) >= time.Duration(*e.Days)*day, e.Date != nil && !now.Before(*e.Date):
				deleted = true
			}
		}
	}
	return deleted, removed
}

// outdated reports whether the n-th newest version, which became old at since, has been kept long enough.
func outdated(e *api.NoncurrentVersionExpiration, n int, since, now time.Time) bool {
	return e != nil && e.NoncurrentDays != nil && n > wire.Value(e.NewerNoncurrentVersions) && now.Sub(since) >= time.Duration(*e.NoncurrentDays)*day
}

// applyLifecycles applies the rules of all buckets.
func (s *Service) applyLifecycles(ctx context.Context) error {
	var all []store.Row[bucket]
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		all, err = buckets.All(tx)
		return err
	})
	var failures []error
	for _, b := range all {
		if len(b.Value.Lifecycle) > 0 {
			failures = append(failures, s.applyLifecycle(ctx, b.Value))
		}
	}
	return errors.Join(err, errors.Join(failures...))
}

func (s *Service) applyLifecycle(ctx context.Context, b bucket) error {
	now := s.Clock.Now()
	var objects []object
	var uploads []upload
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if objects, err = manyObjects(tx, "bucket = ? ORDER BY key, seq DESC", b.Name); err != nil {
			return err
		}
		uploads, err = uploadsOf(tx, b.Name)
		return err
	})
	if err != nil {
		return err
	}
	for versions := range byKey(objects) {
		deleted, removed := expire(b.Lifecycle, versions, now)
		if !deleted && len(removed) == 0 {
			continue
		}
		if err := s.expireKey(ctx, b, versions[0], deleted, removed); err != nil {
			return err
		}
	}
	for _, u := range uploads {
		if !stale(b.Lifecycle, u, now) {
			continue
		}
		if err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error { return s.abort(tx, u) }); err != nil {
			return err
		}
	}
	return nil
}

// byKey yields the versions of each key.
func byKey(objects []object) func(func([]object) bool) {
	return func(yield func([]object) bool) {
		for len(objects) > 0 {
			n := 1
			for n < len(objects) && objects[n].Key == objects[0].Key {
				n++
			}
			if !yield(objects[:n]) {
				return
			}
			objects = objects[n:]
		}
	}
}

func stale(rules []api.LifecycleRule, u upload, now time.Time) bool {
	return slices.ContainsFunc(rules, func(r api.LifecycleRule) bool {
		a := r.AbortIncompleteMultipartUpload
		return a != nil && covers(r, u.Object) && now.Sub(u.Started) >= time.Duration(wire.Value(a.DaysAfterInitiation))*day
	})
}

// expireKey removes what expired, unless the key was written to meanwhile.
func (s *Service) expireKey(ctx context.Context, b bucket, newest object, deleted bool, removed []string) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, version := range removed {
			if err := s.discard(tx, b.Name, newest.Key, version); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		now, err := latest(tx, b.Name, newest.Key)
		if !deleted || errors.Is(err, store.ErrNotFound) || err == nil && (now.Version != newest.Version || !now.Modified.Equal(newest.Modified)) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = s.remove(tx, b, newest.Key, "")
		return err
	})
}
