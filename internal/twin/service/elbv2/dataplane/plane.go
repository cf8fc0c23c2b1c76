package dataplane

import (
	"context"
	"log/slog"
	"net"
	"net/http"
)

// Options are the collaborators of a Plane. The zero value is ready to use.
type Options struct {
	Logger *slog.Logger // nil discards
	// Dial opens connections to targets, for requests and for health checks. nil is a net.Dialer with a timeout of
	// 10 s, the connection timeout of an Application Load Balancer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Plane is a running data plane. All its methods may be called at any time from any goroutine.
type Plane struct {
	opts Options
}

// New starts a data plane that serves nothing yet. End it with Close.
func New(opts Options) *Plane { return &Plane{opts: opts} }

// Apply makes the data plane serve config, and nothing else, from the next request on. Connections and requests under
// way, health states, pools and counters of what stays are kept. A config that is wrong in itself is refused as a whole
// and changes nothing; an address that cannot be bound is reported after the rest took effect, and tried again by the
// next Apply.
func (p *Plane) Apply(config Config) error { return nil }

// ServeHTTP serves a request of another server: the load balancer is found by the Host header (DNSName or Aliases),
// its listener is the one with port 80, else the only one. A host no load balancer has gets 404.
func (p *Plane) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// Serves says whether some load balancer has this host, which may carry a port.
func (p *Plane) Serves(host string) bool { return false }

// Handler serves one listener, by its ID, whatever the Host header says.
func (p *Plane) Handler(listenerID string) http.Handler { return nil }

// Addr is where a listener with a Bind address really listens ("127.0.0.1:41237"), or "" when it does not.
func (p *Plane) Addr(listenerID string) string { return "" }

// Health tells the state of every target of a group in the order of the configuration, draining ones included; nil when
// the group is unknown.
func (p *Plane) Health(targetGroupID string) []TargetHealth { return nil }

// Watch returns a channel that gets a value after the health of any target changed or a draining target became
// Drained; changes in quick succession are told once. stop releases it.
func (p *Plane) Watch() (changes <-chan struct{}, stop func()) { return nil, func() {} }

// Metrics is a snapshot of the counters. They only ever grow while the plane runs.
func (p *Plane) Metrics() Metrics { return Metrics{} }

// Close stops accepting connections, lets requests under way finish until ctx ends, then closes what is left and
// returns ctx's error if something was.
func (p *Plane) Close(ctx context.Context) error { return nil }
