package dataplane

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// upgrade answers 101 and lets both sides talk as they like, as after a WebSocket handshake.
func (x *exchange) upgrade(end int) bool {
	defer x.up.discard()
	if !x.head.upgrade {
		x.server.listener.balancer.counts.own(502)
		x.head.close = true
		x.answerOwn(502, "text/html", errorPage(502), "")
		return false
	}
	if !x.endPump() {
		return false
	}
	out := append(x.appendResponse(x.work.out[:0], false), "Connection: upgrade\r\n\r\n"...)
	if x.work.out = append(out, x.work.in[end:x.got]...); x.write(x.work.out) != nil {
		return false
	}
	if _, err := x.up.Write(x.in.unread()); err != nil {
		return false
	}
	x.server.listener.balancer.counts.upgraded.Add(1)
	x.state.Store(connTunnel)
	if x.server.closing.Load() {
		return false
	}
	tunnel(x.nc, x.up.Conn, x.routes.attributes.IdleTimeout)
	return false
}

// tunnel copies both ways until both ends are through or nothing has moved for timeout, and closes both.
func tunnel(a, b net.Conn, timeout time.Duration) {
	var moved atomic.Int64
	moved.Store(time.Now().UnixNano())
	var ways sync.WaitGroup
	ways.Go(func() { tunnelOneWay(a, b, timeout, &moved) })
	tunnelOneWay(b, a, timeout, &moved)
	ways.Wait()
	a.Close()
	b.Close()
}

func tunnelOneWay(to, from net.Conn, timeout time.Duration, moved *atomic.Int64) {
	buffer := make([]byte, 16<<10)
	for {
		from.SetReadDeadline(time.Unix(0, moved.Load()).Add(timeout))
		n, err := from.Read(buffer)
		if n > 0 {
			now := time.Now()
			moved.Store(now.UnixNano())
			to.SetWriteDeadline(now.Add(timeout))
			if _, err := to.Write(buffer[:n]); err != nil {
				from.Close()
				return
			}
			continue
		}
		if isTimeout(err) && time.Since(time.Unix(0, moved.Load())) < timeout {
			continue // the other way was busy
		}
		half, ok := to.(interface{ CloseWrite() error })
		if !errors.Is(err, io.EOF) || !ok || half.CloseWrite() != nil {
			to.Close()
			from.Close()
		}
		return
	}
}
