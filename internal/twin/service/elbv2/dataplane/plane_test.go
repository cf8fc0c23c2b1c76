package dataplane

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestWrongConfigurationChangesNothing(t *testing.T) {
	t.Parallel()
	good := single([]Rule{fixed("good")})
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"unknown group": {func(c *Config) { c.LoadBalancers[0].Listeners[0].Rules = []Rule{forwardTo("none")} }, "target group none is not in the configuration"},
		"group twice":   {func(c *Config) { c.TargetGroups = []TargetGroup{groupOf("g"), groupOf("g")} }, "target group g is given twice"},
		"no action":     {func(c *Config) { c.LoadBalancers[0].Listeners[0].Rules = []Rule{{ID: "r"}} }, "rule r: no forward"},
		"login action": {func(c *Config) {
			c.LoadBalancers[0].Listeners[0].Rules = []Rule{{Actions: []Action{{Type: "authenticate-oidc"}}}}
		}, `"authenticate-oidc" is not supported`},
		"unknown field": {func(c *Config) { c.LoadBalancers[0].Listeners[0].Rules = []Rule{fixed("x", Condition{Field: "moon"})} }, `"moon" is not known`},
		"bad expression": {func(c *Config) {
			c.LoadBalancers[0].Listeners[0].Rules = []Rule{fixed("x", Condition{Field: FieldPath, Regex: []string{"("}})}
		}, "missing closing )"},
		"bad matcher": {func(c *Config) { c.TargetGroups = []TargetGroup{{ID: "g", HealthCheck: HealthCheck{Matcher: "fine"}}} }, `"fine"`},
		"bad check path": {func(c *Config) {
			c.TargetGroups = []TargetGroup{{ID: "g", HealthCheck: HealthCheck{Path: "http://x/"}}}
		}, "not an absolute path"},
		"bad address":    {func(c *Config) { c.TargetGroups = []TargetGroup{groupOf("g", "nowhere")} }, "missing port"},
		"no certificate": {func(c *Config) { c.LoadBalancers[0].Listeners[0].Protocol = "HTTPS" }, "needs a certificate"},
		"other protocol": {func(c *Config) { c.LoadBalancers[0].Listeners[0].Protocol = "UDP" }, `"UDP" is not served`},
		"listener twice": {func(c *Config) { c.LoadBalancers = append(c.LoadBalancers, c.LoadBalancers[0]) }, "given twice"},
		"redirect status": {func(c *Config) {
			c.LoadBalancers[0].Listeners[0].Rules = []Rule{{Actions: []Action{{Type: ActionRedirect}}}}
		}, "redirect with status 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			apply(t, p, good)
			bad := single([]Rule{fixed("bad")})
			test.change(&bad)
			if err := p.Apply(bad); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if _, body := get(t, p, "/"); body != "good" {
				t.Errorf("answered %q", body)
			}
		})
	}
}

func TestConnectionSurvivesAChangeOfTheRules(t *testing.T) {
	t.Parallel()
	p := start(t)
	apply(t, p, single([]Rule{fixed("one")}))
	nc, r := dial(t, p)
	for _, want := range []string{"one", "two"} {
		apply(t, p, single([]Rule{fixed(want)}))
		io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(response.Body); string(body) != want {
			t.Errorf("answered %q, want %q", body, want)
		}
	}
}

func TestAddressInUseIsReportedAndTriedAgain(t *testing.T) {
	t.Parallel()
	holder, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := single([]Rule{fixed("here")})
	config.LoadBalancers[0].Listeners[0].Bind = holder.Addr().String()
	p := start(t)
	if err := p.Apply(config); err == nil || !strings.Contains(err.Error(), "address already in use") || p.Addr("listener") != "" {
		t.Fatalf("got %v, listening on %q", err, p.Addr("listener"))
	}
	if !p.Serves("web.elb.localhost") {
		t.Error("the rest did not take effect")
	}
	holder.Close()
	apply(t, p, config)
	if _, body := get(t, p, "/"); body != "here" {
		t.Errorf("answered %q", body)
	}
}

func TestRemovedListenerStopsAfterTheRequestUnderWay(t *testing.T) {
	t.Parallel()
	address, entered, release := slowBackend(t)
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", address)))
	busy, r := dial(t, p)
	_, idle := dial(t, p)
	where := p.Addr("listener")
	io.WriteString(busy, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	apply(t, p, Config{})
	if _, err := net.Dial("tcp", where); err == nil {
		t.Error("still listening")
	}
	if rest, err := io.ReadAll(idle); err != nil || len(rest) != 0 {
		t.Errorf("idle connection: %q %v", rest, err)
	}
	close(release)
	response, err := http.ReadResponse(r, nil)
	if err != nil || !response.Close {
		t.Fatalf("got %v %v", response, err)
	}
	if body, _ := io.ReadAll(response.Body); string(body) != "old" {
		t.Errorf("answered %q", body)
	}
}

func TestCloseWaitsForRequestsButNotForever(t *testing.T) {
	t.Parallel()
	address, entered, release := slowBackend(t)
	defer close(release)
	p := New(Options{})
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", address)))
	nc, _ := dial(t, p)
	io.WriteString(nc, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- p.Close(ctx) }()
	select {
	case err := <-closed:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still waiting")
	}
	if err := p.Apply(Config{}); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Apply after Close: %v", err)
	}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	t.Parallel()
	config := single([]Rule{fixed("x")})
	config.LoadBalancers[0].Attributes.IdleTimeout = 30 * time.Millisecond
	p := start(t)
	apply(t, p, config)
	if answer := talk(t, p, ""); answer != "" {
		t.Errorf("silent client was told %q", answer)
	}
	if answer := talk(t, p, "GET / HTTP/1.1\r\nHost"); !strings.HasPrefix(answer, "HTTP/1.1 408 ") {
		t.Errorf("slow client was told %q", answer)
	}
}

func TestLoadBalancerIsFoundByHost(t *testing.T) {
	t.Parallel()
	listen := func(id string, port int, text string) Listener {
		return Listener{ID: id, Port: port, Protocol: "HTTP", Rules: []Rule{fixed(text)}}
	}
	p := start(t)
	apply(t, p, Config{LoadBalancers: []LoadBalancer{
		{ID: "a", DNSName: "a.elb.localhost", Listeners: []Listener{listen("a1", 8080, "other"), listen("a2", 80, "a")}},
		{ID: "b", DNSName: "B.elb.localhost", Aliases: []string{"*.shop.test", "shop.test."}, Listeners: []Listener{listen("b1", 81, "b")}},
	}})
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	for host, want := range map[string]string{
		"a.elb.localhost:4566": "a", "A.ELB.localhost": "a", "b.elb.localhost.": "b", "x.y.shop.test": "b", "shop.test": "b",
		"c.elb.localhost": "404 page not found\n",
	} {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
		request.Host = host
		if _, body := send(t, request); body != want {
			t.Errorf("%s answered %q, want %q", host, body, want)
		}
		if p.Serves(host) == strings.HasPrefix(want, "404") {
			t.Errorf("Serves(%s) is %v", host, p.Serves(host))
		}
	}
	single := httptest.NewServer(p.Handler("a1"))
	t.Cleanup(single.Close)
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, single.URL, nil)
	if _, body := send(t, request); body != "other" {
		t.Errorf("Handler(a1) answered %q", body)
	}
}

func TestCountersTellWhatHappened(t *testing.T) {
	t.Parallel()
	p := start(t)
	apply(t, p, single([]Rule{
		fixed("fixed", Condition{Field: FieldPath, Values: []string{"/fixed"}}),
		{Conditions: []Condition{{Field: FieldPath, Values: []string{"/none"}}}, Actions: forwardTo("none").Actions},
		forwardTo("g"),
	}, groupOf("none"), groupOf("g", backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			w.WriteHeader(404)
		}
	}))))
	for _, path := range []string{"/", "/", "/missing", "/fixed", "/none"} {
		get(t, p, path)
	}
	talk(t, p, "nonsense\r\n\r\n")
	m := p.Metrics()
	lb, g := m.LoadBalancers["lb"], m.TargetGroups["g"]
	if lb.Requests != 3 || lb.FixedResponses != 1 || lb.ELBStatus != [6]uint64{2: 1, 4: 1, 5: 1} || lb.RejectedHeads != 1 || lb.NewConnections != 6 {
		t.Errorf("load balancer %+v", lb)
	}
	measured := uint64(0)
	for _, n := range g.ResponseTime.Counts {
		measured += n
	}
	if g.Requests != 3 || g.Status != [6]uint64{2: 2, 4: 1} || measured != 3 || g.ResponseTime.Sum <= 0 {
		t.Errorf("target group %+v", g)
	}
	if lb.ReceivedBytes == 0 || lb.SentBytes == 0 {
		t.Errorf("bytes %d, %d", lb.ReceivedBytes, lb.SentBytes)
	}
}
