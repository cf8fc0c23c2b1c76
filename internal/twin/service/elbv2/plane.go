package elbv2

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
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
	bindAgain = 5 * time.Second // after an address was taken
	lastWords = 2 * time.Second // for requests under way when the twin ends
)

// loop is what the loop that feeds the data plane remembers.
type loop struct {
	applied dataplane.Config
	begun   bool
	unbound bool // some listener has no address
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
			l.unbound = true
		}
		if len(l.applied.TargetGroups) == 0 {
			changed = nil // where targets answer can only change where there are some
		}
		var again <-chan time.Time
		if l.unbound {
			again = s.Clock.After(bindAgain)
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
	config := snap.config()
	if !l.begun || l.unbound || !reflect.DeepEqual(config, l.applied) {
		failure := s.plane.Apply(config)
		if failure != nil {
			s.Log.Warn("load balancers", "error", failure)
		}
		l.applied, l.begun, l.unbound = config, true, failure != nil
		s.Changed.Notify()
	}
	if err := s.holdPorts(ctx, snap.listeners); err != nil {
		return err
	}
	return s.forgetDrained(ctx, snap.targets)
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
			if err != nil || now.registered() { // gone with its group, or registered again meanwhile
				continue
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
			if err != nil { // deleted meanwhile
				continue
			}
			if l.Held = s.plane.Addr(l.ARN) == ownAddress(l); !l.Held {
				if l.Own, err = ownPort(tx, l.ARN+ownAddress(l)); err != nil {
					return err
				}
				tx.AfterCommit(s.wake.Wake)
			}
			if err := listeners.Put(tx, row.Key, l); err != nil {
				return err
			}
		}
		return nil
	})
}
