package dataplane

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// exchange is one request sent to a target and its response.
type exchange struct {
	*conn
	target     *target
	up         *upstream
	body       body // of the request
	bodyDone   bool
	replayable bool // may be sent again when a reused connection turns out to be closed
	began      time.Time
	pump       *pump // streams the rest of the request body; nil when it was all there
	got        int   // bytes of the response in work.in
}

var errNoResponse = errors.New("connection closed before a response")

// forward sends the request to a target of the action and the response to the client. It says whether the connection
// stays open.
func (c *conn) forward(f *forward) bool {
	c.route = f.pick(&c.head)
	if c.route.target == nil {
		return c.answerError(503)
	}
	defer c.route.target.end()
	if !c.speaks() {
		return c.answerError(464)
	}
	c.server.listener.balancer.counts.requests.Add(1)
	c.route.share.group.counts.requests.Add(1)
	x := exchange{conn: c, target: c.route.target, body: c.head.body()}
	return x.run()
}

// speaks says whether HTTP/1 requests may go to the target's group. A group for HTTP/2 or gRPC takes none, as on AWS;
// nor does one for HTTP/1 take gRPC.
func (c *conn) speaks() bool {
	version := c.route.share.group.selection.Load().version
	return version == "" || version == "HTTP1"
}

func (x *exchange) run() bool {
	x.work.out = x.appendRequest(x.work.out[:0])
	n, done, err := x.body.take(x.in.unread())
	if err != nil {
		x.refuse(errMalformed)
		return false
	}
	x.work.out = append(x.work.out, x.in.unread()[:n]...)
	x.in.consume(n)
	x.bodyDone, x.replayable = done, done && x.head.idempotent()
	end, err := x.send()
	if err != nil {
		return x.fail(err)
	}
	return x.relay(end)
}

// send sends the request and reads the head of the response, which ends at the offset it returns. A kept connection that
// the target closed meanwhile is replaced by a new one, so that no request is lost to the race between the two.
func (x *exchange) send() (int, error) {
	for fresh := false; ; fresh = true {
		reused, err := x.connect(fresh)
		if err != nil {
			return 0, err
		}
		if x.using.Store(x.up); x.killed.Load() {
			x.up.discard()
			return 0, net.ErrClosed
		}
		end, err := x.attempt(reused)
		if err == nil {
			return end, nil
		}
		x.endPump()
		x.up.discard()
		if !reused || !x.replayable || !errors.Is(err, errNoResponse) {
			return 0, err
		}
		x.target.pool.drop()
	}
}

// connect finds a connection to the target.
func (x *exchange) connect(fresh bool) (reused bool, err error) {
	x.began = time.Now()
	x.touch(x.began)
	for !fresh {
		u := x.target.pool.get(x.began)
		if u == nil {
			break
		}
		if x.replayable || u.usable() {
			x.up = u
			return true, nil
		}
		u.discard()
	}
	ctx, cancel := context.WithTimeout(x.server.listener.plane.ctx, connectTimeout)
	defer cancel()
	if x.up, err = x.target.pool.open(ctx); err != nil {
		x.target.group.counts.connectionErrors.Add(1)
	}
	return false, err
}

// attempt sends what there is of the request and reads up to the end of the response head.
func (x *exchange) attempt(reused bool) (int, error) {
	x.up.touch(x.began, x.routes.attributes.IdleTimeout)
	_, err := x.up.Write(x.work.out)
	if err != nil && reused && x.replayable {
		return 0, errNoResponse
	}
	if err == nil && !x.bodyDone {
		x.startPump()
	}
	// A target may answer before it has read everything, and close: the answer is there even if sending failed.
	return x.readHead()
}

// readHead reads the next response head, telling the client of informational ones.
func (x *exchange) readHead() (end int, err error) {
	x.got = 0
	for {
		if end, err = x.awaitHead(); err != nil {
			return 0, err
		}
		if err := x.answer.parse(x.work.in[:end]); err != nil {
			return 0, err
		}
		if x.answer.status >= 200 || x.answer.status == 101 {
			now := time.Now()
			x.touch(now)
			x.target.group.counts.answered(x.answer.status, now.Sub(x.began))
			return end, nil
		}
		x.replayable = false
		if x.head.minor == 1 {
			if err := x.write(append(x.appendResponse(x.work.out[:0], false), "\r\n"...)); err != nil {
				return 0, err
			}
		}
		x.got = copy(x.work.in, x.work.in[end:x.got])
	}
}

func (x *exchange) awaitHead() (int, error) {
	seen := 0
	for {
		if i := bytes.Index(x.work.in[seen:x.got], crlfcrlf); i >= 0 {
			return seen + i + 4, nil
		}
		seen = max(0, x.got-3)
		if x.got == len(x.work.in) {
			return 0, errResponse
		}
		n, err := x.readMore(x.work.in[x.got:])
		if n == 0 && err != nil {
			if x.got == 0 && !isTimeout(err) {
				return 0, errNoResponse
			}
			return 0, err
		}
		x.got += n
	}
}

// readMore reads from the target. As long as the request body flows the connection is not idle, even if the target has
// nothing to say yet.
func (x *exchange) readMore(p []byte) (int, error) {
	for {
		n, err := x.up.Read(p)
		if x.pump == nil || n > 0 || !isTimeout(err) {
			return n, err
		}
		if x.pump.idle() >= x.routes.attributes.IdleTimeout-x.routes.attributes.IdleTimeout/16 {
			return n, err
		}
		x.up.touch(time.Now(), x.routes.attributes.IdleTimeout)
	}
}

// fail answers for a target that gave no response.
func (x *exchange) fail(err error) bool {
	if x.pump != nil {
		if refused := x.pump.refusal(); refused != nil {
			x.refuse(refused)
			return false
		}
	}
	x.head.close = x.head.close || !x.bodyDone
	status := 502
	if isTimeout(err) {
		status = 504
	}
	x.server.listener.balancer.counts.own(status)
	x.touch(time.Now())
	if !x.answerOwn(status, "text/html", errorPage(status), "") {
		return false
	}
	if !x.bodyDone {
		x.linger()
	}
	return x.head.persistent()
}

func isTimeout(err error) bool {
	var netError net.Error
	return errors.As(err, &netError) && netError.Timeout()
}

// relay sends the response, whose head ends at an offset of what was read, to the client.
func (x *exchange) relay(end int) bool {
	if x.answer.status == 101 {
		return x.upgrade(end)
	}
	b := x.answer.body(x.head.isHead)
	dechunk := b.kind == bodyChunked && x.head.minor == 0
	x.head.close = x.head.close || x.server.closing.Load() || b.kind == bodyUntilClose || dechunk ||
		x.pump != nil && x.head.expect && x.pump.untouched()
	out := append(x.appendConnection(x.appendResponse(x.work.out[:0], dechunk)), "\r\n"...)
	done, err := x.relayBody(&b, out, end, dechunk)
	clean := x.endPump()
	if !done || !clean || b.kind == bodyUntilClose || !x.answer.persistent() || x.head.ambiguous {
		x.up.discard()
	} else {
		x.target.pool.put(x.up, x.began)
	}
	if err == nil && !clean {
		x.linger()
	}
	return err == nil && clean && x.head.persistent()
}

// relayBody writes the head and the body. done says that the body was complete and nothing came behind it.
func (x *exchange) relayBody(b *body, out []byte, end int, dechunk bool) (done bool, err error) {
	rest := x.work.in[end:x.got]
	if dechunk {
		x.work.out = out
		return x.dechunk(b, rest)
	}
	n, complete, err := b.take(rest)
	x.work.out = append(out, rest[:n]...)
	if err != nil {
		return false, err
	}
	if err := x.write(x.work.out); err != nil {
		return false, err
	}
	if complete {
		return n == len(rest), nil
	}
	return x.stream(b)
}

// spliceAbove is the length from which a body is left to the kernel to copy.
const spliceAbove = 256 << 10

// stream copies the rest of the response as it comes.
func (x *exchange) stream(b *body) (done bool, err error) {
	for {
		now := time.Now()
		x.touch(now)
		x.up.touch(now, x.routes.attributes.IdleTimeout)
		if b.kind == bodyLength && b.left >= spliceAbove && x.pump == nil {
			if spliced, err := x.splice(b); spliced {
				if err != nil || b.left == 0 {
					return err == nil, err
				}
				continue
			}
		}
		n, err := x.readMore(x.work.in)
		if n == 0 && err != nil {
			if b.kind == bodyUntilClose && errors.Is(err, io.EOF) {
				return true, nil
			}
			return false, err
		}
		used, complete, err := b.take(x.work.in[:n])
		if werr := x.write(x.work.in[:used]); werr != nil || err != nil {
			return false, errors.Join(werr, err)
		}
		if complete {
			return used == n, nil
		}
		if x.pump != nil {
			x.pump.progress()
		}
	}
}

// splice copies a part of a long body from socket to socket, which Linux does without copying it to this process.
func (x *exchange) splice(b *body) (bool, error) {
	to, ok := x.nc.(*net.TCPConn)
	from, plain := x.up.Conn.(*net.TCPConn)
	if !ok || !plain {
		return false, nil
	}
	n, err := to.ReadFrom(&io.LimitedReader{R: from, N: min(b.left, 4<<20)})
	b.left -= n
	x.sent += n
	if err == nil && n == 0 {
		err = io.ErrUnexpectedEOF
	}
	return true, err
}

// dechunk sends a chunked body to a client of HTTP/1.0, which knows no chunks: the end of the connection is its end.
func (x *exchange) dechunk(b *body, rest []byte) (bool, error) {
	for {
		for len(rest) > 0 && b.chunks.state != chunkDone {
			used, data, err := b.chunks.next(rest)
			if err != nil {
				return false, err
			}
			x.work.out = append(x.work.out, data...)
			rest = rest[used:]
		}
		if err := x.write(x.work.out); err != nil {
			return false, err
		}
		if x.work.out = x.work.out[:0]; b.chunks.state == chunkDone {
			return len(rest) == 0, nil
		}
		now := time.Now()
		x.touch(now)
		x.up.touch(now, x.routes.attributes.IdleTimeout)
		n, err := x.readMore(x.work.in)
		if n == 0 && err != nil {
			return false, err
		}
		rest = x.work.in[:n]
	}
}

// touch is conn.touch for a connection to a target.
func (u *upstream) touch(now time.Time, timeout time.Duration) {
	if u.deadline.Sub(now) < timeout-timeout/16 {
		u.deadline = now.Add(timeout)
		u.SetDeadline(u.deadline)
	}
}
