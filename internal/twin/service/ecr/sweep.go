package ecr

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"slipway.dev/internal/twin/store"
)

const (
	// abandoned is how long an upload, or a layer that no image came to need, is kept.
	abandoned = 24 * time.Hour
	// pushing is how long a layer is kept for a client that was told that it is there and need not send it.
	pushing = 15 * time.Minute
)

// expectation remembers which layers pushing clients count on. A restart forgets it; their push then begins again.
type expectation struct {
	lock sync.Mutex
	at   map[store.Key]time.Time
}

func newExpectation() *expectation { return &expectation{at: map[store.Key]time.Time{}} }

func (e *expectation) note(k store.Key, now time.Time) {
	e.lock.Lock()
	defer e.lock.Unlock()
	maps.DeleteFunc(e.at, func(_ store.Key, at time.Time) bool { return now.Sub(at) > pushing })
	e.at[k] = now
}

func (e *expectation) has(k store.Key, now time.Time) bool {
	e.lock.Lock()
	defer e.lock.Unlock()
	at, ok := e.at[k]
	return ok && now.Sub(at) <= pushing
}

// release lets go of the layers of deleted images that no other image of the repository needs.
func (s *Service) release(tx *store.Tx, r repository, deleted []image) error {
	rest, err := images.ListBy(tx, r.Account, r.Region, r.Name)
	if err != nil {
		return err
	}
	needed := map[string]bool{}
	for _, i := range rest {
		for _, digest := range i.Layers {
			needed[digest] = true
		}
	}
	for _, i := range deleted {
		for _, digest := range i.Layers {
			k := layer{Account: r.Account, Region: r.Region, Repository: r.Name, Digest: digest}.key()
			if needed[digest] || s.expected.has(k, s.Clock.Now()) {
				continue
			}
			if err := layers.Delete(tx, k); err != nil {
				return err
			}
		}
	}
	tx.AfterCommit(s.wake.Wake)
	return nil
}

// sweep removes uploads and layers that were given up, then the files that no row knows. The files are listed first: one that
// arrives meanwhile is not among them.
func (s *Service) sweep(ctx context.Context) error {
	s.blobs.lock.Lock()
	defer s.blobs.lock.Unlock()
	digests, ids, err := s.blobs.files()
	if err != nil {
		return err
	}
	var held, arriving map[string]bool
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		now := s.Clock.Now()
		if held, err = s.sweepLayers(tx, now); err != nil {
			return err
		}
		arriving, err = sweepUploads(tx, now)
		return err
	})
	if err != nil {
		return err
	}
	var failures []error
	for _, digest := range digests {
		if !held[digest] {
			failures = append(failures, remove(s.blobs.path(digest)))
		}
	}
	for _, id := range ids {
		if !arriving[id] {
			failures = append(failures, remove(s.blobs.uploadPath(id)))
		}
	}
	return errors.Join(failures...)
}

// sweepLayers returns the digests that some repository still holds.
func (s *Service) sweepLayers(tx *store.Tx, now time.Time) (map[string]bool, error) {
	all, err := layers.All(tx)
	if err != nil {
		return nil, err
	}
	needed, err := neededLayers(tx)
	if err != nil {
		return nil, err
	}
	held := map[string]bool{}
	for _, l := range all {
		if needed[l.Key] || now.Sub(l.Value.At) < abandoned || s.expected.has(l.Key, now) {
			held[l.Value.Digest] = true
		} else if err := layers.Delete(tx, l.Key); err != nil {
			return nil, err
		}
	}
	return held, nil
}

// neededLayers are the layers that images refer to.
func neededLayers(tx *store.Tx) (map[store.Key]bool, error) {
	all, err := images.All(tx)
	if err != nil {
		return nil, err
	}
	needed := map[store.Key]bool{}
	for _, i := range all {
		for _, digest := range i.Value.Layers {
			needed[layer{Account: i.Account, Region: i.Region, Repository: i.Value.Repository, Digest: digest}.key()] = true
		}
	}
	return needed, nil
}

// sweepUploads returns the ids of uploads that are under way.
func sweepUploads(tx *store.Tx, now time.Time) (map[string]bool, error) {
	all, err := uploads.All(tx)
	if err != nil {
		return nil, err
	}
	arriving := map[string]bool{}
	for _, u := range all {
		if now.Sub(u.Value.At) < abandoned {
			arriving[u.Value.ID] = true
		} else if err := uploads.Delete(tx, u.Key); err != nil {
			return nil, err
		}
	}
	return arriving, nil
}
