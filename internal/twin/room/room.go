// Package room is the furniture every service of the twin shares: what it is given, what it gives back, and how its loops are
// woken.
package room

import (
	"context"
	"log/slog"
	"net/http"
	"sync"

	"slipway.dev/internal/engine"
	"slipway.dev/internal/twin/clock"
	"slipway.dev/internal/twin/gateway"
	"slipway.dev/internal/twin/network"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/store"
)

// House is what the composition root gives every room.
type House struct {
	Store    *store.Store
	Invoker  operation.Invoker // the other services, through their generated clients
	Clock    clock.Clock
	Log      *slog.Logger
	Dir      string // the twin's state directory, for what does not belong in SQLite: objects, image layers
	Endpoint string // base URL of the twin, "http://127.0.0.1:4566"
	Engine   EngineSource
	Network  *network.Network // the containers' network
	Changed  *Broadcast       // told after every change of state that somebody may be waiting for
}

// EngineSource finds the container engine when it is needed; its error says what to install.
type EngineSource func(ctx context.Context) (*engine.Engine, error)

// Room is a service as the composition root sees it.
type Room struct {
	Service   *operation.Service
	Resources []resource.Type
	Run       func(ctx context.Context) error // its loops, until ctx ends; nil where it has none
	Handler   Taker                           // requests that are not API calls (a registry, load-balanced traffic); nil where none
	Keys      gateway.Credentials             // access keys beside the root user's: IAM has them; nil elsewhere
	Use       func(map[string]resource.Type)  // is given every resource type: CloudFormation wants them; nil elsewhere
}

// Taker is a handler that picks its requests.
type Taker interface {
	http.Handler
	Takes(r *http.Request) bool
}

// Signal wakes one loop. Wakes that come while the loop is busy collapse into one.
type Signal chan struct{}

// NewSignal makes a signal.
func NewSignal() Signal { return make(Signal, 1) }

// Wake makes the loop run once more; it never blocks.
func (s Signal) Wake() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// Broadcast wakes everyone who waits for a change of state.
type Broadcast struct {
	lock    sync.Mutex
	changed chan struct{}
}

// NewBroadcast makes a broadcast.
func NewBroadcast() *Broadcast { return &Broadcast{changed: make(chan struct{})} }

// Wait returns a channel that is closed at the next Notify. Take it before looking at the state that is waited for.
func (b *Broadcast) Wait() <-chan struct{} {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.changed
}

// Notify wakes all waiters.
func (b *Broadcast) Notify() {
	b.lock.Lock()
	defer b.lock.Unlock()
	close(b.changed)
	b.changed = make(chan struct{})
}
