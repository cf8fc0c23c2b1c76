package kms

import (
	"cmp"
	"context"
	"slices"
	"time"

	api "slipway.dev/internal/twin/api/kms"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

const (
	shortestPeriod = 90
	longestPeriod  = 2560
	maxOnDemand    = 25
)

// EnableKeyRotation gives the key new material every so many days, 365 where nothing is said.
func (s *Service) EnableKeyRotation(ctx context.Context, in *api.EnableKeyRotationInput) (*api.EnableKeyRotationOutput, error) {
	period := wire.Value(in.RotationPeriodInDays)
	if in.RotationPeriodInDays != nil && (period < shortestPeriod || period > longestPeriod) {
		return nil, wire.Errorf("ValidationException", "RotationPeriodInDays must be between %d and %d", shortestPeriod, longestPeriod)
	}
	return &api.EnableKeyRotationOutput{}, s.change(ctx, in.KeyId, func(k *masterKey) error {
		if err := k.usable(); err != nil {
			return err
		}
		wanted := cmp.Or(period, k.Period, yearly)
		if !k.Rotating || wanted != k.Period {
			k.Rotating, k.Period, k.Next = true, wanted, s.Clock.Now().Add(time.Duration(wanted)*day)
		}
		return nil
	})
}

// DisableKeyRotation ends the automatic rotation.
func (s *Service) DisableKeyRotation(ctx context.Context, in *api.DisableKeyRotationInput) (*api.DisableKeyRotationOutput, error) {
	return &api.DisableKeyRotationOutput{}, s.change(ctx, in.KeyId, func(k *masterKey) error {
		if err := k.usable(); err != nil {
			return err
		}
		k.Rotating, k.Period, k.Next = false, 0, time.Time{}
		return nil
	})
}

// GetKeyRotationStatus tells whether and when the key rotates.
func (s *Service) GetKeyRotationStatus(ctx context.Context, in *api.GetKeyRotationStatusInput) (*api.GetKeyRotationStatusOutput, error) {
	k, err := s.view(ctx, in.KeyId)
	if err == nil {
		err = k.staying()
	}
	if err != nil {
		return nil, err
	}
	out := &api.GetKeyRotationStatusOutput{KeyId: new(k.arn()), KeyRotationEnabled: &k.Rotating}
	if k.Rotating {
		out.RotationPeriodInDays, out.NextRotationDate = &k.Period, &k.Next
	}
	return out, nil
}

// RotateKeyOnDemand gives the key new material at once.
func (s *Service) RotateKeyOnDemand(ctx context.Context, in *api.RotateKeyOnDemandInput) (*api.RotateKeyOnDemandOutput, error) {
	out := &api.RotateKeyOnDemandOutput{}
	err := s.change(ctx, in.KeyId, func(k *masterKey) error {
		if err := k.usable(); err != nil {
			return err
		}
		before := 0
		for _, m := range k.Materials {
			if m.OnDemand {
				before++
			}
		}
		if before >= maxOnDemand {
			return wire.Errorf("LimitExceededException", "The key %s has been rotated on demand %d times, which is the limit.", k.arn(), maxOnDemand)
		}
		m := s.newMaterial(*k)
		m.OnDemand = true
		k.Materials = append(k.Materials, m)
		out.KeyId = new(k.arn())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ListKeyRotations lists the rotations that have been; with IncludeKeyMaterial also the first material.
func (s *Service) ListKeyRotations(ctx context.Context, in *api.ListKeyRotationsInput) (*api.ListKeyRotationsOutput, error) {
	k, err := s.view(ctx, in.KeyId)
	if err != nil {
		return nil, err
	}
	var list []api.RotationsListEntry
	for i, m := range k.Materials {
		if i == 0 {
			continue
		}
		kind := "AUTOMATIC"
		if m.OnDemand {
			kind = "ON_DEMAND"
		}
		list = append(list, api.RotationsListEntry{KeyId: new(k.arn()), KeyMaterialId: &m.ID, RotationDate: &m.Created, RotationType: &kind})
	}
	some, next, err := page.Cut(list, in.Marker, in.Limit, 100, badMarker)
	return &api.ListKeyRotationsOutput{Rotations: some, NextMarker: next, Truncated: new(next != nil)}, err
}

// step is what time has made due.
type step struct {
	key     masterKey
	destroy bool // else rotate
}

// decide finds what is due and when the next thing will be; zero where nothing will.
func decide(all []masterKey, now time.Time) (due []step, next time.Time) {
	for _, k := range all {
		at, destroy := k.Next, false
		switch {
		case k.State == pendingDeletion:
			at, destroy = k.Deletion, true
		case !k.Rotating || k.State != enabled:
			continue
		}
		if !at.After(now) {
			due = append(due, step{k, destroy})
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return due, next
}

// run rotates and destroys keys when their time has come.
func (s *Service) run(ctx context.Context) error {
	for {
		next, err := s.pass(ctx)
		if err != nil {
			s.Log.Error("keys not kept up to date", "error", err)
			next = s.Clock.Now().Add(time.Minute)
		}
		var timer <-chan time.Time
		if !next.IsZero() {
			timer = s.Clock.After(max(next.Sub(s.Clock.Now()), time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-timer:
		}
	}
}

// pass does what is due. A rotation that a longer stop has delayed happens once.
func (s *Service) pass(ctx context.Context) (next time.Time, err error) {
	var again bool
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		rows, err := keys.All(tx)
		if err != nil {
			return err
		}
		all := make([]masterKey, len(rows))
		for i, row := range rows {
			all[i] = row.Value
		}
		now := s.Clock.Now()
		due, at := decide(all, now)
		next, again = at, len(due) > 0
		for _, d := range due {
			if err := s.apply(tx, d, now); err != nil {
				return err
			}
		}
		return nil
	})
	if again && err == nil {
		s.Changed.Notify()
		s.wake.Wake()
	}
	return next, err
}

func (s *Service) apply(tx *store.Tx, d step, now time.Time) error {
	k := d.key
	if d.destroy {
		if err := aliases.DeleteBy(tx, k.Account, k.Region, k.ID); err != nil {
			return err
		}
		return keys.Delete(tx, k.key())
	}
	k.Materials = append(slices.Clone(k.Materials), s.newMaterial(k))
	k.Next = now.Add(time.Duration(k.Period) * day)
	return keys.Put(tx, k.key(), k)
}
