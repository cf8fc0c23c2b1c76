package dataplane

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// listener is a running listener, with or without a port of its own.
type listener struct {
	id       string
	plane    *Plane
	balancer *balancer
	routes   atomic.Pointer[routes]

	// guarded by the plane's lock
	bound  string // what server was asked to bind
	server *server
}

// bind makes the listener listen on an address, or on none. The plane's lock is held.
func (l *listener) bind(address string, config *tls.Config) error {
	if l.server != nil && l.bound == address {
		l.server.tls.Store(config)
		return nil
	}
	l.unbind()
	if address == "" {
		return nil
	}
	socket, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s := &server{listener: l, socket: socket, conns: map[*conn]struct{}{}}
	s.tls.Store(config)
	s.http2 = sync.OnceValue(func() *http2Server { return newHTTP2Server(l) })
	l.bound, l.server = address, s
	go s.accept()
	return nil
}

// unbind stops listening; requests under way finish. The plane's lock is held.
func (l *listener) unbind() {
	if l.server == nil {
		return
	}
	s := l.server
	l.server = nil
	s.stop()
}

// server accepts the connections of one bound address.
type server struct {
	listener *listener
	socket   net.Listener
	tls      atomic.Pointer[tls.Config]
	closing  atomic.Bool
	running  sync.WaitGroup
	http2    func() *http2Server // started by the first connection that needs it

	mu    sync.Mutex
	conns map[*conn]struct{}
}

func (s *server) accept() {
	pause := time.Duration(0)
	for {
		nc, err := s.socket.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.listener.plane.logger.Warn("accept", "listener", s.listener.id, "error", err)
			time.Sleep(pause) // out of file descriptors, as a rule: there is no event to wait for
			continue
		}
		pause = 0
		s.start(nc)
	}
}

func (s *server) start(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.running.Go(func() {
		defer s.forget(c)
		c.serve()
	})
}

func (s *server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// stop ends the accepting, idle connections and tunnels; connections with a request under way close after it.
func (s *server) stop() {
	s.mu.Lock()
	s.closing.Store(true)
	s.mu.Unlock()
	s.socket.Close()
	s.each((*conn).retire)
	go s.http2().shutdown(context.Background())
}

func (s *server) each(do func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		do(c)
	}
}

// shutdown is stop, and waiting for the rest until ctx ends.
func (s *server) shutdown(ctx context.Context) error {
	s.stop()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.each((*conn).kill)
		<-done
		return ctx.Err()
	}
}
