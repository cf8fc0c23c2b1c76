package dataplane

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"time"
)

// appendRequest writes the head as the target gets it: without what was for this hop alone, with the X-Forwarded and
// trace headers. Lines that stay are copied in runs.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html
func (c *conn) appendRequest(out []byte) []byte {
	h := &c.head
	out = append(out, h.method...)
	out = append(out, ' ')
	out = append(out, h.target...)
	out = append(out, " HTTP/1.1\r\n"...)
	if c.replacesHost() {
		out = append(out, "Host: "...)
		out = append(out, h.host...)
		out = append(out, "\r\n"...)
	}
	var run []byte
	for i := range h.fields {
		f := &h.fields[i]
		switch {
		case !c.passes(f):
			out, run = append(out, run...), nil
		case run == nil:
			run = f.line
		default:
			run = run[:len(run)+len(f.line)] // the lines lie one behind the other
		}
	}
	out = append(out, run...)
	out = c.appendForwarded(out)
	out = c.appendTrace(out)
	switch {
	case h.upgrade:
		out = append(out, "Connection: upgrade\r\n"...)
	case h.trailers:
		out = append(out, "TE: trailers\r\nConnection: TE\r\n"...)
	}
	return append(out, "\r\n"...)
}

// replacesHost says whether the Host line is not the one of the client: a request for an absolute URI is for the host in
// it, and HTTP/1.0 knows requests without one.
func (c *conn) replacesHost() bool { return !c.head.hasHost || c.head.absolute }

// passes says whether a header line goes to the target unchanged.
func (c *conn) passes(f *field) bool {
	switch f.id {
	case headerOther, headerCookie:
		if c.head.invalidFields && c.routes.attributes.DropInvalidHeaderFields && !validForALB(f.name) {
			return false
		}
		return !c.head.nominates || !c.head.nominated(f)
	case headerHost:
		return !c.replacesHost()
	case headerConnection, headerKeepAlive, headerProxyConnection, headerTE, headerHTTP2Settings,
		headerForwardedProto, headerForwardedPort, headerTraceID:
		return false
	case headerUpgrade:
		return c.head.upgrade
	case headerForwardedFor:
		return c.routes.attributes.XFFMode == XFFPreserve
	}
	return true
}

func (c *conn) appendForwarded(out []byte) []byte {
	if c.routes.attributes.XFFMode == XFFAppend {
		out = append(out, "X-Forwarded-For: "...)
		for i := range c.head.fields {
			if f := &c.head.fields[i]; f.id == headerForwardedFor && len(f.value) > 0 {
				out = append(append(out, f.value...), ", "...)
			}
		}
		out = c.appendPeer(out)
		out = append(out, "\r\n"...)
	}
	out = append(out, "X-Forwarded-Proto: "...)
	out = append(out, c.routes.protocol...)
	out = append(out, "\r\nX-Forwarded-Port: "...)
	out = append(out, c.routes.port...)
	return append(out, "\r\n"...)
}

func (c *conn) appendPeer(out []byte) []byte {
	if !c.routes.attributes.XFFClientPort {
		return append(out, c.peer...)
	}
	if c.source.Is6() {
		out = append(append(append(out, '['), c.peer...), ']')
	} else {
		out = append(out, c.peer...)
	}
	return append(append(out, ':'), c.port...)
}

func (c *conn) appendTrace(out []byte) []byte {
	out = append(out, "X-Amzn-Trace-Id: "...)
	for i := range c.head.fields {
		if f := &c.head.fields[i]; f.id == headerTraceID {
			return append(appendTrace(out, f.value, time.Now()), "\r\n"...)
		}
	}
	return append(appendTrace(out, nil, time.Now()), "\r\n"...)
}

// appendTrace writes the value of X-Amzn-Trace-Id: a new Root, or what the client sent behind a Self when it has a Root.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html
func appendTrace(out, given []byte, now time.Time) []byte {
	rooted := bytes.Contains(given, []byte("Root="))
	if rooted {
		out = append(out, "Self="...)
	} else {
		out = append(out, "Root="...)
	}
	var id [16]byte
	binary.BigEndian.PutUint32(id[:], uint32(now.Unix()))
	binary.BigEndian.PutUint32(id[4:], rand.Uint32())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	out = append(out, "1-"...)
	out = hex.AppendEncode(out, id[:4])
	out = append(out, '-')
	out = hex.AppendEncode(out, id[4:])
	if len(given) > 0 {
		out = append(append(out, ';'), withoutSelf(given)...)
	}
	return out
}

// withoutSelf drops the Self of a load balancer before this one.
func withoutSelf(trace []byte) []byte {
	var kept []byte
	for len(trace) > 0 {
		var part []byte
		part, trace, _ = bytes.Cut(trace, []byte{';'})
		if bytes.HasPrefix(trimBlanks(part), []byte("Self=")) {
			continue
		}
		if kept != nil {
			kept = append(kept, ';')
		}
		kept = append(kept, trimBlanks(part)...)
	}
	return kept
}

// appendResponse writes the head of a target's response as the client gets it.
func (c *conn) appendResponse(out []byte, dechunk bool) []byte {
	h := &c.answer
	out = append(out, "HTTP/1.1 "...)
	out = append(out, h.start...)
	out = append(out, "\r\n"...)
	var run []byte
	for i := range h.fields {
		f := &h.fields[i]
		switch {
		case h.hopByHop(f) && !(h.status == 101 && f.id == headerUpgrade), dechunk && f.id == headerTransferEncoding:
			out, run = append(out, run...), nil
		case run == nil:
			run = f.line
		default:
			run = run[:len(run)+len(f.line)]
		}
	}
	out = append(out, run...)
	if h.status < 200 {
		return out
	}
	if !h.hasDate {
		out = append(append(append(out, "Date: "...), httpDate()...), "\r\n"...)
	}
	if !h.hasServer {
		out = append(out, "Server: "+ownServer+"\r\n"...)
	}
	if c.route.binds() {
		for _, value := range c.route.cookies(time.Now(), c.targetSets) {
			out = append(append(append(out, "Set-Cookie: "...), value...), "\r\n"...)
		}
	}
	return out
}

// targetSets says whether the target's response sets a cookie.
func (c *conn) targetSets(name string) bool {
	for i := range c.answer.fields {
		if f := &c.answer.fields[i]; f.id == headerSetCookie && setsCookie(f.value, name) {
			return true
		}
	}
	return false
}

func (r *route) binds() bool { return r.bindGroup > 0 || r.bindTarget > 0 }
