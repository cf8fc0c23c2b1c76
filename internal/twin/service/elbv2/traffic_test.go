package elbv2_test

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"slipway.dev/internal/twin/api/elbv2"
)

func TestALoadBalancerCarriesTraffic(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lb, group, target := w.loadBalancer("web"), w.group("web"), program(t, "hello")
	w.register(group, target)
	if h := w.health(group, target); h != "unused Target.NotInUse" {
		t.Errorf("before a listener: %s", h)
	}
	_, own := w.listener(lb, 80, forwardTo(group))
	w.untilHealth(group, target, "healthy")
	for _, host := range []string{*lb.DNSName, strings.ToUpper(*lb.DNSName), "web.elb.localhost", "web.elb.localhost:4566"} {
		if status, body := w.get(w.Address(), host, "/"); status != 200 || body != "hello" {
			t.Errorf("%s: %d %s", host, status, body)
		}
	}
	if status, body := w.get(own, "anything", "/"); status != 200 || body != "hello" {
		t.Errorf("own port %s: %d %s", own, status, body)
	}
	if status, body := w.get(w.Address(), "nobody.elb.localhost", "/"); status != 404 || !strings.Contains(body, "/_slipway/loadbalancers") {
		t.Errorf("unknown name: %d %s", status, body)
	}
}

func TestAShortNameMeansOneLoadBalancer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lb := w.loadBalancer("twice")
	w.listener(lb, 80, fixed("200", "first"))
	if status, _ := w.get(w.Address(), "twice.elb.localhost", "/"); status != 200 {
		t.Errorf("unique: %d", status)
	}
	elsewhere := worldIn(t, w, "eu-west-1")
	second := elsewhere.loadBalancer("twice")
	elsewhere.listener(second, 80, fixed("200", "second"))
	if status, _ := w.get(w.Address(), "twice.elb.localhost", "/"); status != 404 {
		t.Errorf("two of that name: %d", status)
	}
	for host, want := range map[string]string{*lb.DNSName: "first", *second.DNSName: "second"} {
		if _, body := w.get(w.Address(), host, "/"); body != want {
			t.Errorf("%s: %s", host, body)
		}
	}
}

func TestRulesDecideInTheirOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lb := w.loadBalancer("rules")
	listener, own := w.listener(lb, 80, fixed("404", "default"))
	conditions := map[int]elbv2.RuleCondition{
		10: {Field: new("path-pattern"), Values: []string{"/api/*"}},
		20: {Field: new("host-header"), HostHeaderConfig: &elbv2.HostHeaderConditionConfig{Values: []string{"*.example.test"}}},
		30: {Field: new("http-header"), HttpHeaderConfig: &elbv2.HttpHeaderConditionConfig{HttpHeaderName: new("X-Canary"), Values: []string{"yes"}}},
		40: {Field: new("query-string"), QueryStringConfig: &elbv2.QueryStringConditionConfig{Values: []elbv2.QueryStringKeyValuePair{{Key: new("v"), Value: new("2")}}}},
		60: {Field: new("source-ip"), SourceIpConfig: &elbv2.SourceIpConditionConfig{Values: []string{"10.0.0.0/8"}}},
		70: {Field: new("path-pattern"), PathPatternConfig: &elbv2.PathPatternConditionConfig{Values: []string{"/never"}}},
	}
	arns := map[int]string{}
	for _, priority := range slices.Sorted(maps.Keys(conditions)) { // the last one tells that all are served
		c := conditions[priority]
		out, err := w.elb.CreateRule(w.Context, &elbv2.CreateRuleInput{ListenerArn: listener, Priority: priority, Conditions: []elbv2.RuleCondition{c}, Actions: fixed("200", fmt.Sprint(priority))})
		if err != nil {
			t.Fatal(err)
		}
		arns[priority] = *out.Rules[0].RuleArn
	}
	w.until("the rules are served", func() bool { _, body := w.get(own, "x", "/never"); return body == "70" })
	for _, c := range []struct {
		host, path, want string
		header           []string
	}{
		{"x", "/api/1", "10", nil}, {"a.example.test", "/api/1", "10", nil}, {"a.example.test", "/", "20", nil},
		{"x", "/", "30", []string{"X-Canary", "yes"}}, {"x", "/?v=2", "40", nil}, {"x", "/other", "default", nil},
	} {
		if _, body := w.get(own, c.host, c.path, c.header...); body != c.want {
			t.Errorf("%s %s %v: %s, want %s", c.host, c.path, c.header, body, c.want)
		}
	}
	_, err := w.elb.SetRulePriorities(w.Context, &elbv2.SetRulePrioritiesInput{RulePriorities: []elbv2.RulePriorityPair{
		{RuleArn: new(arns[10]), Priority: new(20)}, {RuleArn: new(arns[20]), Priority: new(10)}}})
	if err != nil {
		t.Fatal(err)
	}
	w.until("the host's rule comes first", func() bool { _, body := w.get(own, "a.example.test", "/api/1"); return body == "20" })
	_, err = w.elb.ModifyRule(w.Context, &elbv2.ModifyRuleInput{RuleArn: arns[70], Actions: []elbv2.Action{{Type: "redirect",
		RedirectConfig: &elbv2.RedirectActionConfig{Host: new("new.test"), Port: new("80"), StatusCode: "HTTP_301"}}}})
	if err != nil {
		t.Fatal(err)
	}
	w.until("the rule redirects", func() bool { status, _ := w.get(own, "x", "/never"); return status == 301 })
	if _, location := w.get(own, "x", "/never?a=b"); location != "http://new.test/never?a=b" {
		t.Errorf("redirected to %s", location)
	}
}

func TestDrainingLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	slow := serve(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
			<-release
		}
		fmt.Fprint(rw, "old")
	})
	lb, group := w.loadBalancer("drain"), w.group("drain")
	w.register(group, slow)
	_, own := w.listener(lb, 80, forwardTo(group))
	w.untilHealth(group, slow, "healthy")
	answered := make(chan string, 1)
	go func() { _, body := w.get(own, "x", "/slow"); answered <- body }()
	<-arrived
	fast := program(t, "new")
	w.register(group, fast)
	w.untilHealth(group, fast, "healthy")
	w.deregister(group, slow)
	if h := w.health(group, slow); h != "draining Target.DeregistrationInProgress" {
		t.Errorf("while a request is under way: %s", h)
	}
	w.until("new requests go to the other", func() bool {
		for range 4 {
			if _, body := w.get(own, "x", "/"); body != "new" {
				return false
			}
		}
		return true
	})
	close(release)
	if body := <-answered; body != "old" {
		t.Errorf("the request under way got %q", body)
	}
	w.untilHealth(group, slow, "unused Target.NotRegistered")
}

func TestARestartKeepsPortsTrafficAndDraining(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lb, group, target := w.loadBalancer("again"), w.group("again"), program(t, "hello")
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	slow := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
			<-release
		}
	})
	t.Cleanup(func() { close(release) })
	w.register(group, slow)
	listener, own := w.listener(lb, 80, forwardTo(group))
	w.untilHealth(group, slow, "healthy")
	go func() {
		if answer, err := http.Get("http://" + own + "/slow"); err == nil { // is cut by the restart
			answer.Body.Close()
		}
	}()
	<-arrived
	w.register(group, target)
	w.deregister(group, slow)

	w = w.restart()
	if again := w.address(listener); again != own {
		t.Errorf("port was %s, is %s", own, again)
	}
	w.untilHealth(group, target, "healthy")
	w.untilHealth(group, slow, "unused Target.NotRegistered")
	for _, address := range []string{own, w.Address()} {
		if _, body := w.get(address, *lb.DNSName, "/"); body != "hello" {
			t.Errorf("%s: %s", address, body)
		}
	}
}

func TestHealthSaysWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lb, group := w.loadBalancer("health"), w.group("health", func(in *elbv2.CreateTargetGroupInput) { in.UnhealthyThresholdCount = new(2) })
	failing := serve(t, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500) })
	nobody := elbv2.TargetDescription{Id: "10.1.2.3", Port: new(8080)}
	w.listener(lb, 80, forwardTo(group))
	w.register(group, failing, nobody)
	w.untilHealth(group, failing, "unhealthy Target.ResponseCodeMismatch")
	w.untilHealth(group, nobody, "unhealthy Target.FailedHealthChecks")
	out, err := w.elb.DescribeTargetHealth(w.Context, &elbv2.DescribeTargetHealthInput{TargetGroupArn: group})
	if err != nil || len(out.TargetHealthDescriptions) != 2 {
		t.Fatalf("%v, %v", out, err)
	}
	for _, d := range out.TargetHealthDescriptions {
		want := "Health checks failed with these codes: [500]"
		if d.Target.Id == nobody.Id {
			want = "Health checks failed: on this machine nothing is known to answer for 10.1.2.3 port 8080"
		}
		if *d.TargetHealth.Description != want {
			t.Errorf("%s: %s, want %s", d.Target.Id, *d.TargetHealth.Description, want)
		}
	}
}

func TestWithoutALoadBalancerNothingDrains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group, target := w.group("alone"), program(t, "hello")
	w.register(group, target)
	w.deregister(group, target)
	w.untilHealth(group, target, "unused Target.NotRegistered")
}

func TestATakenPortIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lb := w.loadBalancer("taken")
	listener, own := w.listener(lb, 80, fixed("200", "mine"))
	w.Stop(t)
	stranger, err := net.Listen("tcp", own)
	if err != nil {
		t.Fatal(err)
	}
	w = w.restart()
	w.until("the name answers", func() bool { _, body := w.get(w.Address(), *lb.DNSName, "/"); return body == "mine" })
	if l := w.listed()[0].Listeners[0]; l.Address != own || l.Bound {
		t.Errorf("while a stranger has the port: %+v", l)
	}
	stranger.Close()
	if again := w.address(listener); again != own {
		t.Errorf("the port was %s, is %s", own, again)
	}
}
