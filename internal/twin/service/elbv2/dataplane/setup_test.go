package dataplane

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// start runs a plane for a test.
func start(t *testing.T) *Plane {
	t.Helper()
	p := New(Options{})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

// apply applies a configuration that must be good.
func apply(t *testing.T, p *Plane, config Config) {
	t.Helper()
	if err := p.Apply(config); err != nil {
		t.Fatal(err)
	}
}

// single is a load balancer "lb" with a listener "listener" on a free port, and the given rules.
func single(rules []Rule, groups ...TargetGroup) Config {
	return Config{
		LoadBalancers: []LoadBalancer{{
			ID: "lb", Name: "web", DNSName: "web.elb.localhost",
			Listeners: []Listener{{ID: "listener", Port: 80, Protocol: "HTTP", Bind: "127.0.0.1:0", Rules: rules}},
		}},
		TargetGroups: groups,
	}
}

// forwardTo is the default rule to groups of equal weight.
func forwardTo(ids ...string) Rule {
	var f Forward
	for _, id := range ids {
		f.TargetGroups = append(f.TargetGroups, WeightedTargetGroup{ID: id, Weight: 1})
	}
	return Rule{ID: "default", Actions: []Action{{Type: ActionForward, Forward: f}}}
}

// fixed is a rule that answers with its body.
func fixed(body string, conditions ...Condition) Rule {
	return Rule{ID: body, Conditions: conditions, Actions: []Action{{
		Type: ActionFixedResponse, FixedResponse: FixedResponse{StatusCode: 200, ContentType: "text/plain", Body: body},
	}}}
}

// groupOf is a target group of HTTP targets at the given addresses, which are also their IDs.
func groupOf(id string, addresses ...string) TargetGroup {
	g := TargetGroup{ID: id, Name: id, Protocol: "HTTP", DeregistrationDelay: 5 * time.Second}
	for _, address := range addresses {
		g.Targets = append(g.Targets, Target{ID: address, Port: 80, Address: address})
	}
	return g
}

// backend runs an HTTP server as a target and returns its address.
func backend(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// says is a backend that answers every request with a text.
func says(t *testing.T, text string) string {
	return backend(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
}

// rawBackend runs a TCP server as a target; serve is called with every connection that is no health check.
func rawBackend(t *testing.T, serve func(net.Conn, *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				serve(nc, bufio.NewReader(nc))
			}()
		}
	}()
	return l.Addr().String()
}

// readRequest reads a request's head, answering health checks by itself: it returns nil after one, or at the end.
func readRequest(nc net.Conn, r *bufio.Reader) *http.Request {
	request, err := http.ReadRequest(r)
	if err != nil {
		return nil
	}
	if strings.HasPrefix(request.UserAgent(), "ELB-HealthChecker") {
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return nil
	}
	return request
}

// base is the URL of the listener.
func base(p *Plane) string { return "http://" + p.Addr("listener") }

// get fetches a path of the listener on a connection of its own and returns the status and the body.
func get(t *testing.T, p *Plane, path string, change ...func(*http.Request)) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base(p)+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(request)
	}
	return send(t, request)
}

// send sends a request without following redirects.
func send(t *testing.T, request *http.Request) (*http.Response, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// dial connects to the listener.
func dial(t *testing.T, p *Plane) (net.Conn, *bufio.Reader) {
	t.Helper()
	nc, err := net.Dial("tcp", p.Addr("listener"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	return nc, bufio.NewReader(nc)
}

// talk writes bytes to the listener and reads all it answers until it closes.
func talk(t *testing.T, p *Plane, text string) string {
	t.Helper()
	nc, r := dial(t, p)
	if _, err := io.WriteString(nc, text); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("after %q: %v", answer, err)
	}
	return string(answer)
}

// await waits until the health of a group is as wanted.
func await(t *testing.T, p *Plane, group string, wanted func([]TargetHealth) bool) []TargetHealth {
	t.Helper()
	changes, stop := p.Watch()
	defer stop()
	deadline := time.After(10 * time.Second)
	for {
		if health := p.Health(group); wanted(health) {
			return health
		}
		select {
		case <-changes:
		case <-deadline:
			t.Fatalf("health is still %+v", p.Health(group))
		}
	}
}

// allHealthy is what a deployment waits for.
func allHealthy(health []TargetHealth) bool {
	for _, h := range health {
		if h.State != StateHealthy {
			return false
		}
	}
	return len(health) > 0
}
