package dataplane

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// http2Server serves, by net/http, the connections to one address that turned out to speak HTTP/2. It is a net.Listener
// to its own http.Server.
type http2Server struct {
	server *http.Server
	handed chan net.Conn
	done   chan struct{}
	once   sync.Once
}

func newHTTP2Server(l *listener) *http2Server {
	s := &http2Server{handed: make(chan net.Conn), done: make(chan struct{})}
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	s.server = &http.Server{
		Protocols: &protocols,
		ErrorLog:  slog.NewLogLogger(l.plane.logger.Handler(), slog.LevelDebug),
		Handler:   l,
	}
	go func() { _ = s.server.Serve(s) }() // ends with ErrServerClosed
	return s
}

// handedConn is a connection that is handed over, with what was read from it already.
type handedConn struct {
	net.Conn
	prefix []byte
	closed chan struct{}
	once   sync.Once
}

func newHandedConn(nc net.Conn, prefix []byte) *handedConn {
	return &handedConn{Conn: nc, prefix: prefix, closed: make(chan struct{})}
}

func (c *handedConn) Read(p []byte) (int, error) {
	if len(c.prefix) > 0 {
		n := copy(p, c.prefix)
		c.prefix = c.prefix[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

func (c *handedConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// CloseWrite lets an HTTP/1 connection over TLS linger.
func (c *handedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}

// serve takes a connection over and returns when handed, which lies under it, is closed.
func (s *http2Server) serve(nc net.Conn, handed *handedConn) {
	select {
	case s.handed <- nc:
		<-handed.closed
	case <-s.done:
	}
}

// Accept waits for the next connection that is handed over.
func (s *http2Server) Accept() (net.Conn, error) {
	select {
	case nc := <-s.handed:
		return nc, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Close ends the handing over.
func (s *http2Server) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// Addr is empty: there is no socket.
func (s *http2Server) Addr() net.Addr { return &net.TCPAddr{} }

// shutdown lets the streams under way finish until ctx ends.
func (s *http2Server) shutdown(ctx context.Context) {
	s.Close()
	if s.server.Shutdown(ctx) != nil {
		s.server.Close()
	}
}
