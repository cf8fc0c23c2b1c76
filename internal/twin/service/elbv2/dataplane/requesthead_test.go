package dataplane

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestRequestHeadRefuses(t *testing.T) {
	t.Parallel()
	const host = "Host: a\r\n"
	for name, test := range map[string]struct {
		head   string
		status int
	}{
		"no version":                  {"GET /\r\n" + host, 400},
		"two spaces":                  {"GET  / HTTP/1.1\r\n" + host, 400},
		"bare LF":                     {"GET / HTTP/1.1\nHost: a\r\n", 400},
		"bare LF in the header":       {"GET / HTTP/1.1\r\nA: b\nHost: a\r\n", 400},
		"CR in a value":               {"GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n", 400},
		"NUL in a value":              {"GET / HTTP/1.1\r\nHost: a\r\nA: \x00\r\n", 400},
		"folded line":                 {"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n", 400},
		"blank before the colon":      {"GET / HTTP/1.1\r\nHost : a\r\n", 400},
		"no name":                     {"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n", 400},
		"no colon":                    {"GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n", 400},
		"no host":                     {"GET / HTTP/1.1\r\n", 400},
		"two hosts":                   {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400},
		"host with a slash":           {"GET / HTTP/1.1\r\nHost: a/b\r\n", 400},
		"length and transfer coding":  {"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n" + host, 400},
		"transfer coding and length":  {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n" + host, 400},
		"two lengths":                 {"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n" + host, 400},
		"list of lengths":             {"POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n" + host, 400},
		"negative length":             {"POST / HTTP/1.1\r\nContent-Length: -1\r\n" + host, 400},
		"length with a sign":          {"POST / HTTP/1.1\r\nContent-Length: +1\r\n" + host, 400},
		"empty length":                {"POST / HTTP/1.1\r\nContent-Length:\r\n" + host, 400},
		"two transfer codings":        {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" + host, 400},
		"transfer coding in HTTP/1.0": {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" + host, 400},
		"unknown transfer coding":     {"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n" + host, 501},
		"disguised transfer coding":   {"POST / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n" + host, 400},
		"authority form":              {"CONNECT a:80 HTTP/1.1\r\n" + host, 400},
		"other scheme":                {"GET ftp://a/ HTTP/1.1\r\n" + host, 400},
		"control in the target":       {"GET /\x01 HTTP/1.1\r\n" + host, 400},
		"asterisk":                    {"GET * HTTP/1.1\r\n" + host, 400},
		"HTTP/2.0":                    {"GET / HTTP/2.0\r\n" + host, 505},
		"TRACE":                       {"TRACE / HTTP/1.1\r\n" + host, 405},
		"long request line":           {"GET /" + strings.Repeat("a", maxRequestLine) + " HTTP/1.1\r\n" + host, 414},
		"long header line":            {"GET / HTTP/1.1\r\nA: " + strings.Repeat("a", maxHeaderLine) + "\r\n" + host, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h requestHead
			var refused *refusal
			if err := h.parse([]byte(test.head + "\r\n")); !errors.As(err, &refused) || refused.status != test.status {
				t.Errorf("got %v, want %d", err, test.status)
			}
		})
	}
}

func TestRequestHeadReads(t *testing.T) {
	t.Parallel()
	var h requestHead
	raw := "POST http://Shop.Example.test:8080/a%20b?x=1&y HTTP/1.1\r\nhost: other\r\nConnection: Keep-Alive, Upgrade\r\n" +
		"Upgrade: websocket\r\nTRANSFER-encoding: Chunked\r\nExpect: 100-Continue\r\nx_y: 1\r\n\r\n"
	if err := h.parse([]byte(raw)); err != nil {
		t.Fatal(err)
	}
	if string(h.host) != "Shop.Example.test:8080" || string(h.target) != "/a%20b?x=1&y" || string(h.path) != "/a%20b" ||
		string(h.query) != "x=1&y" {
		t.Errorf("target read as %q %q %q %q", h.host, h.target, h.path, h.query)
	}
	if !h.chunked || !h.upgrade || !h.expect || !h.keepAlive || !h.invalidFields || !h.persistent() {
		t.Errorf("header read as %+v", h)
	}
}

// FuzzRequestHead compares with net/http: whatever both take for a request must have the same method, host and body
// framing, and what this parser accepts beyond net/http may differ in the spelling of the target alone.
func FuzzRequestHead(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /x?y HTTP/1.0\r\nContent-Length: 10\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a:80\r\nTransfer-Encoding: chunked\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
		"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, x\r\nX: y\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		end := bytes.Index(data, crlfcrlf)
		if end < 0 {
			return
		}
		raw := data[:end+4]
		var h requestHead
		if h.parse(bytes.Clone(raw)) != nil {
			return
		}
		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			// Their target is a parsed URL; ours is passed on as it came.
			plain := bytes.Replace(raw, h.target, []byte("/"), 1)
			if _, err = http.ReadRequest(bufio.NewReader(bytes.NewReader(plain))); err != nil && !h.absolute {
				t.Fatalf("accepted what net/http refuses with %v: %q", err, raw)
			}
			return
		}
		chunked := len(theirs.TransferEncoding) > 0
		if theirs.Method != string(h.method) || chunked != h.chunked || !chunked && theirs.ContentLength != h.length {
			t.Fatalf("read as %s %v %d, by net/http as %s %v %d: %q", h.method, h.chunked, h.length,
				theirs.Method, chunked, theirs.ContentLength, raw)
		}
		if !h.absolute && theirs.Host != string(h.host) {
			t.Fatalf("host %q, by net/http %q", h.host, theirs.Host)
		}
	})
}

// FuzzChunks splits a chunked body at every place and expects the same end, and the data net/http reads.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), 3)
	f.Add([]byte("5;a=b\r\nhello\r\n00\r\nX: y\r\n\r\nrest"), 9)
	f.Add([]byte("FFFFFFFFFFFFFFFF\r\n"), 1)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		var whole, split chunkScanner
		n, done, err := whole.scan(data)
		at = min(max(at, 0), len(data))
		first, _, errFirst := split.scan(data[:at])
		second, doneSplit, errSecond := 0, split.state == chunkDone, errFirst
		if errFirst == nil {
			second, doneSplit, errSecond = split.scan(data[at:])
		}
		if (err == nil) != (errSecond == nil) || err == nil && (n != first+second || done != doneSplit) {
			t.Fatalf("whole %d %v %v, split %d+%d %v %v: %q", n, done, err, first, second, doneSplit, errSecond, data)
		}
		if err != nil || !done {
			return
		}
		head := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append([]byte(head), data...))))
		if err != nil {
			t.Fatal(err)
		}
		theirs, ours := new(bytes.Buffer), new(bytes.Buffer)
		if _, err := theirs.ReadFrom(request.Body); err != nil {
			return // stricter than RFC 9112 about overhead
		}
		var again chunkScanner
		for rest := data[:n]; len(rest) > 0; {
			used, part, err := again.next(rest)
			if err != nil {
				t.Fatal(err)
			}
			ours.Write(part)
			rest = rest[used:]
		}
		if !bytes.Equal(ours.Bytes(), theirs.Bytes()) {
			t.Fatalf("read %q, net/http %q", ours, theirs)
		}
	})
}

// FuzzResponseHead never panics, and frames a body as net/http does.
func FuzzResponseHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 204\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		end := bytes.Index(data, crlfcrlf)
		if end < 0 {
			return
		}
		var h responseHead
		if h.parse(bytes.Clone(data[:end+4])) != nil {
			return
		}
		theirs, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(data[:end+4])), nil)
		if err != nil {
			t.Fatalf("accepted what net/http refuses with %v: %q", err, data[:end+4])
		}
		b := h.body(false)
		if theirs.StatusCode != h.status || b.kind == bodyLength && theirs.ContentLength != b.left {
			t.Fatalf("read as %d %+v, by net/http as %d %d", h.status, b, theirs.StatusCode, theirs.ContentLength)
		}
	})
}
