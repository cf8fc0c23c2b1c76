package elbv2

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"time"

	"slipway.dev/internal/twin/service/elbv2/dataplane"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

const (
	bindAgain = 2 * time.Second // after an address was taken
	lastWords = 2 * time.Second // for requests under way when the twin ends
)

// loop is what the loop that feeds the data plane remembers.
type loop struct {
	applied dataplane.Config
	begun   bool
	again   time.Time // when to try again what failed; zero when nothing did
}

// run keeps the data plane as it is wanted until ctx ends.
func (s *Service) run(ctx context.Context) error {
	health, stop := s.plane.Watch()
	defer s.close()
	defer stop()
	var l loop
	for {
		changed := s.Changed.Wait()
		if err := s.round(ctx, &l); err != nil && ctx.Err() == nil {
			s.Log.Error("load balancers", "error", err)
			l.again = s.Clock.Now().Add(bindAgain)
		}
		if len(l.applied.TargetGroups) == 0 {
			changed = nil // where targets answer can only change where there are some
		}
		var again <-chan time.Time
		if !l.again.IsZero() {
			again = s.Clock.After(l.again.Sub(s.Clock.Now()))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-health:
			s.Changed.Notify()
		case <-s.wake:
		case <-changed:
		case <-again:
		}
	}
}

func (s *Service) close() {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	if err := s.plane.Close(ctx); err != nil {
		s.Log.Warn("requests were cut", "error", err)
	}
}

// round applies what is wanted, and writes down what became of it.
func (s *Service) round(ctx context.Context, l *loop) error {
	var snap snapshot
	err := s.Store.View(ctx, func(_ context.Context, tx *store.Tx) (err error) {
		snap, err = readSnapshot(tx)
		return err
	})
	if err != nil {
		return err
	}
	if config := snap.config(); l.due(config, s.Clock.Now()) {
		s.apply(l, config)
	}
	if err := s.holdPorts(ctx, snap.listeners); err != nil {
		return err
	}
	return s.forgetDrained(ctx, snap.targets)
}

// due says whether a configuration is to be applied: it is another, or what failed is to be tried again.
func (l *loop) due(config dataplane.Config, now time.Time) bool {
	return !l.begun || !l.again.IsZero() && !now.Before(l.again) || !reflect.DeepEqual(config, l.applied)
}

func (s *Service) apply(l *loop, config dataplane.Config) {
	failure := s.plane.Apply(config)
	l.applied, l.begun, l.again = config, true, time.Time{}
	if failure != nil {
		s.Log.Warn("load balancers", "error", failure)
		l.again = s.Clock.Now().Add(bindAgain)
	}
	s.Changed.Notify()
}

// forgetDrained removes deregistered targets to which nothing is under way any more. AWS shows them as draining until the
// deregistration delay is over, even then; here whoever waits for that goes on at once.
func (s *Service) forgetDrained(ctx context.Context, rows []store.Row[target]) error {
	rows = slices.DeleteFunc(slices.Clone(rows), func(row store.Row[target]) bool { return row.Value.registered() || s.busy(row.Value) })
	if len(rows) == 0 {
		return nil
	}
	return s.change(ctx, func(_ context.Context, tx *store.Tx) error {
		for _, row := range rows {
			now, err := targets.Get(tx, row.Key)
			if errors.Is(err, store.ErrNotFound) || err == nil && now.registered() {
				continue // gone with its group, or registered again meanwhile
			}
			if err != nil {
				return err
			}
			if err := targets.Delete(tx, row.Key); err != nil {
				return err
			}
		}
		return nil
	})
}

// busy says whether a draining target still serves.
func (s *Service) busy(t target) bool {
	seen := s.plane.Health(t.Group)
	i := slices.IndexFunc(seen, t.isSeen)
	return i >= 0 && !seen[i].Drained
}

// The range of the loopback ports of listeners: below those the system gives to clients and the engine to containers.
const (
	firstPort = 20000
	ports     = 10000
)

// ownPort finds a loopback port for a listener. Where the search begins depends on the seed, so that several twins of one
// machine rarely want the same.
func ownPort(tx *store.Tx, seed string) (int, error) {
	all, err := listeners.All(tx)
	if err != nil {
		return 0, err
	}
	taken := map[int]bool{}
	for _, row := range all {
		taken[row.Value.Own] = true
	}
	sum := sha256.Sum256([]byte(seed))
	start := binary.BigEndian.Uint32(sum[:4])
	for i := range uint32(ports) {
		port := firstPort + int((start%ports+i)%ports)
		if !taken[port] && free(port) {
			return port, nil
		}
	}
	return 0, wire.Errorf("TooManyListeners", "No port between %d and %d is free on this machine", firstPort, firstPort+ports-1)
}

func free(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// holdPorts writes down which listeners have their address: they keep it from now on. One that found it taken before it ever
// had it gets another.
func (s *Service) holdPorts(ctx context.Context, rows []store.Row[listener]) error {
	rows = slices.DeleteFunc(slices.Clone(rows), func(row store.Row[listener]) bool { return row.Value.Held })
	if len(rows) == 0 {
		return nil
	}
	return s.Store.Update(ctx, func(_ context.Context, tx *store.Tx) error {
		for _, row := range rows {
			l, err := listeners.Get(tx, row.Key)
			if errors.Is(err, store.ErrNotFound) {
				continue // deleted meanwhile
			}
			if err != nil {
				return err
			}
			l.Held = s.plane.Addr(l.ARN) == ownAddress(l)
			if !l.Held && free(l.Own) {
				continue // nothing is in its way: it is to be bound yet
			}
			if !l.Held {
				if l.Own, err = ownPort(tx, l.ARN+ownAddress(l)); err != nil {
					return err
				}
				tx.AfterCommit(s.wake.Wake)
			}
			if err := listeners.Put(tx, row.Key, l); err != nil {
				return err
			}
			tx.AfterCommit(s.Changed.Notify)
		}
		return nil
	})
}
