// Package network joins the twin's containers to the twin: a bridge network of the container engine, names that containers can
// resolve, load balancers that they can reach, and the table of where a task's ports answer on this machine.
//
// Load balancers have names below elb.localhost. Outside of containers those mean the loopback address; inside they resolve to
// the network's gateway, which is this machine, and where the twin answers too, to peers of that network only.
package network

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"slipway.dev/internal/engine"
	"slipway.dev/internal/twin/store"
)

// Label is on every container and network of a twin; its value is the twin's id.
const Label = "dev.slipway.twin"

// Tables are the package's tables.
var Tables = []store.Schema{bindings, identities}

// identity is what tells this twin from others on the same engine.
type identity struct{ ID string }

var identities = &store.Table[identity]{Name: "network_identity"}

var identityKey = store.Key{Account: "twin", Region: store.Global, ID: "identity"}

// Options are what a network is made of.
type Options struct {
	Store  *store.Store
	Engine func(ctx context.Context) (*engine.Engine, error)
	Log    *slog.Logger
	Front  http.Handler // what the twin answers on its own address
	Port   int          // the twin's own port
}

// Network is the container network of one twin.
type Network struct {
	options Options
	lock    sync.Mutex
	joined  *Joined
	servers []func() // close them
	missing []string // what could not be offered to containers, and why
}

// Joined is a network that exists on the engine, for the containers that are to be on it.
type Joined struct {
	ID      string
	Name    string
	Gateway string   // the twin's address as containers see it
	DNS     []string // name servers for containers; empty where the twin may not serve names there
}

// New makes a network; the engine is not asked for anything before Join.
func New(o Options) *Network { return &Network{options: o} }

// Identity is the twin's id: twelve hexadecimal digits, chosen when its state was made.
func Identity(ctx context.Context, s *store.Store) (string, error) {
	var found identity
	err := s.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		found, err = identities.Get(tx, identityKey)
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		var random [6]byte
		rand.Read(random[:])
		found.ID = hex.EncodeToString(random[:])
		return identities.Put(tx, identityKey, found)
	})
	return found.ID, err
}

// Name is the name of the network of the twin with that id.
func Name(id string) string { return "slipway-" + id[:8] }

// Join makes sure that the network exists and that the twin answers on it, and tells what a container needs to be on it.
func (n *Network) Join(ctx context.Context) (Joined, error) {
	n.lock.Lock()
	defer n.lock.Unlock()
	if n.joined != nil {
		return *n.joined, nil
	}
	id, err := Identity(ctx, n.options.Store)
	if err != nil {
		return Joined{}, err
	}
	docker, err := n.options.Engine(ctx)
	if err != nil {
		return Joined{}, err
	}
	made, err := docker.EnsureNetwork(ctx, engine.NetworkSpec{Name: Name(id), Labels: map[string]string{Label: id}})
	if err != nil {
		return Joined{}, err
	}
	n.joined = &Joined{ID: made.ID, Name: made.Name, Gateway: made.Gateway}
	n.serve(made)
	return *n.joined, nil
}

// Forget makes the next Join look again: the network is gone, or the engine was restarted.
func (n *Network) Forget() {
	n.lock.Lock()
	defer n.lock.Unlock()
	n.close()
}

func (n *Network) close() {
	for _, stop := range n.servers {
		stop()
	}
	n.servers, n.joined, n.missing = nil, nil, nil
}

// Missing says in plain words what containers cannot have on this network, and why; empty when nothing is.
func (n *Network) Missing() []string {
	n.lock.Lock()
	defer n.lock.Unlock()
	return append([]string(nil), n.missing...)
}

// Run keeps the network's servers until ctx ends. Containers that outlived the last run find them again at once.
func (n *Network) Run(ctx context.Context) error {
	defer n.Forget()
	if n.wasMade(ctx) {
		if _, err := n.Join(ctx); err != nil && ctx.Err() == nil {
			n.options.Log.Warn("container network not joined yet", "error", err)
		}
	}
	<-ctx.Done()
	return nil
}

func (n *Network) wasMade(ctx context.Context) (made bool) {
	err := n.options.Store.View(ctx, func(_ context.Context, tx *store.Tx) (err error) {
		made, err = identities.Has(tx, identityKey)
		return err
	})
	return err == nil && made
}

// serve starts what can be started on the gateway's address. What cannot is said once and done without.
func (n *Network) serve(made engine.Network) {
	subnet, err := netip.ParsePrefix(made.Subnet)
	if err != nil || made.Gateway == "" {
		n.lack("the engine named no gateway for network %s: containers cannot reach load balancers", made.Name)
		return
	}
	guard := guard{subnet: subnet, gateway: netip.MustParseAddr(made.Gateway)}
	if stop, err := serveNames(guard, systemResolvers()); err != nil {
		n.lack("names of load balancers do not resolve inside containers: %v", err)
	} else {
		n.joined.DNS = []string{made.Gateway}
		n.servers = append(n.servers, stop)
	}
	for _, port := range []int{80, n.options.Port} {
		address := net.JoinHostPort(made.Gateway, fmt.Sprint(port))
		if stop, err := serveFront(guard, address, n.options.Front); err != nil {
			n.lack("load balancers do not answer containers on port %d: %v", port, err)
		} else {
			n.servers = append(n.servers, stop)
		}
	}
}

func (n *Network) lack(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	n.missing = append(n.missing, text)
	n.options.Log.Warn(text)
}
