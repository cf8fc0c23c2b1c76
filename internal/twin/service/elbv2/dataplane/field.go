package dataplane

import "bytes"

// field is one header line, as slices of the buffer the head was read into.
type field struct {
	name, value []byte
	line        []byte // name, colon, value and CRLF
	id          headerID
}

// headerID tells the headers that mean something to a load balancer from those it passes on.
type headerID uint8

const (
	headerOther headerID = iota
	headerHost
	headerConnection
	headerKeepAlive
	headerProxyConnection
	headerTE
	headerUpgrade
	headerHTTP2Settings
	headerContentLength
	headerTransferEncoding
	headerExpect
	headerCookie
	headerSetCookie
	headerDate
	headerServer
	headerForwardedFor
	headerForwardedProto
	headerForwardedPort
	headerTraceID
	headerContentType
)

// headerNames has the names, in lower case, by their length.
var headerNames = func() (table [24][]namedHeader) {
	for name, id := range map[string]headerID{
		"host": headerHost, "connection": headerConnection, "keep-alive": headerKeepAlive,
		"proxy-connection": headerProxyConnection, "te": headerTE, "upgrade": headerUpgrade,
		"http2-settings": headerHTTP2Settings, "content-length": headerContentLength,
		"transfer-encoding": headerTransferEncoding, "expect": headerExpect, "cookie": headerCookie,
		"set-cookie": headerSetCookie, "date": headerDate, "server": headerServer,
		"x-forwarded-for": headerForwardedFor, "x-forwarded-proto": headerForwardedProto,
		"x-forwarded-port": headerForwardedPort, "x-amzn-trace-id": headerTraceID, "content-type": headerContentType,
	} {
		table[len(name)] = append(table[len(name)], namedHeader{name, id})
	}
	return table
}()

type namedHeader struct {
	name string
	id   headerID
}

func identify(name []byte) headerID {
	if len(name) >= len(headerNames) {
		return headerOther
	}
	for _, known := range headerNames[len(name)] {
		if equalFold(name, known.name) {
			return known.id
		}
	}
	return headerOther
}

// parseFields splits the lines between the start line and the blank line. Strict, since what two servers read
// differently can smuggle a request: lines end with CRLF, names are tokens followed at once by a colon, no line is
// folded, values hold no control characters.
func parseFields(fields []field, block []byte) ([]field, bool) {
	for len(block) > 0 {
		end := bytes.IndexByte(block, '\n')
		if end < 1 || block[end-1] != '\r' {
			return fields, false
		}
		f, ok := parseField(block[:end+1])
		if !ok {
			return fields, false
		}
		fields = append(fields, f)
		block = block[end+1:]
	}
	return fields, true
}

func parseField(line []byte) (field, bool) {
	colon := bytes.IndexByte(line, ':')
	if colon < 1 || !isToken(line[:colon]) {
		return field{}, false
	}
	value := trimBlanks(line[colon+1 : len(line)-2])
	if !isFieldValue(value) {
		return field{}, false
	}
	name := line[:colon]
	return field{name: name, value: value, line: line, id: identify(name)}, true
}

func trimBlanks(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

const (
	classToken  = 1 << iota // RFC 9110 §5.6.2
	classValue              // what a field value may hold: visible, blank, tab, obs-text
	classTarget             // what a request target may hold
	classHost               // what a Host header may hold
)

var byteClasses = func() (table [256]uint8) {
	for c := range 256 {
		alnum := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if alnum || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), byte(c)) >= 0 {
			table[c] |= classToken
		}
		if c == '\t' || c >= ' ' && c != 0x7f {
			table[c] |= classValue
		}
		if c > ' ' && c != 0x7f && c != '#' {
			table[c] |= classTarget
		}
		if alnum || bytes.IndexByte([]byte("!$%&'()*+,-.:;=[]_~"), byte(c)) >= 0 {
			table[c] |= classHost
		}
	}
	return table
}()

func allOf(b []byte, class uint8) bool {
	for _, c := range b {
		if byteClasses[c]&class == 0 {
			return false
		}
	}
	return true
}

func isToken(b []byte) bool      { return len(b) > 0 && allOf(b, classToken) }
func isFieldValue(b []byte) bool { return allOf(b, classValue) }

// validForALB tells the header names that routing.http.drop_invalid_header_fields.enabled lets pass: letters, digits and
// hyphens.
func validForALB(name []byte) bool {
	for _, c := range name {
		if c != '-' && (c < '0' || c > '9') && (lower(c) < 'a' || lower(c) > 'z') {
			return false
		}
	}
	return true
}

// listed says whether a comma-separated list holds the word (in lower case).
func listed(list []byte, word string) bool {
	for len(list) > 0 {
		var item []byte
		item, list = cutList(list)
		if equalFold(item, word) {
			return true
		}
	}
	return false
}

func cutList(list []byte) (item, rest []byte) {
	item, rest, _ = bytes.Cut(list, []byte{','})
	return trimBlanks(item), rest
}

// parseLength reads a Content-Length: digits alone, at most 18.
func parseLength(value []byte) (int64, bool) {
	if len(value) == 0 || len(value) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
