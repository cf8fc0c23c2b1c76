package dataplane

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// ServeHTTP serves a request that another server parsed: HTTP/2 and gRPC from the listener's own port, and what came to
// the twin's port. It shares rules, balancing, health, stickiness and counters with the connection loop.
func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := &handling{listener: l, routes: l.routes.Load(), w: w, r: r}
	h.facts = h.collect()
	a := h.routes.match(&h.facts)
	switch {
	case r.Method == http.MethodTrace:
		h.answerError(405)
	case h.ambiguous():
		h.answerError(400)
	case a == nil:
		h.answerError(404)
	case a.forward != nil:
		h.forward(a.forward)
	case a.redirect != nil:
		l.balancer.counts.redirects.Add(1)
		w.Header().Set("Location", a.redirect.location(&h.facts, h.routes.protocol, h.routes.number))
		h.answer(a.redirect.StatusCode, "text/html", errorPage(a.redirect.StatusCode))
	default:
		l.balancer.counts.fixed.Add(1)
		h.answer(a.fixed.StatusCode, orElse(a.fixed.ContentType, "text/plain"), a.fixed.Body)
	}
}

// handling is one request that came through net/http.
type handling struct {
	listener *listener
	routes   *routes
	facts    facts
	route    route
	w        http.ResponseWriter
	r        *http.Request
}

// httpHeader is the header of a request parsed by net/http, as conditions and cookies want it.
type httpHeader http.Header

func (h httpHeader) any(name string, match func([]byte) bool) bool {
	for _, value := range http.Header(h).Values(name) {
		if match([]byte(value)) {
			return true
		}
	}
	return false
}

func (h *handling) collect() facts {
	peer, _ := netip.ParseAddrPort(h.r.RemoteAddr) // a request without an address matches no source-ip condition
	host := hostWithoutPort([]byte(h.r.Host))
	return facts{
		method: []byte(h.r.Method), host: host, port: portOf([]byte(h.r.Host), host), path: []byte(h.r.URL.EscapedPath()),
		query: []byte(h.r.URL.RawQuery), source: peer.Addr().Unmap(), headers: httpHeader(h.r.Header),
	}
}

// ambiguous is requestHead.mitigate for the strictest mode; the others have nothing to do here, where no connection is
// this package's own.
func (h *handling) ambiguous() bool {
	return h.routes.attributes.DesyncMitigation == DesyncStrictest && h.r.ProtoMajor == 1 && h.r.ContentLength != 0 &&
		(h.r.Method == http.MethodGet || h.r.Method == http.MethodHead)
}

func (h *handling) answerError(status int) { h.answer(status, "text/html", errorPage(status)) }

func (h *handling) answer(status int, contentType, page string) {
	h.listener.balancer.counts.own(status)
	header := h.w.Header()
	header.Set("Server", ownServer)
	if page != "" {
		header.Set("Content-Type", contentType)
	}
	h.w.WriteHeader(status)
	if status != 204 && status != 304 && h.r.Method != http.MethodHead {
		_, _ = io.WriteString(h.w, page) // a client that is gone needs no answer
	}
}

func (h *handling) forward(f *forward) {
	h.route = f.pick(httpHeader(h.r.Header))
	if h.route.target == nil {
		h.answerError(503)
		return
	}
	defer h.route.target.end()
	s := h.route.share.group.selection.Load()
	if !h.compatible(s.version) {
		h.answerError(464)
		return
	}
	h.listener.balancer.counts.requests.Add(1)
	h.route.share.group.counts.requests.Add(1)
	began := time.Now()
	ctx, cancel := context.WithCancel(h.r.Context())
	defer cancel()
	defer context.AfterFunc(h.route.target.life, cancel)()
	transport := h.route.target.roundTripper(s, h.routes.attributes.IdleTimeout)
	response, err := transport.RoundTrip(h.outgoing(ctx, s.secure))
	if err != nil {
		h.fail(err)
		return
	}
	defer response.Body.Close()
	h.route.share.group.counts.answered(response.StatusCode, time.Since(began))
	h.relay(response)
}

// compatible says whether the request's protocol is one the target group takes. Where not, AWS answers 464.
func (h *handling) compatible(version string) bool {
	grpc := strings.HasPrefix(h.r.Header.Get("Content-Type"), "application/grpc")
	switch version {
	case "GRPC":
		return h.r.ProtoMajor == 2 && h.r.Method == http.MethodPost
	case "HTTP2":
		return h.r.ProtoMajor == 2
	}
	return !grpc || h.r.ProtoMajor < 2
}

func (h *handling) fail(err error) {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		h.route.share.group.counts.connectionErrors.Add(1)
	}
	if isTimeout(err) {
		h.answerError(504)
		return
	}
	h.answerError(502)
}

// outgoing is the request as the target gets it.
func (h *handling) outgoing(ctx context.Context, secure bool) *http.Request {
	r := h.r.Clone(ctx)
	r.RequestURI, r.Close, r.Trailer = "", false, h.r.Trailer // filled in when the body ends
	target := *h.r.URL
	target.Scheme, target.Host = "http", h.route.target.pool.address
	if secure {
		target.Scheme = "https"
	}
	r.URL = &target
	if h.r.ContentLength == 0 {
		r.Body = nil
	}
	upgrade := upgradeOf(h.r.Header)
	trailers := h.r.ProtoMajor == 2 && h.r.Header.Get("Te") == "trailers"
	removeHopByHop(r.Header)
	if upgrade != "" {
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", upgrade)
	}
	if trailers {
		r.Header.Set("Te", "trailers")
	}
	h.addForwarded(r.Header)
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header.Set("User-Agent", "") // keeps net/http from giving its own
	}
	return r
}

func (h *handling) addForwarded(header http.Header) {
	attributes := &h.routes.attributes
	if attributes.DropInvalidHeaderFields {
		for name := range header {
			if !validForALB([]byte(name)) {
				delete(header, name)
			}
		}
	}
	switch peer := h.peer(); attributes.XFFMode {
	case XFFAppend:
		header.Set("X-Forwarded-For", strings.Join(append(header.Values("X-Forwarded-For"), peer), ", "))
	case XFFRemove:
		header.Del("X-Forwarded-For")
	}
	header.Set("X-Forwarded-Proto", h.routes.protocol)
	header.Set("X-Forwarded-Port", h.routes.port)
	header.Set("X-Amzn-Trace-Id", string(appendTrace(nil, []byte(header.Get("X-Amzn-Trace-Id")), time.Now())))
}

func (h *handling) peer() string {
	host, _, err := net.SplitHostPort(h.r.RemoteAddr)
	if err != nil || h.routes.attributes.XFFClientPort {
		return h.r.RemoteAddr
	}
	return host
}

// relay sends the response to the client, flushing as it comes: it may be a stream of events.
func (h *handling) relay(response *http.Response) {
	if response.StatusCode == http.StatusSwitchingProtocols {
		h.upgrade(response)
		return
	}
	removeHopByHop(response.Header)
	header := h.w.Header()
	for name, values := range response.Header {
		header[name] = values
	}
	h.addOwn(header)
	for name := range response.Trailer {
		header.Add("Trailer", name)
	}
	announced := len(response.Trailer)
	h.w.WriteHeader(response.StatusCode)
	if err := copyFlushing(h.w, response.Body); err != nil {
		panic(http.ErrAbortHandler) // net/http's way to let the client see that the response is not complete
	}
	prefix := ""
	if len(response.Trailer) != announced {
		prefix = http.TrailerPrefix
	}
	for name, values := range response.Trailer {
		header[prefix+name] = values
	}
}

// addOwn adds the headers an Application Load Balancer gives to a target's response.
func (h *handling) addOwn(header http.Header) {
	if header.Get("Server") == "" {
		header.Set("Server", ownServer)
	}
	targetSets := func(name string) bool {
		for _, value := range header.Values("Set-Cookie") {
			if setsCookie([]byte(value), name) {
				return true
			}
		}
		return false
	}
	for _, value := range h.route.cookies(time.Now(), targetSets) {
		header.Add("Set-Cookie", value)
	}
}

func copyFlushing(w http.ResponseWriter, from io.Reader) error {
	controller := http.NewResponseController(w)
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return err
			}
			if err := controller.Flush(); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// upgrade makes a tunnel of a connection that net/http accepted.
func (h *handling) upgrade(response *http.Response) {
	target, ok := response.Body.(io.ReadWriteCloser)
	if !ok {
		h.answerError(502)
		return
	}
	for name, values := range response.Header {
		h.w.Header()[name] = values
	}
	h.w.WriteHeader(http.StatusSwitchingProtocols)
	client, buffered, err := http.NewResponseController(h.w).Hijack()
	if err != nil {
		h.answerError(502)
		return
	}
	defer client.Close()
	defer context.AfterFunc(h.route.target.life, func() { client.Close(); target.Close() })()
	h.listener.balancer.counts.upgraded.Add(1)
	_ = buffered.Flush() // if it fails, so does the copying
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(client, target) // either end may end the tunnel at any time
		client.Close()
	}()
	_, _ = io.Copy(target, buffered)
	target.Close()
	<-done
}

// upgradeOf is the protocol a client asks to change to.
func upgradeOf(header http.Header) string {
	for _, value := range header.Values("Connection") {
		if listed([]byte(value), "upgrade") {
			if protocol := header.Get("Upgrade"); !listed([]byte(protocol), "h2c") {
				return protocol
			}
		}
	}
	return ""
}

func removeHopByHop(header http.Header) {
	for _, list := range header.Values("Connection") {
		for name := range strings.SplitSeq(list, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); identify([]byte(name)) == headerOther {
				header.Del(name)
			}
		}
	}
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Transfer-Encoding", "Upgrade",
		"Http2-Settings", "Trailer"} {
		header.Del(name)
	}
}

// transport is the net/http side of a target's connections.
type transport struct {
	*http.Transport
	timeout time.Duration
}

// roundTripper returns the transport, made anew when the idle timeout of the load balancer has changed.
func (t *target) roundTripper(s *selection, timeout time.Duration) *transport {
	current := t.transport.Load()
	if current != nil && current.timeout == timeout {
		return current
	}
	made := &transport{timeout: timeout, Transport: &http.Transport{
		DialContext:            t.group.plane.dial,
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: true}, // as AWS
		Protocols:              protocolsOf(s.version),
		DisableCompression:     true,
		MaxIdleConnsPerHost:    maxIdlePerTarget,
		IdleConnTimeout:        idleUpstream,
		ResponseHeaderTimeout:  timeout,
		MaxResponseHeaderBytes: maxResponseHead,
	}}
	if !t.transport.CompareAndSwap(current, made) {
		return t.roundTripper(s, timeout)
	}
	if current != nil {
		current.CloseIdleConnections()
	}
	return made
}
