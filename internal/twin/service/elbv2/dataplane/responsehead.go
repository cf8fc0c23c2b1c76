package dataplane

import (
	"bytes"
	"errors"
)

// responseHead is a parsed HTTP/1 response head of a target. Its slices point into the buffer that was parsed.
type responseHead struct {
	status int
	start  []byte // "200 OK": what follows the version in the status line
	minor  byte
	fields []field

	length    int64
	hasLength bool
	chunked   bool
	close     bool
	keepAlive bool
	hasDate   bool
	hasServer bool
	nominates bool
}

var errResponse = errors.New("malformed response")

// parse reads a complete response head, up to and including its blank line.
func (h *responseHead) parse(raw []byte) error {
	*h = responseHead{fields: h.fields[:0]}
	end := bytes.IndexByte(raw, '\n')
	if end < 13 || raw[end-1] != '\r' || string(raw[:7]) != "HTTP/1." || raw[8] != ' ' {
		return errResponse
	}
	if raw[7] != '0' && raw[7] != '1' {
		return errResponse
	}
	h.minor, h.start = raw[7]-'0', raw[9:end-1]
	if err := h.parseStatus(); err != nil {
		return err
	}
	var ok bool
	if h.fields, ok = parseFields(h.fields, raw[end+1:len(raw)-2]); !ok {
		return errResponse
	}
	return h.digest()
}

func (h *responseHead) parseStatus() error {
	if len(h.start) < 3 || len(h.start) > 3 && h.start[3] != ' ' || !isFieldValue(h.start) {
		return errResponse
	}
	n, ok := parseLength(h.start[:3])
	if !ok || n < 100 || n > 599 {
		return errResponse
	}
	h.status = int(n)
	return nil
}

func (h *responseHead) digest() error {
	for i := range h.fields {
		f := &h.fields[i]
		switch f.id {
		case headerContentLength:
			n, ok := parseLength(f.value)
			if !ok || h.hasLength && n != h.length {
				return errResponse
			}
			h.length, h.hasLength = n, true
		case headerTransferEncoding:
			if h.chunked || !equalFold(f.value, "chunked") {
				return errResponse
			}
			h.chunked = true
		case headerConnection:
			h.noteConnection(f.value)
		case headerDate:
			h.hasDate = true
		case headerServer:
			h.hasServer = true
		}
	}
	if h.chunked && (h.hasLength || h.minor == 0) {
		return errResponse
	}
	return nil
}

func (h *responseHead) noteConnection(list []byte) {
	for len(list) > 0 {
		var item []byte
		item, list = cutList(list)
		switch {
		case equalFold(item, "close"):
			h.close = true
		case equalFold(item, "keep-alive"):
			h.keepAlive = true
		case len(item) > 0:
			h.nominates = true
		}
	}
}

// persistent says whether the target keeps the connection open after this response.
func (h *responseHead) persistent() bool {
	return !h.close && (h.minor == 1 || h.keepAlive)
}

// body is what follows the head in answer to a request with or without the method HEAD (RFC 9112 §6.3).
func (h *responseHead) body(head bool) body {
	switch {
	case head || h.status < 200 || h.status == 204 || h.status == 304:
		return body{}
	case h.chunked:
		return body{kind: bodyChunked}
	case h.hasLength && h.length == 0:
		return body{}
	case h.hasLength:
		return body{kind: bodyLength, left: h.length}
	}
	return body{kind: bodyUntilClose}
}

// hopByHop says whether a field is for the connection with the target alone.
func (h *responseHead) hopByHop(f *field) bool {
	switch f.id {
	case headerConnection, headerKeepAlive, headerProxyConnection, headerUpgrade:
		return true
	case headerOther:
		return h.nominates && h.nominated(f.name)
	}
	return false
}

func (h *responseHead) nominated(name []byte) bool {
	for i := range h.fields {
		if h.fields[i].id == headerConnection && listedName(h.fields[i].value, name) {
			return true
		}
	}
	return false
}
