package dataplane

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	maxIdlePerTarget = 256
	// idleUpstream is how long a connection to a target is kept for reuse.
	idleUpstream = 55 * time.Second
)

// dialer opens a connection to a target.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// pool keeps the connections to one target.
type pool struct {
	address string
	secure  bool
	dial    dialer

	mu     sync.Mutex
	idle   []*upstream            // the last used is the last
	all    map[*upstream]struct{} // idle and in use
	closed bool                   // no connection is kept any more
	broken bool                   // connections in use were cut
}

// upstream is a connection to a target.
type upstream struct {
	net.Conn
	pool      *pool
	raw       syscall.RawConn // nil when the connection is no socket, or is TLS
	alive     bool
	look      func(fd uintptr) bool
	idleSince time.Time
	deadline  time.Time
}

// get returns the most recently used idle connection, or nil.
func (p *pool) get(now time.Time) *upstream {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	u := p.idle[n-1]
	if now.Sub(u.idleSince) > idleUpstream {
		p.closeIdle()
		return nil
	}
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return u
}

// put gives a connection back after a complete response.
func (p *pool) put(u *upstream, now time.Time) {
	u.idleSince = now
	p.mu.Lock()
	keep := !p.closed && len(p.idle) < maxIdlePerTarget
	if keep {
		p.idle = append(p.idle, u)
	}
	p.mu.Unlock()
	if !keep {
		u.discard()
	}
}

// open dials a new connection.
func (p *pool) open(ctx context.Context) (*upstream, error) {
	conn, err := p.dial(ctx, "tcp", p.address)
	if err != nil {
		return nil, err
	}
	u := &upstream{Conn: conn, pool: p}
	if p.secure {
		// Certificates of targets are not verified, as an Application Load Balancer does not.
		u.Conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	} else if socket, ok := conn.(syscall.Conn); ok {
		u.raw, _ = socket.SyscallConn()
	}
	u.look = u.readable
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken {
		conn.Close()
		return nil, net.ErrClosed
	}
	if p.all == nil {
		p.all = map[*upstream]struct{}{}
	}
	p.all[u] = struct{}{}
	return u, nil
}

// discard closes a connection for good.
func (u *upstream) discard() {
	u.pool.mu.Lock()
	delete(u.pool.all, u)
	u.pool.mu.Unlock()
	u.Conn.Close()
}

// usable says whether an idle connection is still open, as far as this end can know. It costs a system call, so it is
// asked only before requests that could not be sent again.
func (u *upstream) usable() bool {
	if u.raw == nil {
		return true
	}
	u.alive = false
	return u.raw.Read(u.look) == nil && u.alive
}

// readable finds nothing to read on a connection that is idle and open.
func (u *upstream) readable(fd uintptr) bool {
	var one [1]byte
	_, err := syscall.Read(int(fd), one[:])
	u.alive = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
	return true
}

// retire closes the idle connections, and those in use as soon as their response is complete.
func (p *pool) retire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.closeIdle()
}

// cut closes every connection.
func (p *pool) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed, p.broken = true, true
	for u := range p.all {
		u.Conn.Close()
	}
}

// prune closes the connections that have been idle for too long.
func (p *pool) prune(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stale := 0
	for stale < len(p.idle) && now.Sub(p.idle[stale].idleSince) > idleUpstream {
		delete(p.all, p.idle[stale])
		p.idle[stale].Conn.Close()
		stale++
	}
	p.idle = append(p.idle[:0], p.idle[stale:]...)
}

// drop closes the idle connections; the pool stays open.
func (p *pool) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closeIdle()
}

func (p *pool) closeIdle() {
	for _, u := range p.idle {
		delete(p.all, u)
		u.Conn.Close()
	}
	p.idle = nil
}
