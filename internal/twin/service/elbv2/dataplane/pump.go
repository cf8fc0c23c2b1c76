package dataplane

import (
	"sync/atomic"
	"time"
)

// pump streams a request body to the target beside the response.
type pump struct {
	ended   chan struct{}
	err     error        // why it ended early; read it and fault after ended
	fault   *refusal     // the client is to blame
	moved   atomic.Int64 // when bytes last went either way, in ns since 1970
	any     atomic.Bool  // bytes came from the client
	last    atomic.Bool  // nothing is to come from the client any more
	aborted atomic.Bool
}

func (x *exchange) startPump() {
	x.pump = &pump{ended: make(chan struct{})}
	x.pump.progress()
	x.in.widen(workspaceSize)
	go x.pump.run(x.conn, x.up, x.body)
}

func (p *pump) run(c *conn, up *upstream, b body) {
	defer close(p.ended)
	timeout := c.routes.attributes.IdleTimeout
	for {
		n, done, err := b.take(c.in.unread())
		if err != nil {
			p.stop(up, err, errMalformed)
			return
		}
		up.SetWriteDeadline(time.Now().Add(timeout))
		p.last.Store(done)
		if _, p.err = up.Write(c.in.unread()[:n]); p.err != nil {
			return
		}
		c.in.consume(n)
		if done {
			return
		}
		c.nc.SetReadDeadline(time.Now().Add(timeout))
		if err := c.in.fill(c.nc); err != nil {
			p.stop(up, err, &refusal{408, "request body not received in time"})
			return
		}
		p.any.Store(true)
		p.progress()
	}
}

// stop ends the exchange because of the client: the target must not take half a body for a whole one.
func (p *pump) stop(up *upstream, err error, fault *refusal) {
	if p.err = err; !p.aborted.Load() {
		p.fault = fault
	}
	up.Conn.Close()
}

func (p *pump) progress()           { p.moved.Store(time.Now().UnixNano()) }
func (p *pump) idle() time.Duration { return time.Duration(time.Now().UnixNano() - p.moved.Load()) }
func (p *pump) untouched() bool     { return !p.any.Load() }

func (p *pump) refusal() *refusal {
	<-p.ended
	return p.fault
}

// endPump waits for the request body to be through, or ends it when the response is complete before. It says whether the
// whole body was sent.
func (x *exchange) endPump() bool {
	if x.pump == nil {
		return x.bodyDone
	}
	if !x.pump.ending() {
		x.pump.aborted.Store(true)
		x.up.Conn.Close()
		x.nc.SetReadDeadline(time.Unix(1, 0))
		<-x.pump.ended
	}
	x.deadline = time.Time{}
	return x.pump.err == nil
}

// ending says whether the pump is through. It may be about to say so itself when the target has answered already.
func (p *pump) ending() bool {
	if !p.last.Load() {
		return false
	}
	select {
	case <-p.ended:
		return true
	case <-time.After(time.Second):
		return false
	}
}
