// Package twin is an AWS-compatible cloud in one process on this machine: the API of AWS, over the wire, with containers, load
// balancers and a registry that really run.
package twin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"slipway.dev/internal/twin/clock"
	"slipway.dev/internal/twin/gateway"
	"slipway.dev/internal/twin/network"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
)

// Options say where and how a twin runs. Zero values mean the defaults in the comments.
type Options struct {
	Dir     string            // state directory; required
	Address string            // "127.0.0.1:4566"
	Region  string            // region of the root user's environment: "us-east-1"
	Engine  room.EngineSource // engine.Find
	Log     *slog.Logger      // discards
}

// Account is the twin's first account.
const Account = "000000000000"

// Twin is a running cloud.
type Twin struct {
	options   Options
	store     *store.Store
	gateway   *gateway.Gateway
	rooms     []room.Room
	resources map[string]resource.Type
	network   *network.Network
	listener  net.Listener
	server    *http.Server
	audit     *audit
	started   time.Time
	root      rootUser
	changed   *room.Broadcast
}

// Open reads the state and builds the services; nothing runs yet. A damaged state file is refused and left as it is.
func Open(o Options) (*Twin, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	listener, err := listen(o.Address)
	if err != nil {
		return nil, err
	}
	t := &Twin{options: o, listener: listener, resources: map[string]resource.Type{}}
	if err := t.open(); err != nil {
		listener.Close()
		return nil, err
	}
	return t, nil
}

func (t *Twin) open() (err error) {
	if err := os.MkdirAll(t.options.Dir, 0o700); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	if t.store, err = store.Open(t.options.Dir, append(tables(), roots, auditSchema)...); err != nil {
		return err
	}
	if t.root, err = openRoot(t.store); err != nil {
		return err
	}
	c := clock.Clock{}
	t.started = c.Now()
	t.audit = newAudit(t.store, t.options.Log)
	keys := &credentials{root: t.root}
	t.gateway = gateway.New(gateway.Options{Credentials: keys, Auditor: t.audit, Log: t.options.Log, Now: c.Now})
	front := t.handler()
	t.network = network.New(network.Options{
		Store: t.store, Engine: t.options.Engine, Log: t.options.Log, Front: front, Port: t.listener.Addr().(*net.TCPAddr).Port,
	})
	house := room.House{
		Store: t.store, Invoker: t.gateway, Clock: c, Log: t.options.Log, Dir: t.options.Dir, Engine: t.options.Engine, Network: t.network,
		Endpoint: "http://" + t.listener.Addr().String(), Changed: room.NewBroadcast(),
	}
	t.changed = house.Changed
	t.rooms = rooms(house)
	for _, r := range t.rooms {
		t.gateway.Register(r.Service)
		for _, typ := range r.Resources {
			t.resources[typ.Name] = typ
		}
		if r.Keys != nil {
			keys.users = r.Keys
		}
	}
	for _, r := range t.rooms {
		if r.Use != nil {
			r.Use(t.resources)
		}
	}
	t.server = &http.Server{Handler: front, ReadHeaderTimeout: 30 * time.Second, Protocols: protocols()}
	return nil
}

// protocols: HTTP/1.1, and HTTP/2 without TLS for gRPC clients of load balancers.
func protocols() *http.Protocols {
	p := &http.Protocols{}
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// ErrPortTaken says that something else answers on the twin's address.
var ErrPortTaken = errors.New("the address is taken")

func listen(address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:4566"
	}
	l, err := net.Listen("tcp", address)
	if errors.Is(err, errAddressInUse) {
		return nil, fmt.Errorf("%w: something already listens on %s; stop it, or choose another port with: slipway twin start --address 127.0.0.1:PORT", ErrPortTaken, address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return l, nil
}

// Address is where the twin listens: host and port.
func (t *Twin) Address() string { return t.listener.Addr().String() }

// RootKey is the access key of the first account's root user.
func (t *Twin) RootKey() (id, secret string) { return t.root.AccessKeyID, t.root.secret }

// Changed returns a channel that is closed at the next change of state.
func (t *Twin) Changed() <-chan struct{} { return t.changed.Wait() }

// Resources are the resource types of every service, by name.
func (t *Twin) Resources() map[string]resource.Type { return t.resources }

// Update runs f in a transaction of the twin's state.
func (t *Twin) Update(ctx context.Context, f func(ctx context.Context, tx *store.Tx) error) error {
	return t.store.Update(ctx, f)
}

// Gateway is the twin's API for callers in this process.
func (t *Twin) Gateway() *gateway.Gateway { return t.gateway }

// Run serves and runs every loop until ctx ends. What is under way is in the store: the next Run goes on with it.
func (t *Twin) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var loops sync.WaitGroup
	for _, r := range t.rooms {
		if r.Run == nil {
			continue
		}
		loops.Go(func() {
			if err := r.Run(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s stopped: %w", r.Service.API.Name, err))
			}
		})
	}
	loops.Go(func() { t.audit.run(ctx) })
	loops.Go(func() {
		if err := t.network.Run(ctx); err != nil && ctx.Err() == nil {
			cancel(fmt.Errorf("the containers' network stopped: %w", err))
		}
	})
	loops.Go(func() {
		if err := t.server.Serve(t.listener); !errors.Is(err, http.ErrServerClosed) {
			cancel(fmt.Errorf("serve: %w", err))
		}
	})
	<-ctx.Done()
	t.shutdown()
	loops.Wait()
	closing := t.store.Close()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return errors.Join(cause, closing)
	}
	return closing
}

// shutdown lets requests that are under way finish for a moment.
func (t *Twin) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if t.server.Shutdown(ctx) != nil {
		t.server.Close()
	}
}
