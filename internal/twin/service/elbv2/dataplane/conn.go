package dataplane

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a connection of a client to a listener's own port. One goroutine serves its requests one after the other; a
// second one exists only while a request body is streamed.
type conn struct {
	socket   net.Conn
	nc       net.Conn // socket, or TLS on it
	server   *server
	routes   *routes // of the current request
	in       input
	head     requestHead
	answer   responseHead
	facts    facts
	route    route
	work     *workspace
	since    time.Time // of the connection
	deadline time.Time // set on nc, for reading and writing
	source   netip.Addr
	peer     string // the client's address
	port     string // and its port
	state    atomic.Int32
	using    atomic.Pointer[upstream] // in use for the current request
	killed   atomic.Bool
	sent     int64
	served   bool // at least one request
}

// The states of a conn, between which its own goroutine and server.stop decide who closes it.
const (
	connIdle int32 = iota
	connActive
	connTunnel
	connRetired
)

// workspace is the memory a request needs while it is served.
type workspace struct {
	out []byte // a head under construction, and the start of a body
	in  []byte // what was read from the target
}

const workspaceSize = 32 << 10

var workspaces = sync.Pool{New: func() any {
	return &workspace{out: make([]byte, 0, 4<<10), in: make([]byte, workspaceSize)}
}}

func newConn(s *server, nc net.Conn) *conn {
	c := &conn{socket: nc, nc: nc, server: s, since: time.Now()}
	c.in.buf = make([]byte, 4<<10)
	if peer, err := netip.ParseAddrPort(nc.RemoteAddr().String()); err == nil {
		c.source = peer.Addr().Unmap()
		c.peer = c.source.String()
		c.port = strconv.Itoa(int(peer.Port()))
	}
	return c
}

// retire closes the connection as soon as no request is under way.
func (c *conn) retire() {
	if c.state.CompareAndSwap(connIdle, connRetired) {
		c.socket.SetReadDeadline(time.Unix(1, 0))
	} else if c.state.Load() == connTunnel {
		c.socket.Close()
	}
}

// kill ends the connection at once, whatever it waits for.
func (c *conn) kill() {
	c.killed.Store(true)
	c.socket.Close()
	if u := c.using.Load(); u != nil {
		u.Conn.Close()
	}
}

func (c *conn) serve() {
	counts := &c.server.listener.balancer.counts
	counts.newConnections.Add(1)
	counts.activeConnections.Add(1)
	defer counts.activeConnections.Add(-1)
	defer c.socket.Close()
	c.routes = c.server.listener.routes.Load()
	if config := c.server.tls.Load(); config != nil && !c.handshake(config) {
		return
	}
	for c.await() && c.request() {
	}
}

// handshake begins TLS and hands HTTP/2 over. It says whether HTTP/1 follows.
func (c *conn) handshake(config *tls.Config) bool {
	handed := newHandedConn(c.socket, nil)
	secure := tls.Server(handed, c.alpn(config))
	c.nc = secure
	c.touch(time.Now())
	if err := secure.Handshake(); err != nil {
		return false
	}
	if secure.ConnectionState().NegotiatedProtocol == "h2" {
		secure.SetDeadline(time.Time{})
		c.server.http2().serve(secure, handed)
		return false
	}
	return true
}

func (c *conn) alpn(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	if c.routes.attributes.HTTP2Disabled {
		config.NextProtos = config.NextProtos[1:]
	}
	return config
}

// touch keeps the connection from timing out. The deadline is moved only when a sixteenth of it has passed, which spares
// the runtime's timers most of the work.
func (c *conn) touch(now time.Time) {
	timeout := c.routes.attributes.IdleTimeout
	if c.deadline.Sub(now) < timeout-timeout/16 {
		c.deadline = now.Add(timeout)
		c.nc.SetDeadline(c.deadline)
	}
}

const http2Preface = "PRI * HTTP/2.0\r\n\r\n"

// await waits until the head of a request is there. It says whether there is one to serve.
func (c *conn) await() bool {
	c.routes = c.server.listener.routes.Load()
	if c.in.empty() && !c.awaitFirst() {
		return false
	}
	seen := 0
	for {
		end := c.in.find(crlfcrlf, seen)
		if end >= 0 {
			return !c.isHTTP2(end)
		}
		seen = max(0, len(c.in.unread())-3)
		if refused := c.incomplete(); refused != nil {
			c.refuse(refused)
			return false
		}
		if err := c.in.fill(c.nc); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.refuse(&refusal{408, "request header not received in time"})
			}
			return false
		}
	}
}

// awaitFirst waits for the first bytes of a request.
func (c *conn) awaitFirst() bool {
	c.state.Store(connIdle)
	if c.server.closing.Load() {
		return false
	}
	now := time.Now()
	if now.Sub(c.since) > c.routes.attributes.ClientKeepAlive {
		return false
	}
	c.touch(now)
	err := c.in.fill(c.nc)
	if !c.state.CompareAndSwap(connIdle, connActive) {
		c.deadline = time.Time{}
		c.touch(time.Now())
	}
	return err == nil
}

// incomplete says what is wrong already with a head whose end is not there yet.
func (c *conn) incomplete() *refusal {
	got := c.in.unread()
	switch line := bytes.IndexByte(got, '\n'); {
	case line < 0 && len(got) > maxRequestLine:
		return errTargetTooLong
	case len(got) >= maxRequestHead:
		return errHeadTooLarge
	case line == 0 || line > 0 && got[line-1] != '\r':
		return errMalformed
	}
	return nil
}

// isHTTP2 hands a connection that begins with HTTP/2's preface over, and says whether it did. AWS speaks HTTP/2 on
// HTTPS listeners alone; here gRPC clients can do without a certificate.
func (c *conn) isHTTP2(end int) bool {
	if c.served || end != len(http2Preface) || string(c.in.unread()[:end]) != http2Preface ||
		c.routes.attributes.HTTP2Disabled {
		return false
	}
	c.nc.SetDeadline(time.Time{})
	handed := newHandedConn(c.nc, bytes.Clone(c.in.unread()))
	c.server.http2().serve(handed, handed)
	return true
}

// request serves the request at the start of the input and says whether the connection stays open.
func (c *conn) request() bool {
	c.served = true
	c.routes = c.server.listener.routes.Load() // it may have changed while the connection was idle
	c.work = workspaces.Get().(*workspace)
	defer c.release()
	end := c.in.find(crlfcrlf, 0)
	err := c.head.parse(c.in.unread()[:end])
	if err == nil {
		err = c.head.mitigate(c.routes.attributes.DesyncMitigation)
	}
	c.in.consume(end)
	if err != nil {
		var why *refusal
		if errors.As(err, &why) {
			c.refuse(why)
		}
		return false
	}
	c.facts = c.head.facts(c.source)
	a := c.routes.match(&c.facts)
	switch {
	case a == nil:
		return c.answerError(404)
	case a.forward != nil:
		return c.forward(a.forward)
	case a.redirect != nil:
		return c.answerRedirect(a.redirect)
	}
	return c.answerFixed(a.fixed)
}

func (c *conn) release() {
	if cap(c.work.out) > 64<<10 {
		c.work.out = make([]byte, 0, 4<<10)
	}
	workspaces.Put(c.work)
	c.work = nil
	c.server.listener.balancer.counts.sentBytes.Add(uint64(c.sent))
	c.server.listener.balancer.counts.receivedBytes.Add(uint64(c.in.taken))
	c.sent, c.in.taken = 0, 0
}

func (c *conn) write(p []byte) error {
	n, err := c.nc.Write(p)
	c.sent += int64(n)
	return err
}

// input is a buffer of bytes read and not consumed yet.
type input struct {
	buf   []byte
	r, w  int
	taken int64 // bytes consumed since it was last set to 0
}

func (in *input) empty() bool    { return in.r == in.w }
func (in *input) unread() []byte { return in.buf[in.r:in.w] }

func (in *input) consume(n int) {
	in.r += n
	in.taken += int64(n)
}

// widen makes the buffer at least so large.
func (in *input) widen(size int) {
	if len(in.buf) < size {
		wider := make([]byte, size)
		in.w = copy(wider, in.unread())
		in.buf, in.r = wider, 0
	}
}

// find returns where sep ends in the unread bytes, looking from an offset on; -1 when it is not there.
func (in *input) find(sep []byte, from int) int {
	if i := bytes.Index(in.unread()[from:], sep); i >= 0 {
		return from + i + len(sep)
	}
	return -1
}

// fill reads once, making room first. Slices of the unread bytes are void afterwards.
func (in *input) fill(nc net.Conn) error {
	switch {
	case in.r == in.w:
		in.r, in.w = 0, 0
		if len(in.buf) > workspaceSize { // one large head is no reason to keep so much
			in.buf = make([]byte, 4<<10)
		}
	case in.w == len(in.buf) && in.r > 0:
		in.w = copy(in.buf, in.buf[in.r:in.w])
		in.r = 0
	case in.w == len(in.buf):
		in.buf = append(in.buf, make([]byte, len(in.buf))...)
	}
	n, err := nc.Read(in.buf[in.w:])
	in.w += n
	if n > 0 {
		return nil
	}
	return err
}
