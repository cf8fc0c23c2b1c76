package dataplane

import "bytes"

// The limits of an Application Load Balancer.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
const (
	maxRequestLine  = 16 << 10
	maxHeaderLine   = 16 << 10
	maxRequestHead  = 64 << 10
	maxResponseHead = 32 << 10
)

// refusal is why a request is answered by the load balancer itself with an error.
type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string { return r.reason }

var (
	errMalformed      = &refusal{400, "malformed request"}
	errAmbiguous      = &refusal{400, "request with an ambiguous length"}
	errHeadTooLarge   = &refusal{400, "request header too large"}
	errTargetTooLong  = &refusal{414, "request line too long"}
	errTransferCoding = &refusal{501, "transfer coding not supported"}
	errVersion        = &refusal{505, "HTTP version not supported"}
	errTrace          = &refusal{405, "TRACE is not supported"}
)

// requestHead is a parsed HTTP/1 request head. Its slices point into the buffer that was parsed.
type requestHead struct {
	method      []byte
	target      []byte // origin-form, or "*"
	path, query []byte // of target; query without the question mark
	host        []byte // from an absolute target, else from the Host header
	minor       byte   // HTTP/1.minor
	fields      []field

	isHead        bool  // the method is HEAD
	length        int64 // of the body; 0 without one
	hasLength     bool
	chunked       bool
	close         bool // Connection: close
	keepAlive     bool // Connection: keep-alive
	upgrade       bool // Connection: upgrade, with a protocol other than h2c
	protocol      bool // Upgrade names such a protocol
	trailers      bool // TE: trailers
	nominates     bool // Connection names other headers
	expect        bool // Expect: 100-continue
	hasHost       bool
	ambiguous     bool // no connection is kept after this request
	absolute      bool // the target was in absolute-form
	invalidFields bool // some header names are not of ALB's alphabet
}

var crlfcrlf = []byte("\r\n\r\n")

// parse reads a complete head: raw ends with the first blank line of the connection's input.
func (h *requestHead) parse(raw []byte) error {
	*h = requestHead{fields: h.fields[:0]}
	end := bytes.IndexByte(raw, '\n')
	if end < 1 || raw[end-1] != '\r' {
		return errMalformed
	}
	if end > maxRequestLine {
		return errTargetTooLong
	}
	if err := h.parseLine(raw[:end-1]); err != nil {
		return err
	}
	var ok bool
	if h.fields, ok = parseFields(h.fields, raw[end+1:len(raw)-2]); !ok {
		return errMalformed
	}
	return h.digest()
}

func (h *requestHead) parseLine(line []byte) error {
	method, rest, ok := bytes.Cut(line, []byte{' '})
	if !ok || !isToken(method) {
		return errMalformed
	}
	target, version, ok := bytes.Cut(rest, []byte{' '})
	if !ok || len(target) == 0 || !allOf(target, classTarget) {
		return errMalformed
	}
	if len(version) != 8 || string(version[:5]) != "HTTP/" || version[6] != '.' {
		return errMalformed
	}
	if version[5] != '1' || version[7] != '0' && version[7] != '1' {
		return errVersion
	}
	h.method, h.minor, h.isHead = method, version[7]-'0', string(method) == "HEAD"
	if string(method) == "TRACE" {
		return errTrace
	}
	return h.parseTarget(target)
}

// parseTarget reads an origin-form, an absolute-form, which becomes origin-form, or the asterisk of OPTIONS.
func (h *requestHead) parseTarget(target []byte) error {
	if scheme, rest, ok := bytes.Cut(target, []byte("://")); ok && target[0] != '/' {
		if !equalFold(scheme, "http") && !equalFold(scheme, "https") {
			return errMalformed
		}
		h.absolute = true
		slash := bytes.IndexAny(rest, "/?")
		if slash < 0 {
			h.host, target = rest, []byte("/")
		} else {
			h.host, target = rest[:slash], rest[slash:]
		}
		if len(h.host) == 0 || !allOf(h.host, classHost) || target[0] == '?' {
			return errMalformed
		}
	}
	if target[0] != '/' && !(string(target) == "*" && string(h.method) == "OPTIONS") {
		return errMalformed
	}
	h.target = target
	h.path, h.query, _ = bytes.Cut(target, []byte{'?'})
	return nil
}

// digest draws from the fields what decides about the body and the connection.
func (h *requestHead) digest() error {
	for i := range h.fields {
		f := &h.fields[i]
		if len(f.line) > maxHeaderLine {
			return errHeadTooLarge
		}
		if f.id == headerOther {
			h.invalidFields = h.invalidFields || !validForALB(f.name)
			continue
		}
		if err := h.note(f); err != nil {
			return err
		}
	}
	if h.minor == 1 && !h.hasHost {
		return errMalformed
	}
	h.upgrade = h.upgrade && h.protocol && h.minor == 1
	return nil
}

func (h *requestHead) note(f *field) error {
	switch f.id {
	case headerHost:
		if h.hasHost || !allOf(f.value, classHost) {
			return errMalformed
		}
		h.hasHost = true
		if !h.absolute {
			h.host = f.value
		}
	case headerContentLength:
		return h.noteLength(f.value)
	case headerTransferEncoding:
		return h.noteTransferEncoding(f.value)
	case headerConnection:
		h.noteConnection(f.value)
	case headerUpgrade:
		// A target that took to HTTP/2 would be out of this load balancer's sight.
		h.protocol = len(f.value) > 0 && !listed(f.value, "h2c")
	case headerTE:
		h.trailers = h.trailers || listed(f.value, "trailers")
	case headerExpect:
		h.expect = h.expect || equalFold(f.value, "100-continue")
	}
	return nil
}

func (h *requestHead) noteLength(value []byte) error {
	n, ok := parseLength(value)
	if !ok || h.hasLength || h.chunked {
		return errAmbiguous
	}
	h.length, h.hasLength = n, true
	return nil
}

func (h *requestHead) noteTransferEncoding(value []byte) error {
	if !equalFold(value, "chunked") {
		return errTransferCoding
	}
	if h.chunked || h.hasLength || h.minor == 0 {
		return errAmbiguous
	}
	h.chunked = true
	return nil
}

func (h *requestHead) noteConnection(list []byte) {
	for len(list) > 0 {
		var item []byte
		item, list = cutList(list)
		switch {
		case equalFold(item, "close"):
			h.close = true
		case equalFold(item, "keep-alive"):
			h.keepAlive = true
		case equalFold(item, "upgrade"):
			h.upgrade = true
		case len(item) > 0:
			h.nominates = true
		}
	}
}

// persistent says whether the client expects the connection to stay open after the answer.
func (h *requestHead) persistent() bool {
	return !h.close && (h.minor == 1 || h.keepAlive)
}

// idempotent says whether the request may be sent a second time (RFC 9110 §9.2.2).
func (h *requestHead) idempotent() bool {
	switch string(h.method) {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE":
		return true
	}
	return false
}

// undefinedBody says whether the request has a body whose meaning is not defined, which some servers do not expect to be
// there: the next request might be read from it.
func (h *requestHead) undefinedBody() bool {
	return (h.length > 0 || h.chunked) && (h.isHead || string(h.method) == "GET")
}

// mitigate applies the desync mitigation mode: the strictest refuses what is not plainly compliant, the defensive, which
// is the default, keeps no connection after it.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html#desync-mitigation-mode
func (h *requestHead) mitigate(mode DesyncMode) error {
	if !h.undefinedBody() || mode == DesyncMonitor {
		return nil
	}
	if mode == DesyncStrictest {
		return errAmbiguous
	}
	h.close, h.ambiguous = true, true
	return nil
}

func (h *requestHead) body() body {
	switch {
	case h.chunked:
		return body{kind: bodyChunked}
	case h.length > 0:
		return body{kind: bodyLength, left: h.length}
	}
	return body{}
}

// nominated says whether the Connection header declares a field to be for this hop alone. Those that frame or route the
// request cannot be: dropping them would change what the target reads.
func (h *requestHead) nominated(f *field) bool {
	if !h.nominates || f.id != headerOther && f.id != headerCookie {
		return false
	}
	for i := range h.fields {
		c := &h.fields[i]
		if c.id == headerConnection && listedName(c.value, f.name) {
			return true
		}
	}
	return false
}

func listedName(list, name []byte) bool {
	for len(list) > 0 {
		var item []byte
		item, list = cutList(list)
		if bytes.EqualFold(item, name) {
			return true
		}
	}
	return false
}
