package elbv2_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"slipway.dev/internal/twin/api/ec2"
	api "slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/service/elbv2"
	"slipway.dev/internal/twin/twintest"
	"slipway.dev/internal/twin/wire"
)

// world is a twin with what a load balancer needs around it.
type world struct {
	*twintest.Twin
	t       testing.TB
	elb     api.Client
	vpc     string
	subnets []string
}

func newWorld(t testing.TB) *world { return worldOf(t, twintest.Start(t)) }

func worldOf(t testing.TB, running *twintest.Twin) *world {
	t.Helper()
	w := &world{Twin: running, t: t, elb: api.Client{Invoker: running.Invoker}}
	out, err := ec2.Client{Invoker: running.Invoker}.DescribeSubnets(w.Context, &ec2.DescribeSubnetsInput{})
	if err != nil || len(out.Subnets) < 2 {
		t.Fatalf("the default VPC has subnets %v, %v", out, err)
	}
	w.vpc = *out.Subnets[0].VpcId
	for _, subnet := range out.Subnets {
		w.subnets = append(w.subnets, *subnet.SubnetId)
	}
	return w
}

// worldIn is the same twin, seen from another region.
func worldIn(t testing.TB, w *world, region string) *world {
	elsewhere := *w.Twin
	elsewhere.Context = twintest.As(t.Context(), "000000000000", region)
	return worldOf(t, &elsewhere)
}

// restart ends the twin and starts another on its state.
func (w *world) restart() *world {
	w.t.Helper()
	w.Stop(w.t)
	return worldOf(w.t, twintest.StartIn(w.t, w.Dir))
}

// until waits for a condition, looking again after every change of the twin's state.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	patience := time.After(time.Minute)
	for {
		changed := w.Changed()
		if holds() {
			return
		}
		select {
		case <-changed:
		case <-patience:
			w.t.Fatalf("still not: %s", what)
		}
	}
}

func (w *world) loadBalancer(name string) api.LoadBalancer {
	w.t.Helper()
	out, err := w.elb.CreateLoadBalancer(w.Context, &api.CreateLoadBalancerInput{Name: name, Subnets: w.subnets[:2]})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.LoadBalancers[0]
}

func (w *world) group(name string, change ...func(*api.CreateTargetGroupInput)) string {
	w.t.Helper()
	in := &api.CreateTargetGroupInput{Name: name, Protocol: new("HTTP"), Port: new(80), VpcId: &w.vpc, TargetType: new("ip"), HealthCheckIntervalSeconds: new(5), HealthCheckTimeoutSeconds: new(2)}
	for _, f := range change {
		f(in)
	}
	out, err := w.elb.CreateTargetGroup(w.Context, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.TargetGroups[0].TargetGroupArn
}

func forwardTo(group string) []api.Action {
	return []api.Action{{Type: "forward", TargetGroupArn: &group}}
}

func fixed(status, body string) []api.Action {
	return []api.Action{{Type: "fixed-response", FixedResponseConfig: &api.FixedResponseActionConfig{StatusCode: status, MessageBody: &body}}}
}

// listener makes a listener and waits until it answers; it returns its ARN and its own address.
func (w *world) listener(lb api.LoadBalancer, port int, actions []api.Action) (arn, address string) {
	w.t.Helper()
	out, err := w.elb.CreateListener(w.Context, &api.CreateListenerInput{LoadBalancerArn: *lb.LoadBalancerArn, Protocol: new("HTTP"), Port: &port, DefaultActions: actions})
	if err != nil {
		w.t.Fatal(err)
	}
	arn = *out.Listeners[0].ListenerArn
	return arn, w.address(arn)
}

// address is the loopback address that is a listener's own, once it is bound.
func (w *world) address(arn string) (address string) {
	w.t.Helper()
	w.until("listener "+arn+" is bound", func() bool {
		for _, lb := range w.listed() {
			for _, l := range lb.Listeners {
				if l.ARN == arn && l.Bound {
					address = l.Address
				}
			}
		}
		return address != ""
	})
	return address
}

// listed is what GET /_slipway/loadbalancers says.
func (w *world) listed() (all []elbv2.Listed) {
	w.t.Helper()
	status, body := w.get(w.Address(), "elb.localhost", "/_slipway/loadbalancers")
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		w.t.Fatalf("%d %s: %v", status, body, err)
	}
	return all
}

// get sends a request to an address with a Host header.
func (w *world) get(address, host, path string, header ...string) (status int, body string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Host = host
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if location := answer.Header.Get("Location"); location != "" {
		return answer.StatusCode, location
	}
	return answer.StatusCode, string(text)
}

// program is a target: an HTTP server of this machine that says its name.
func program(t testing.TB, says string) api.TargetDescription {
	t.Helper()
	return serve(t, func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, says) })
}

func serve(t testing.TB, handle http.HandlerFunc) api.TargetDescription {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return api.TargetDescription{Id: "127.0.0.1", Port: &number}
}

func (w *world) register(group string, targets ...api.TargetDescription) {
	w.t.Helper()
	if _, err := w.elb.RegisterTargets(w.Context, &api.RegisterTargetsInput{TargetGroupArn: group, Targets: targets}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) deregister(group string, targets ...api.TargetDescription) {
	w.t.Helper()
	if _, err := w.elb.DeregisterTargets(w.Context, &api.DeregisterTargetsInput{TargetGroupArn: group, Targets: targets}); err != nil {
		w.t.Fatal(err)
	}
}

// health is the state, or "state reason", of one target.
func (w *world) health(group string, target api.TargetDescription) string {
	w.t.Helper()
	out, err := w.elb.DescribeTargetHealth(w.Context, &api.DescribeTargetHealthInput{TargetGroupArn: group, Targets: []api.TargetDescription{target}})
	if err != nil || len(out.TargetHealthDescriptions) != 1 {
		w.t.Fatalf("health of %v: %v, %v", target, out, err)
	}
	h := out.TargetHealthDescriptions[0].TargetHealth
	if h.Reason == nil {
		return *h.State
	}
	return *h.State + " " + *h.Reason
}

func (w *world) untilHealth(group string, target api.TargetDescription, want string) {
	w.t.Helper()
	w.until(fmt.Sprintf("%s:%d is %s", target.Id, wire.Value(target.Port), want), func() bool { return w.health(group, target) == want })
}

// refused holds that an error has a code.
func refused(t testing.TB, what string, err error, code string) {
	t.Helper()
	if !wire.HasCode(err, code) {
		t.Errorf("%s: %v; want %s", what, err, code)
	}
}
