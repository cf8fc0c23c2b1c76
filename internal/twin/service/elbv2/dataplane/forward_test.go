package dataplane

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestForwardsAndKeepsTheConnection(t *testing.T) {
	t.Parallel()
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", says(t, "hello"))))
	nc, r := dial(t, p)
	for i := range 3 {
		fmt.Fprintf(nc, "GET /%d HTTP/1.1\r\nHost: a.test\r\n\r\n", i)
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(response.Body); string(body) != "hello" || response.StatusCode != 200 {
			t.Fatalf("request %d: %d %q", i, response.StatusCode, body)
		}
	}
}

func TestTellsTheTargetAboutTheClient(t *testing.T) {
	t.Parallel()
	seen := make(chan *http.Request, 10)
	address := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.UserAgent(), "ELB-HealthChecker") {
			seen <- r
		}
	})
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", address)))
	get(t, p, "/a%2Fb?x=1", func(r *http.Request) {
		r.Host = "shop.example.test"
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("Connection", "close, X-Private")
		r.Header.Set("X-Private", "secret")
		r.Header.Set("X-Kept", "kept")
	})
	r := <-seen
	for name, want := range map[string]string{
		"X-Forwarded-For": "198.51.100.7, 127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "80",
		"X-Private": "", "X-Kept": "kept", "Connection": "",
	} {
		if got := strings.Join(r.Header.Values(name), "|"); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if r.Host != "shop.example.test" || r.RequestURI != "/a%2Fb?x=1" {
		t.Errorf("got %s %s", r.Host, r.RequestURI)
	}
	if trace := r.Header.Get("X-Amzn-Trace-Id"); len(trace) != len("Root=1-67891233-abcdef012345678912345678") {
		t.Errorf("trace id %q", trace)
	}
}

func TestAnswersInItsOwnNameWhenTheTargetCannot(t *testing.T) {
	t.Parallel()
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing.Close()
	for name, test := range map[string]struct {
		group  TargetGroup
		status int
	}{
		"no target":  {groupOf("g"), 503},
		"refused":    {groupOf("g", refusing.Addr().String()), 502},
		"closes":     {groupOf("g", rawBackend(t, func(nc net.Conn, r *bufio.Reader) { readRequest(nc, r) })), 502},
		"rubbish":    {groupOf("g", rawBackend(t, answerRaw("rubbish rubbish\r\n\r\n"))), 502},
		"two bodies": {groupOf("g", rawBackend(t, answerRaw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"))), 502},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			apply(t, p, single([]Rule{forwardTo("g")}, test.group))
			response, body := get(t, p, "/")
			if response.StatusCode != test.status || response.Header.Get("Server") != "awselb/2.0" ||
				!strings.Contains(body, fmt.Sprint(test.status)) {
				t.Errorf("got %d %v %q", response.StatusCode, response.Header, body)
			}
		})
	}
}

// answerRaw is a target that answers every request with the same bytes and closes.
func answerRaw(text string) func(net.Conn, *bufio.Reader) {
	return func(nc net.Conn, r *bufio.Reader) {
		if readRequest(nc, r) != nil {
			io.WriteString(nc, text)
		}
	}
}
