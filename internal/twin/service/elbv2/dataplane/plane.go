package dataplane

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
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
	logger     *slog.Logger
	dial       dialer
	ctx        context.Context // ends with Close
	cancel     context.CancelFunc
	background sync.WaitGroup // health checkers and the pruner
	hosts      atomic.Pointer[hostTable]

	mu        sync.Mutex // one Apply or Close at a time; guards what follows
	closed    bool
	listeners map[string]*listener
	groups    map[string]*group
	balancers map[string]*balancer

	watching sync.Mutex
	watchers map[chan struct{}]struct{}
}

// New starts a data plane that serves nothing yet. End it with Close.
func New(opts Options) *Plane {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Plane{
		logger: opts.Logger, dial: opts.Dial, ctx: ctx, cancel: cancel,
		listeners: map[string]*listener{}, groups: map[string]*group{}, balancers: map[string]*balancer{},
		watchers: map[chan struct{}]struct{}{},
	}
	if p.logger == nil {
		p.logger = slog.New(slog.DiscardHandler)
	}
	if p.dial == nil {
		p.dial = (&net.Dialer{Timeout: connectTimeout}).DialContext
	}
	p.hosts.Store(&hostTable{})
	p.background.Go(p.pruneIdle)
	return p
}

const connectTimeout = 10 * time.Second

// pruneIdle closes connections to targets that nobody used for long.
func (p *Plane) pruneIdle() {
	ticker := time.NewTicker(idleUpstream / 4)
	defer ticker.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case now := <-ticker.C:
			for _, g := range p.groupList() {
				g.prune(now)
			}
		}
	}
}

func (p *Plane) groupList() []*group {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]*group, 0, len(p.groups))
	for _, g := range p.groups {
		list = append(list, g)
	}
	return list
}

// Handler serves one listener, by its ID, whatever the Host header says. An ID the configuration does not have at the
// time of a request gets 404.
func (p *Plane) Handler(listenerID string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		l := p.listeners[listenerID]
		p.mu.Unlock()
		if l == nil {
			http.NotFound(w, r)
			return
		}
		l.ServeHTTP(w, r)
	})
}

// Addr is where a listener with a Bind address really listens ("127.0.0.1:41237"), or "" when it does not.
func (p *Plane) Addr(listenerID string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.listeners[listenerID]; l != nil && l.server != nil {
		return l.server.socket.Addr().String()
	}
	return ""
}

// Health tells the state of every target of a group in the order of the configuration, draining ones included; nil when
// the group is unknown.
//
// A new target is checked at once, then after 100 ms, and ever more slowly up to the interval until it is healthy for the
// first time: a deployment waits for that, and the interval of AWS would only make it slow.
func (p *Plane) Health(targetGroupID string) []TargetHealth {
	p.mu.Lock()
	g := p.groups[targetGroupID]
	p.mu.Unlock()
	if g == nil {
		return nil
	}
	return g.health()
}

// Watch returns a channel that gets a value after the health of any target changed or a draining target became
// Drained; changes in quick succession are told once. stop releases it.
func (p *Plane) Watch() (changes <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	p.watching.Lock()
	defer p.watching.Unlock()
	p.watchers[c] = struct{}{}
	return c, func() {
		p.watching.Lock()
		defer p.watching.Unlock()
		delete(p.watchers, c)
	}
}

// changed wakes the watchers.
func (p *Plane) changed() {
	p.watching.Lock()
	defer p.watching.Unlock()
	for c := range p.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Close stops accepting connections, lets requests under way finish until ctx ends, then closes what is left and
// returns ctx's error if something was. Requests that came through ServeHTTP or Handler are the other server's to wait
// for: shut it down first.
func (p *Plane) Close(ctx context.Context) error {
	servers, groups := p.endConfiguring()
	defer context.AfterFunc(ctx, p.cancel)()
	var ending sync.WaitGroup
	var failure atomic.Pointer[error]
	for _, s := range servers {
		ending.Go(func() {
			if err := s.shutdown(ctx); err != nil {
				failure.Store(&err)
			}
		})
	}
	ending.Wait()
	p.cancel()
	p.background.Wait()
	for _, g := range groups {
		g.close(0)
	}
	if err := failure.Load(); err != nil {
		return *err
	}
	return nil
}

// endConfiguring makes the configuration final and tells what is left to end. The lock is not kept: what ends may need it.
func (p *Plane) endConfiguring() (servers []*server, groups []*group) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil
	}
	p.closed = true
	p.hosts.Store(&hostTable{})
	for _, l := range p.listeners {
		if l.server != nil {
			servers = append(servers, l.server)
		}
	}
	for _, g := range p.groups {
		groups = append(groups, g)
	}
	return servers, groups
}
