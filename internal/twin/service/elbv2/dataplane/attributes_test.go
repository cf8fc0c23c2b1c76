package dataplane

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// reflector answers with a request header as the target got it.
func reflector(t *testing.T, name string) string {
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.Join(r.Header.Values(name), "|"))
	})
}

// Both ways in must treat headers alike.
func TestHeaderAttributes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		attributes       Attributes
		header, sent     string
		received, prefix string
	}{
		"for, default":       {Attributes{}, "X-Forwarded-For", "192.0.2.1", "192.0.2.1, 127.0.0.1", ""},
		"for, preserve":      {Attributes{XFFMode: XFFPreserve}, "X-Forwarded-For", "192.0.2.1", "192.0.2.1", ""},
		"for, remove":        {Attributes{XFFMode: XFFRemove}, "X-Forwarded-For", "192.0.2.1", "", ""},
		"for, with port":     {Attributes{XFFClientPort: true}, "X-Forwarded-For", "", "", "127.0.0.1:"},
		"invalid, default":   {Attributes{}, "X_odd", "1", "1", ""},
		"invalid, dropped":   {Attributes{DropInvalidHeaderFields: true}, "X_odd", "1", "", ""},
		"valid, not dropped": {Attributes{DropInvalidHeaderFields: true}, "X-Even", "1", "1", ""},
		"trace with a root":  {Attributes{}, "X-Amzn-Trace-Id", "Self=1-2-3;Root=1-a-b;P=q", "", "Self=1-"},
		"trace without root": {Attributes{}, "X-Amzn-Trace-Id", "P=q", "", "Root=1-"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := single([]Rule{forwardTo("g")}, groupOf("g", reflector(t, test.header)))
			config.LoadBalancers[0].Attributes = test.attributes
			p := start(t)
			apply(t, p, config)
			front := httptest.NewServer(p)
			t.Cleanup(front.Close)
			for _, base := range []string{base(p), front.URL} {
				request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, base, nil)
				request.Host = "web.elb.localhost"
				if test.sent != "" {
					request.Header.Set(test.header, test.sent)
				}
				_, got := send(t, request)
				if test.prefix == "" && got != test.received || !strings.HasPrefix(got, test.prefix) {
					t.Errorf("target got %q", got)
				}
				if strings.HasPrefix(test.prefix, "Self=") && !strings.HasSuffix(got, ";Root=1-a-b;P=q") {
					t.Errorf("target got %q", got)
				}
			}
		})
	}
}

func TestBodyWithAGetIsTreatedByTheDesyncMode(t *testing.T) {
	t.Parallel()
	address := says(t, "ok")
	for mode, want := range map[DesyncMode]string{DesyncMonitor: "open 200", DesyncDefensive: "closed 200", "": "closed 200", DesyncStrictest: "closed 400"} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			config := single([]Rule{forwardTo("g")}, groupOf("g", address))
			config.LoadBalancers[0].Attributes.DesyncMitigation = mode
			p := start(t)
			apply(t, p, config)
			nc, r := dial(t, p)
			io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")
			response, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("open %d", response.StatusCode)
			if response.Close {
				got = fmt.Sprintf("closed %d", response.StatusCode)
			}
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestNewTargetIsWarmedUpSlowly(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	cold, warm := &target{healthySince: now.Add(-10 * time.Second)}, &target{healthySince: now.Add(-time.Hour)}
	s := &selection{targets: []*target{cold, warm}, slowStart: 100 * time.Second}
	got := 0
	for range 11_000 {
		if s.warming(now) == cold {
			got++
		}
	}
	// A tenth of the share of a warm target: one in eleven, give or take five standard deviations.
	if got < 849 || got > 1151 {
		t.Errorf("got %d of 11000", got)
	}
}

func TestTargetsMaySpeakTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(echo))
	t.Cleanup(s.Close)
	group := groupOf("g", s.Listener.Addr().String())
	group.Protocol = "HTTPS"
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	await(t, p, "g", allHealthy)
	front := httptest.NewServer(p.Handler("listener"))
	t.Cleanup(front.Close)
	for _, base := range []string{base(p), base(p), front.URL} {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, base, strings.NewReader("secret"))
		if response, body := send(t, request); body != "secret" {
			t.Errorf("got %d %q", response.StatusCode, body)
		}
	}
}

func TestWebSocketThroughAnotherServerIsCutWithItsTarget(t *testing.T) {
	t.Parallel()
	group := groupOf("g", rawBackend(t, func(nc net.Conn, r *bufio.Reader) {
		if readRequest(nc, r) != nil {
			io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
			io.Copy(nc, r)
		}
	}))
	group.DeregistrationDelay = 20 * time.Millisecond
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	front := httptest.NewServer(p.Handler("listener"))
	t.Cleanup(front.Close)
	nc, err := net.Dial("tcp", front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(nc)
	io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
	if response, err := http.ReadResponse(r, nil); err != nil || response.StatusCode != 101 {
		t.Fatalf("got %v %v", response, err)
	}
	io.WriteString(nc, "ping")
	heard := make([]byte, 4)
	if _, err := io.ReadFull(r, heard); err != nil || string(heard) != "ping" {
		t.Fatalf("heard %q %v", heard, err)
	}
	if h := p.Health("g")[0]; h.InFlight != 1 {
		t.Errorf("in flight: %d", h.InFlight)
	}
	group.Targets[0].Draining = true
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("then heard %q %v", rest, err)
	}
	await(t, p, "g", func(h []TargetHealth) bool { return h[0].InFlight == 0 })
}

func TestTargetRegisteredAgainStartsAnew(t *testing.T) {
	t.Parallel()
	group := groupOf("g", says(t, "a"))
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, clone(group)))
	await(t, p, "g", allHealthy)
	group.Targets[0].Draining = true
	apply(t, p, single([]Rule{forwardTo("g")}, clone(group)))
	await(t, p, "g", func(h []TargetHealth) bool { return h[0].Drained })
	group.Targets[0].Draining = false
	apply(t, p, single([]Rule{forwardTo("g")}, clone(group)))
	if h := p.Health("g")[0]; h.State == StateDraining {
		t.Errorf("told %+v", h)
	}
	await(t, p, "g", allHealthy)
	if _, body := get(t, p, "/"); body != "a" {
		t.Errorf("answered %q", body)
	}
}
