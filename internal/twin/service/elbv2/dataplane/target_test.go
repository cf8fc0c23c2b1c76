package dataplane

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestRoundRobinTakesTurns(t *testing.T) {
	t.Parallel()
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", says(t, "a"), says(t, "b"), says(t, "c"))))
	await(t, p, "g", allHealthy)
	counts := map[string]int{}
	for range 9 {
		_, body := get(t, p, "/")
		counts[body]++
	}
	if counts["a"] != 3 || counts["b"] != 3 || counts["c"] != 3 {
		t.Errorf("counts %v", counts)
	}
}

func TestLeastOutstandingAvoidsTheBusyTarget(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	busy := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/block" {
			entered <- struct{}{}
			<-release
		}
		io.WriteString(w, "busy")
	})
	group := groupOf("g", busy)
	group.Algorithm = "least_outstanding_requests"
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	nc, _ := dial(t, p)
	io.WriteString(nc, "GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	group.Targets = append(group.Targets, groupOf("", says(t, "free")).Targets...)
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	await(t, p, "g", allHealthy)
	for range 4 {
		if _, body := get(t, p, "/"); body != "free" {
			t.Errorf("answered by %s", body)
		}
	}
	close(release)
}

func TestUnhealthyTargetGetsNothingUntilAllAre(t *testing.T) {
	t.Parallel()
	sick := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.UserAgent(), "ELB") {
			w.WriteHeader(500)
		}
		io.WriteString(w, "sick")
	})
	group := groupOf("g", sick, says(t, "well"))
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	await(t, p, "g", func(h []TargetHealth) bool { return h[1].State == StateHealthy })
	for range 4 {
		if _, body := get(t, p, "/"); body != "well" {
			t.Errorf("answered by %s", body)
		}
	}
	group.Targets = group.Targets[:1]
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	if _, body := get(t, p, "/"); body != "sick" {
		t.Errorf("answered by %s", body)
	}
}

func TestWeightsDivideTheRequests(t *testing.T) {
	t.Parallel()
	rule := Rule{Actions: []Action{{Type: ActionForward, Forward: Forward{TargetGroups: []WeightedTargetGroup{{"blue", 1}, {"green", 3}, {"none", 0}}}}}}
	p := start(t)
	apply(t, p, single([]Rule{rule}, groupOf("blue", says(t, "blue")), groupOf("green", says(t, "green")), groupOf("none")))
	counts := map[string]int{}
	for range 400 {
		_, body := get(t, p, "/")
		counts[body]++
	}
	// Five standard deviations to either side of 300.
	if counts["green"] < 255 || counts["green"] > 345 || counts["blue"]+counts["green"] != 400 {
		t.Errorf("counts %v", counts)
	}
}

// cookiesOf are the cookies a response sets, as a Cookie header.
func cookiesOf(response *http.Response) string {
	var pairs []string
	for _, c := range response.Cookies() {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

func TestCookieBindsTheClientToATarget(t *testing.T) {
	t.Parallel()
	group := groupOf("g", says(t, "a"), says(t, "b"))
	group.Stickiness = Stickiness{Enabled: true, Type: "lb_cookie", Duration: time.Hour}
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	await(t, p, "g", allHealthy)
	response, first := get(t, p, "/")
	cookies := cookiesOf(response)
	if !strings.Contains(cookies, "AWSALB=") || !strings.Contains(cookies, "AWSALBCORS=") {
		t.Fatalf("cookies %q", cookies)
	}
	for range 6 {
		if _, body := get(t, p, "/", func(r *http.Request) { r.Header.Set("Cookie", cookies) }); body != first {
			t.Fatalf("answered by %s, bound to %s", body, first)
		}
	}
}

func TestApplicationCookieBindsTheClient(t *testing.T) {
	t.Parallel()
	app := func(name string) string {
		return backend(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/login" {
				http.SetCookie(w, &http.Cookie{Name: "SESSION", Value: "1"})
			}
			io.WriteString(w, name)
		})
	}
	group := groupOf("g", app("a"), app("b"))
	group.Stickiness = Stickiness{Enabled: true, Type: "app_cookie", CookieName: "SESSION", Duration: time.Hour}
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	await(t, p, "g", allHealthy)
	if response, _ := get(t, p, "/"); cookiesOf(response) != "" {
		t.Errorf("bound without the application's cookie: %s", cookiesOf(response))
	}
	response, first := get(t, p, "/login")
	cookies := cookiesOf(response)
	if !strings.Contains(cookies, "AWSALBAPP-0=") {
		t.Fatalf("cookies %q", cookies)
	}
	for range 6 {
		if _, body := get(t, p, "/", func(r *http.Request) { r.Header.Set("Cookie", cookies) }); body != first {
			t.Fatalf("answered by %s, bound to %s", body, first)
		}
	}
}

func TestCookieBindsTheClientToAGroup(t *testing.T) {
	t.Parallel()
	rule := forwardTo("blue", "green")
	rule.Actions[0].Forward.Stickiness = time.Hour
	p := start(t)
	apply(t, p, single([]Rule{rule}, groupOf("blue", says(t, "blue")), groupOf("green", says(t, "green"))))
	response, first := get(t, p, "/")
	for range 12 {
		if _, body := get(t, p, "/", func(r *http.Request) { r.Header.Set("Cookie", cookiesOf(response)) }); body != first {
			t.Fatalf("answered by %s, bound to %s", body, first)
		}
	}
}

// slowBackend blocks requests for /slow until released.
func slowBackend(t *testing.T) (address string, entered, release chan struct{}) {
	entered, release = make(chan struct{}), make(chan struct{})
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			entered <- struct{}{}
			<-release
		}
		io.WriteString(w, "old")
	}), entered, release
}

func TestDrainingTargetFinishesWhatItHas(t *testing.T) {
	t.Parallel()
	address, entered, release := slowBackend(t)
	group := groupOf("g", address)
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	nc, r := dial(t, p)
	io.WriteString(nc, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	group.Targets[0].Draining = true
	group.Targets = append(group.Targets, groupOf("", says(t, "new")).Targets...)
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	for range 4 {
		if _, body := get(t, p, "/"); body != "new" {
			t.Fatalf("a draining target answered %s", body)
		}
	}
	if h := p.Health("g")[0]; h.State != StateDraining || h.Reason != ReasonDeregistrationInProgress || h.InFlight != 1 || h.Drained {
		t.Errorf("told %+v", h)
	}
	close(release)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(response.Body); string(body) != "old" {
		t.Errorf("in-flight request answered %q", body)
	}
	await(t, p, "g", func(h []TargetHealth) bool { return h[0].Drained && h[0].InFlight == 0 })
}

func TestDeregistrationDelayCutsWhatLasts(t *testing.T) {
	t.Parallel()
	address, entered, release := slowBackend(t)
	defer close(release)
	group := groupOf("g", address)
	group.DeregistrationDelay = 20 * time.Millisecond
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	nc, r := dial(t, p)
	io.WriteString(nc, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	group.Targets[0].Draining = true
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	response, err := http.ReadResponse(r, nil)
	if err != nil || response.StatusCode != 502 {
		t.Fatalf("got %v %v", response, err)
	}
	await(t, p, "g", func(h []TargetHealth) bool { return h[0].Drained })
	if response, _ := get(t, p, "/"); response.StatusCode != 503 {
		t.Errorf("with draining targets alone: %d", response.StatusCode)
	}
}

func TestKeptConnectionThatTheTargetClosedCostsNoRequest(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	address := rawBackend(t, func(nc net.Conn, r *bufio.Reader) {
		if readRequest(nc, r) == nil {
			return
		}
		connections.Add(1)
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		readRequest(nc, r) // it arrives, and is not answered
	})
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", address)))
	nc, r := dial(t, p)
	for i := range 5 {
		fmt.Fprintf(nc, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i)
		response, err := http.ReadResponse(r, nil)
		if err != nil || response.StatusCode != 200 {
			t.Fatalf("request %d: %v %v", i, response, err)
		}
		io.Copy(io.Discard, response.Body)
	}
	if n := connections.Load(); n != 5 {
		t.Errorf("%d connections", n)
	}
}

func TestRequestThatMayHaveHadItsEffectIsNotRepeated(t *testing.T) {
	t.Parallel()
	var orders atomic.Int32
	address := rawBackend(t, func(nc net.Conn, r *bufio.Reader) {
		for {
			request := readRequest(nc, r)
			if request == nil {
				return
			}
			if request.Method == "POST" {
				orders.Add(1)
				return
			}
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", address)))
	nc, r := dial(t, p)
	for _, test := range []struct {
		head   string
		status int
	}{{"GET / HTTP/1.1", 200}, {"POST / HTTP/1.1\r\nContent-Length: 0", 502}} {
		io.WriteString(nc, test.head+"\r\nHost: a\r\n\r\n")
		response, err := http.ReadResponse(r, nil)
		if err != nil || response.StatusCode != test.status {
			t.Fatalf("%s: %v %v", test.head, response, err)
		}
		io.Copy(io.Discard, response.Body)
	}
	if n := orders.Load(); n != 1 {
		t.Errorf("ordered %d times", n)
	}
}

func TestTargetThatIsSlowGetsAGatewayTimeout(t *testing.T) {
	t.Parallel()
	address, entered, release := slowBackend(t)
	defer close(release)
	config := single([]Rule{forwardTo("g")}, groupOf("g", address))
	config.LoadBalancers[0].Attributes.IdleTimeout = 50 * time.Millisecond
	p := start(t)
	apply(t, p, config)
	go func() { <-entered }()
	if response, _ := get(t, p, "/slow"); response.StatusCode != 504 {
		t.Errorf("got %d", response.StatusCode)
	}
}

// A deployment replaces every target, ten times, under load: no request may fail.
func TestNoRequestFailsWhileTargetsAreReplaced(t *testing.T) {
	t.Parallel()
	p := start(t)
	group := groupOf("g")
	var running []context.CancelFunc
	add := func(n int) {
		for range n {
			address, stop := stoppable(t)
			running = append(running, stop)
			group.Targets = append(group.Targets, Target{ID: address, Port: 80, Address: address})
		}
	}
	add(2)
	apply(t, p, single([]Rule{forwardTo("g")}, group))
	await(t, p, "g", allHealthy)
	load := startLoad(t, base(p), 16)
	for range 10 {
		load.progress(t, 200)
		old := len(group.Targets)
		add(2)
		apply(t, p, single([]Rule{forwardTo("g")}, clone(group)))
		await(t, p, "g", allHealthy)
		for i := range old {
			group.Targets[i].Draining = true
		}
		apply(t, p, single([]Rule{forwardTo("g")}, clone(group)))
		await(t, p, "g", func(h []TargetHealth) bool { return h[0].Drained && h[1].Drained })
		for i := range old {
			running[i]()
		}
		group.Targets, running = group.Targets[old:], running[old:]
		apply(t, p, single([]Rule{forwardTo("g")}, clone(group)))
	}
	load.progress(t, 200)
	if failed := load.stop(); len(failed) > 0 {
		t.Errorf("%d requests failed, the first with %v", len(failed), failed[0])
	}
}

func clone(g TargetGroup) TargetGroup {
	g.Targets = append([]Target(nil), g.Targets...)
	return g
}

// stoppable is a target that can be killed as a container is: the listener and every connection at once.
func stoppable(t *testing.T) (string, context.CancelFunc) {
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "ok")
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l.Addr().String(), func() { s.Close() }
}

// load is a number of clients that send one request after the other, GET and POST in turn.
type load struct {
	done   atomic.Int64
	ending atomic.Bool
	beat   chan struct{}
	all    sync.WaitGroup
	mu     sync.Mutex
	failed []error
}

func startLoad(t *testing.T, target string, clients int) *load {
	l := &load{beat: make(chan struct{}, 1)}
	for range clients {
		l.all.Go(func() { l.client(target) })
	}
	t.Cleanup(func() { l.stop() })
	return l
}

func (l *load) client(target string) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i := 0; !l.ending.Load(); i++ {
		var response *http.Response
		var err error
		if i%2 == 0 {
			response, err = client.Get(target)
		} else {
			response, err = client.Post(target, "text/plain", strings.NewReader("order"))
		}
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if response.StatusCode != 200 {
				err = fmt.Errorf("status %s", response.Status)
			}
		}
		if err != nil {
			l.mu.Lock()
			l.failed = append(l.failed, err)
			l.mu.Unlock()
		}
		l.done.Add(1)
		select {
		case l.beat <- struct{}{}:
		default:
		}
	}
}

// progress waits for n more requests.
func (l *load) progress(t *testing.T, n int64) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for wanted := l.done.Load() + n; l.done.Load() < wanted; {
		select {
		case <-l.beat:
		case <-deadline:
			t.Fatal("no progress")
		}
	}
}

func (l *load) stop() []error {
	l.ending.Store(true)
	l.all.Wait()
	return l.failed
}

func TestOrderIsNotSentOnAConnectionKnownToBeClosed(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{}, 10)
	address := rawBackend(t, func(nc net.Conn, r *bufio.Reader) {
		if request := readRequest(nc, r); request != nil {
			io.Copy(io.Discard, request.Body)
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			nc.Close()
			closed <- struct{}{}
		}
	})
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, groupOf("g", address)))
	nc, r := dial(t, p)
	for i := range 5 {
		io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\norder")
		response, err := http.ReadResponse(r, nil)
		if err != nil || response.StatusCode != 200 {
			t.Fatalf("order %d: %v %v", i, response, err)
		}
		<-closed
	}
}

func TestDrainingTargetLosesItsConnections(t *testing.T) {
	t.Parallel()
	entered, release, ended := make(chan struct{}), make(chan struct{}), make(chan struct{}, 2)
	address := rawBackend(t, func(nc net.Conn, r *bufio.Reader) {
		request := readRequest(nc, r)
		if request == nil {
			return
		}
		if request.URL.Path == "/slow" {
			entered <- struct{}{}
			<-release
		}
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		if _, err := r.ReadByte(); err == io.EOF {
			ended <- struct{}{}
		}
	})
	group := groupOf("g", address)
	group.DeregistrationDelay = time.Hour
	p := start(t)
	apply(t, p, single([]Rule{forwardTo("g")}, clone(group)))
	busy, r := dial(t, p)
	io.WriteString(busy, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	get(t, p, "/") // leaves an idle connection
	group.Targets[0].Draining = true
	apply(t, p, single([]Rule{forwardTo("g")}, clone(group)))
	receive(t, ended, "the idle connection to be closed")
	close(release)
	if response, err := http.ReadResponse(r, nil); err != nil || response.StatusCode != 200 {
		t.Fatalf("got %v %v", response, err)
	}
	receive(t, ended, "the connection that was in use to be closed")
}

func receive(t *testing.T, from <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-from:
	case <-time.After(5 * time.Second):
		t.Fatalf("waited in vain for %s", what)
	}
}
