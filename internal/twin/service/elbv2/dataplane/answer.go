package dataplane

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// ownServer is how an Application Load Balancer names itself in the answers it gives itself.
const ownServer = "awselb/2.0"

// refusalPatience is how long a client has to take the answer to a request that could not be read.
const refusalPatience = 5 * time.Second

// refuse answers a request that cannot be read, after which the connection is of no use.
func (c *conn) refuse(why *refusal) {
	if c.work == nil {
		c.work = workspaces.Get().(*workspace)
		defer c.release()
	}
	c.nc.SetWriteDeadline(time.Now().Add(refusalPatience)) // the deadline may be what was missed
	c.server.listener.balancer.counts.refused(why.status)
	c.head = requestHead{close: true, minor: 1, fields: c.head.fields[:0]}
	c.answerOwn(why.status, "text/html", errorPage(why.status), "")
	c.linger()
}

// answerError answers with the load balancer's own page for a status.
func (c *conn) answerError(status int) bool {
	c.server.listener.balancer.counts.own(status)
	return c.finishOwn(status, "text/html", errorPage(status), "")
}

func (c *conn) answerFixed(f *FixedResponse) bool {
	c.server.listener.balancer.counts.fixed.Add(1)
	c.server.listener.balancer.counts.own(f.StatusCode)
	return c.finishOwn(f.StatusCode, orElse(f.ContentType, "text/plain"), f.Body, "")
}

func (c *conn) answerRedirect(r *Redirect) bool {
	c.server.listener.balancer.counts.redirects.Add(1)
	c.server.listener.balancer.counts.own(r.StatusCode)
	location := r.location(&c.facts, c.routes.protocol, c.routes.number)
	return c.finishOwn(r.StatusCode, "text/html", errorPage(r.StatusCode), location)
}

// finishOwn answers and deals with a request body that nobody wants: a short one is read over, a long one ends the
// connection.
func (c *conn) finishOwn(status int, contentType, page, location string) bool {
	b := c.head.body()
	n, done, err := b.take(c.in.unread())
	if err != nil {
		c.refuse(errMalformed)
		return false
	}
	c.in.consume(n)
	skip := !done && !c.head.expect && b.kind == bodyLength && b.left <= 256<<10
	c.head.close = c.head.close || !done && !skip || c.server.closing.Load()
	if !c.answerOwn(status, contentType, page, location) {
		return false
	}
	if skip {
		done = c.skip(&b)
	}
	if !done {
		c.linger()
	}
	return done && c.head.persistent()
}

// answerOwn writes a whole response.
func (c *conn) answerOwn(status int, contentType, page, location string) bool {
	out := append(c.work.out[:0], "HTTP/1.1 "...)
	out = append(out, statusLine(status)...)
	out = append(out, "\r\nServer: "+ownServer+"\r\nDate: "...)
	out = append(out, httpDate()...)
	if location != "" {
		out = append(out, "\r\nLocation: "...)
		out = append(out, location...)
	}
	if page != "" {
		out = append(out, "\r\nContent-Type: "...)
		out = append(out, contentType...)
	}
	if status != 204 {
		out = append(out, "\r\nContent-Length: "...)
		out = strconv.AppendInt(out, int64(len(page)), 10)
	}
	out = c.appendConnection(append(out, "\r\n"...))
	out = append(out, "\r\n"...)
	if !c.head.isHead && status != 204 && status != 304 {
		out = append(out, page...)
	}
	c.work.out = out
	return c.write(out) == nil
}

// appendConnection tells the client what becomes of the connection where that is not the default of its version.
func (c *conn) appendConnection(out []byte) []byte {
	switch {
	case !c.head.persistent():
		return append(out, "Connection: close\r\n"...)
	case c.head.minor == 0:
		return append(out, "Connection: keep-alive\r\n"...)
	}
	return out
}

// skip reads over the rest of a request body.
func (c *conn) skip(b *body) bool {
	for {
		c.touch(time.Now())
		if err := c.in.fill(c.nc); err != nil {
			return false
		}
		n, done, err := b.take(c.in.unread())
		c.in.consume(n)
		if done || err != nil {
			return done && err == nil
		}
	}
}

// linger lets the client read the answer before the connection is closed: closing at once with unread input would
// reset it.
func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.nc.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = io.CopyN(io.Discard, onlyReader{c.nc}, 1<<20) // the connection is closed whatever comes
}

type onlyReader struct{ net.Conn }

func statusLine(status int) string {
	return strconv.Itoa(status) + " " + statusText(status)
}

func statusText(status int) string {
	switch text := http.StatusText(status); {
	case text != "":
		return text
	case status == 464:
		return "Incompatible Protocol"
	}
	return "Unknown"
}

// errorPage is the page an Application Load Balancer shows.
func errorPage(status int) string {
	line := statusLine(status)
	return "<html>\r\n<head><title>" + line + "</title></head>\r\n<body>\r\n<center><h1>" + line +
		"</h1></center>\r\n</body>\r\n</html>\r\n"
}

// dateLine is the Date of the current second.
type dateLine struct {
	second int64
	text   string
}

var lastDate atomic.Pointer[dateLine]

func httpDate() string {
	now := time.Now()
	if d := lastDate.Load(); d != nil && d.second == now.Unix() {
		return d.text
	}
	d := &dateLine{now.Unix(), now.UTC().Format(http.TimeFormat)}
	lastDate.Store(d)
	return d.text
}
