package elbv2_test

import (
	"fmt"
	"strings"
	"testing"

	"slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/wire"
)

func TestLoadBalancersAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lb := w.loadBalancer("taken")
	again, err := w.elb.CreateLoadBalancer(w.Context, &elbv2.CreateLoadBalancerInput{Name: "taken", Subnets: w.subnets[:2]})
	if err != nil || *again.LoadBalancers[0].LoadBalancerArn != *lb.LoadBalancerArn {
		t.Errorf("the same again: %v, %v", again, err)
	}
	for what, c := range map[string]struct {
		in   elbv2.CreateLoadBalancerInput
		code string
	}{
		"other settings":     {elbv2.CreateLoadBalancerInput{Name: "taken", Subnets: w.subnets[:2], Scheme: new("internal")}, "DuplicateLoadBalancerName"},
		"one subnet":         {elbv2.CreateLoadBalancerInput{Name: "a", Subnets: w.subnets[:1]}, "ValidationError"},
		"no subnet":          {elbv2.CreateLoadBalancerInput{Name: "a"}, "ValidationError"},
		"a zone twice":       {elbv2.CreateLoadBalancerInput{Name: "a", Subnets: []string{w.subnets[0], w.subnets[0]}}, "InvalidConfigurationRequest"},
		"unknown subnet":     {elbv2.CreateLoadBalancerInput{Name: "a", Subnets: []string{w.subnets[0], "subnet-0123456789abcdef0"}}, "SubnetNotFound"},
		"unknown group":      {elbv2.CreateLoadBalancerInput{Name: "a", Subnets: w.subnets[:2], SecurityGroups: []string{"sg-0123456789abcdef0"}}, "InvalidSecurityGroup"},
		"name too long":      {elbv2.CreateLoadBalancerInput{Name: strings.Repeat("a", 33), Subnets: w.subnets[:2]}, "ValidationError"},
		"name with a hyphen": {elbv2.CreateLoadBalancerInput{Name: "-a", Subnets: w.subnets[:2]}, "ValidationError"},
		"internal- name":     {elbv2.CreateLoadBalancerInput{Name: "internal-a", Subnets: w.subnets[:2]}, "ValidationError"},
		"a network one":      {elbv2.CreateLoadBalancerInput{Name: "a", Subnets: w.subnets[:2], Type: new("network")}, "UnsupportedFeature"},
		"a key twice":        {elbv2.CreateLoadBalancerInput{Name: "a", Subnets: w.subnets[:2], Tags: []elbv2.Tag{{Key: "k"}, {Key: "k"}}}, "DuplicateTagKeys"},
	} {
		_, err := w.elb.CreateLoadBalancer(w.Context, &c.in)
		refused(t, what, err, c.code)
	}
	for what, in := range map[string]elbv2.DescribeLoadBalancersInput{
		"unknown name": {Names: []string{"nobody"}}, "unknown ARN": {LoadBalancerArns: []string{*lb.LoadBalancerArn + "0"}},
	} {
		_, err := w.elb.DescribeLoadBalancers(w.Context, &in)
		refused(t, what, err, "LoadBalancerNotFound")
	}
	_, err = w.elb.DescribeLoadBalancers(w.Context, &elbv2.DescribeLoadBalancersInput{LoadBalancerArns: []string{"taken"}})
	refused(t, "no ARN", err, "ValidationError")
}

func TestALoadBalancerLooksLikeAWSs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lb := w.loadBalancer("looks")
	for what, c := range map[string]struct{ got, prefix, suffix string }{
		"ARN":    {*lb.LoadBalancerArn, "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/looks/", ""},
		"name":   {*lb.DNSName, "looks-", ".us-east-1.elb.localhost"},
		"zone":   {*lb.CanonicalHostedZoneId, "Z35SXDOTRQ7X7K", ""},
		"state":  {*lb.State.Code, "active", ""},
		"scheme": {*lb.Scheme, "internet-facing", ""},
		"VPC":    {*lb.VpcId, w.vpc, ""},
	} {
		if !strings.HasPrefix(c.got, c.prefix) || !strings.HasSuffix(c.got, c.suffix) {
			t.Errorf("%s: %s", what, c.got)
		}
	}
	if len(lb.AvailabilityZones) != 2 || len(lb.SecurityGroups) != 1 {
		t.Errorf("%v, %v", lb.AvailabilityZones, lb.SecurityGroups)
	}
	if id := (*lb.LoadBalancerArn)[strings.LastIndexByte(*lb.LoadBalancerArn, '/')+1:]; len(id) != 16 {
		t.Errorf("id %s", id)
	}
}

func TestListenersAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lb := w.loadBalancer("l")
	w.listener(lb, 80, fixed("200", ""))
	other := w.loadBalancer("other")
	group := w.group("theirs")
	w.listener(other, 80, forwardTo(group))
	action := func(a elbv2.Action) []elbv2.Action { return []elbv2.Action{a} }
	for what, c := range map[string]struct {
		port     int
		protocol string
		actions  []elbv2.Action
		code     string
	}{
		"port taken":        {80, "HTTP", fixed("200", ""), "DuplicateListener"},
		"HTTPS":             {443, "HTTPS", fixed("200", ""), "UnsupportedFeature"},
		"TCP":               {81, "TCP", fixed("200", ""), "ValidationError"},
		"no action":         {81, "HTTP", nil, "ValidationError"},
		"two actions":       {81, "HTTP", append(fixed("200", ""), fixed("200", "")...), "InvalidLoadBalancerAction"},
		"status 302":        {81, "HTTP", fixed("302", ""), "ValidationError"},
		"long body":         {81, "HTTP", fixed("200", strings.Repeat("x", 1025)), "ValidationError"},
		"unknown group":     {81, "HTTP", forwardTo(group + "0"), "TargetGroupNotFound"},
		"another's group":   {81, "HTTP", forwardTo(group), "TargetGroupAssociationLimit"},
		"authentication":    {81, "HTTP", action(elbv2.Action{Type: "authenticate-oidc"}), "UnsupportedFeature"},
		"redirect loop":     {81, "HTTP", action(elbv2.Action{Type: "redirect", RedirectConfig: &elbv2.RedirectActionConfig{StatusCode: "HTTP_301"}}), "InvalidLoadBalancerAction"},
		"forward to nobody": {81, "HTTP", action(elbv2.Action{Type: "forward"}), "ValidationError"},
	} {
		_, err := w.elb.CreateListener(w.Context, &elbv2.CreateListenerInput{LoadBalancerArn: *lb.LoadBalancerArn, Protocol: &c.protocol, Port: &c.port, DefaultActions: c.actions})
		refused(t, what, err, c.code)
	}
	_, err := w.elb.CreateListener(w.Context, &elbv2.CreateListenerInput{LoadBalancerArn: *lb.LoadBalancerArn + "0", Protocol: new("HTTP"), Port: new(81), DefaultActions: fixed("200", "")})
	refused(t, "unknown load balancer", err, "LoadBalancerNotFound")
}

func TestRulesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lb := w.loadBalancer("r")
	listener, _ := w.listener(lb, 80, fixed("200", ""))
	path := []elbv2.RuleCondition{{Field: new("path-pattern"), Values: []string{"/a"}}}
	create := func(priority int, conditions []elbv2.RuleCondition) (string, error) {
		out, err := w.elb.CreateRule(w.Context, &elbv2.CreateRuleInput{ListenerArn: listener, Priority: priority, Conditions: conditions, Actions: fixed("200", "")})
		if err != nil {
			return "", err
		}
		return *out.Rules[0].RuleArn, nil
	}
	one, err := create(1, path)
	if err != nil {
		t.Fatal(err)
	}
	two, err := create(2, path)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		priority   int
		conditions []elbv2.RuleCondition
		code       string
	}{
		"priority taken":    {1, path, "PriorityInUse"},
		"priority 0":        {0, path, "ValidationError"},
		"no condition":      {3, nil, "ValidationError"},
		"unknown field":     {3, []elbv2.RuleCondition{{Field: new("weather"), Values: []string{"fine"}}}, "ValidationError"},
		"no value":          {3, []elbv2.RuleCondition{{Field: new("path-pattern")}}, "ValidationError"},
		"bad CIDR":          {3, []elbv2.RuleCondition{{Field: new("source-ip"), SourceIpConfig: &elbv2.SourceIpConditionConfig{Values: []string{"10.0.0.0"}}}}, "ValidationError"},
		"two paths":         {3, append(path, path...), "ValidationError"},
		"six values":        {3, []elbv2.RuleCondition{{Field: new("path-pattern"), Values: []string{"/1", "/2", "/3", "/4", "/5", "/6"}}}, "ValidationError"},
		"broken expression": {3, []elbv2.RuleCondition{{Field: new("path-pattern"), PathPatternConfig: &elbv2.PathPatternConditionConfig{RegexValues: []string{"("}}}}, "ValidationError"},
	} {
		_, err := create(c.priority, c.conditions)
		refused(t, what, err, c.code)
	}
	_, err = w.elb.SetRulePriorities(w.Context, &elbv2.SetRulePrioritiesInput{RulePriorities: []elbv2.RulePriorityPair{
		{RuleArn: &one, Priority: new(7)}, {RuleArn: &one, Priority: new(8)}}})
	refused(t, "a rule twice", err, "ValidationError")
	_, err = w.elb.SetRulePriorities(w.Context, &elbv2.SetRulePrioritiesInput{RulePriorities: []elbv2.RulePriorityPair{{RuleArn: &one, Priority: new(2)}}})
	refused(t, "priority of another", err, "PriorityInUse")
	if got := w.priorities(listener); got != "1 2 default" {
		t.Errorf("after a refusal: %s", got)
	}
	byDefault := w.rules(listener)[2]
	for what, call := range map[string]func() error{
		"delete": func() error {
			_, err := w.elb.DeleteRule(w.Context, &elbv2.DeleteRuleInput{RuleArn: *byDefault.RuleArn})
			return err
		},
		"modify": func() error {
			_, err := w.elb.ModifyRule(w.Context, &elbv2.ModifyRuleInput{RuleArn: *byDefault.RuleArn, Actions: fixed("200", "")})
			return err
		},
		"move": func() error {
			_, err := w.elb.SetRulePriorities(w.Context, &elbv2.SetRulePrioritiesInput{RulePriorities: []elbv2.RulePriorityPair{{RuleArn: byDefault.RuleArn, Priority: new(9)}}})
			return err
		},
	} {
		refused(t, what+" the default rule", call(), "OperationNotPermitted")
	}
	if _, err := w.elb.DeleteRule(w.Context, &elbv2.DeleteRuleInput{RuleArn: two}); err != nil {
		t.Error(err)
	}
	_, err = w.elb.DeleteRule(w.Context, &elbv2.DeleteRuleInput{RuleArn: two})
	refused(t, "delete twice", err, "RuleNotFound")
}

func (w *world) rules(listener string) []elbv2.Rule {
	w.t.Helper()
	out, err := w.elb.DescribeRules(w.Context, &elbv2.DescribeRulesInput{ListenerArn: &listener})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Rules
}

func (w *world) priorities(listener string) string {
	var all []string
	for _, r := range w.rules(listener) {
		all = append(all, *r.Priority)
	}
	return strings.Join(all, " ")
}

func TestTheHundredthAndFirstRuleIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	listener, _ := w.listener(w.loadBalancer("many"), 80, fixed("200", ""))
	for i := range 101 {
		_, err := w.elb.CreateRule(w.Context, &elbv2.CreateRuleInput{ListenerArn: listener, Priority: i + 1, Actions: fixed("200", ""),
			Conditions: []elbv2.RuleCondition{{Field: new("path-pattern"), Values: []string{fmt.Sprint("/", i)}}}})
		if i < 100 && err != nil {
			t.Fatal(err)
		}
		if i == 100 {
			refused(t, "rule 101", err, "TooManyRules")
		}
	}
}

func TestTargetGroupsAndTargetsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group := w.group("taken")
	for what, c := range map[string]struct {
		change func(*elbv2.CreateTargetGroupInput)
		code   string
	}{
		"other settings": {func(in *elbv2.CreateTargetGroupInput) { in.Port = new(81) }, "DuplicateTargetGroupName"},
		"lambda":         {func(in *elbv2.CreateTargetGroupInput) { in.TargetType = new("lambda") }, "UnsupportedFeature"},
		"TCP":            {func(in *elbv2.CreateTargetGroupInput) { in.Protocol = new("TCP") }, "UnsupportedFeature"},
		"no protocol":    {func(in *elbv2.CreateTargetGroupInput) { in.Protocol = nil }, "ValidationError"},
		"no port":        {func(in *elbv2.CreateTargetGroupInput) { in.Port = nil }, "ValidationError"},
		"no VPC":         {func(in *elbv2.CreateTargetGroupInput) { in.VpcId = nil }, "ValidationError"},
		"unknown VPC":    {func(in *elbv2.CreateTargetGroupInput) { in.VpcId = new("vpc-0123456789abcdef0") }, "ValidationError"},
		"slow check":     {func(in *elbv2.CreateTargetGroupInput) { in.HealthCheckTimeoutSeconds = new(5) }, "ValidationError"},
		"relative path":  {func(in *elbv2.CreateTargetGroupInput) { in.HealthCheckPath = new("health") }, "ValidationError"},
		"bad matcher":    {func(in *elbv2.CreateTargetGroupInput) { in.Matcher = &elbv2.Matcher{HttpCode: new("ok")} }, "ValidationError"},
	} {
		in := &elbv2.CreateTargetGroupInput{Name: "taken", Protocol: new("HTTP"), Port: new(80), VpcId: &w.vpc, TargetType: new("ip"), HealthCheckIntervalSeconds: new(5), HealthCheckTimeoutSeconds: new(2)}
		c.change(in)
		_, err := w.elb.CreateTargetGroup(w.Context, in)
		refused(t, what, err, c.code)
	}
	instances := w.group("instances", func(in *elbv2.CreateTargetGroupInput) { in.TargetType = nil })
	for id, c := range map[string]struct{ group, code string }{
		"i-0123456789abcdef0": {group, "ValidationError"}, "8.8.8.8": {group, "ValidationError"}, "10.0.0.1": {instances, "InvalidTarget"},
	} {
		_, err := w.elb.RegisterTargets(w.Context, &elbv2.RegisterTargetsInput{TargetGroupArn: c.group, Targets: []elbv2.TargetDescription{{Id: id}}})
		refused(t, id, err, c.code)
	}
	_, err := w.elb.DescribeTargetHealth(w.Context, &elbv2.DescribeTargetHealthInput{TargetGroupArn: group + "0"})
	refused(t, "unknown group", err, "TargetGroupNotFound")
}

func TestATargetGroupInUseStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lb, group := w.loadBalancer("use"), w.group("use")
	listener, _ := w.listener(lb, 80, forwardTo(group))
	_, err := w.elb.DeleteTargetGroup(w.Context, &elbv2.DeleteTargetGroupInput{TargetGroupArn: group})
	refused(t, "in use", err, "ResourceInUse")
	out, err := w.elb.DescribeTargetGroups(w.Context, &elbv2.DescribeTargetGroupsInput{LoadBalancerArn: lb.LoadBalancerArn})
	if err != nil || len(out.TargetGroups) != 1 || out.TargetGroups[0].LoadBalancerArns[0] != *lb.LoadBalancerArn {
		t.Errorf("%v, %v", out, err)
	}
	if _, err := w.elb.DeleteListener(w.Context, &elbv2.DeleteListenerInput{ListenerArn: listener}); err != nil {
		t.Error(err)
	}
	for range 2 { // the second time it is gone, which is no error
		if _, err := w.elb.DeleteTargetGroup(w.Context, &elbv2.DeleteTargetGroupInput{TargetGroupArn: group}); err != nil {
			t.Error(err)
		}
		if _, err := w.elb.DeleteLoadBalancer(w.Context, &elbv2.DeleteLoadBalancerInput{LoadBalancerArn: *lb.LoadBalancerArn}); err != nil {
			t.Error(err)
		}
	}
}

func TestAttributesHaveDefaultsAndRanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lb, group := w.loadBalancer("attr"), w.group("attr")
	set := func(key, value string) error {
		_, err := w.elb.ModifyLoadBalancerAttributes(w.Context, &elbv2.ModifyLoadBalancerAttributesInput{LoadBalancerArn: *lb.LoadBalancerArn, Attributes: []elbv2.LoadBalancerAttribute{{Key: &key, Value: &value}}})
		return err
	}
	for _, c := range []struct {
		key, value string
		fine       bool
	}{
		{"idle_timeout.timeout_seconds", "4000", true}, {"idle_timeout.timeout_seconds", "4001", false}, {"idle_timeout.timeout_seconds", "0", false},
		{"client_keep_alive.seconds", "60", true}, {"client_keep_alive.seconds", "59", false}, {"client_keep_alive.seconds", "604800", true},
		{"deletion_protection.enabled", "yes", false}, {"no.such.key", "1", false}, {"deletion_protection.enabled", "true", true},
	} {
		if err := set(c.key, c.value); (err == nil) != c.fine || err != nil && !wire.HasCode(err, "ValidationError") {
			t.Errorf("%s = %s: %v", c.key, c.value, err)
		}
	}
	_, err := w.elb.DeleteLoadBalancer(w.Context, &elbv2.DeleteLoadBalancerInput{LoadBalancerArn: *lb.LoadBalancerArn})
	refused(t, "protected", err, "OperationNotPermitted")
	out, err := w.elb.DescribeTargetGroupAttributes(w.Context, &elbv2.DescribeTargetGroupAttributesInput{TargetGroupArn: group})
	if err != nil || len(out.Attributes) != 14 || *out.Attributes[0].Value != "300" {
		t.Errorf("%v, %v", out, err)
	}
	_, err = w.elb.ModifyTargetGroupAttributes(w.Context, &elbv2.ModifyTargetGroupAttributesInput{TargetGroupArn: group, Attributes: []elbv2.TargetGroupAttribute{
		{Key: new("stickiness.enabled"), Value: new("true")}, {Key: new("stickiness.type"), Value: new("app_cookie")}}})
	refused(t, "no cookie name", err, "ValidationError")
}

func TestTagsOfEveryKind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lb, group := w.loadBalancer("tags"), w.group("tags")
	listener, _ := w.listener(lb, 80, forwardTo(group))
	arns := []string{*lb.LoadBalancerArn, group, listener, *w.rules(listener)[0].RuleArn}
	if _, err := w.elb.AddTags(w.Context, &elbv2.AddTagsInput{ResourceArns: arns, Tags: []elbv2.Tag{{Key: "a", Value: new("1")}, {Key: "b", Value: new("2")}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.elb.RemoveTags(w.Context, &elbv2.RemoveTagsInput{ResourceArns: arns, TagKeys: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	out, err := w.elb.DescribeTags(w.Context, &elbv2.DescribeTagsInput{ResourceArns: arns})
	if err != nil || len(out.TagDescriptions) != 4 {
		t.Fatalf("%v, %v", out, err)
	}
	for i, d := range out.TagDescriptions {
		if *d.ResourceArn != arns[i] || len(d.Tags) != 1 || d.Tags[0].Key != "b" || *d.Tags[0].Value != "2" {
			t.Errorf("%s: %v", *d.ResourceArn, d.Tags)
		}
	}
	_, err = w.elb.DescribeTags(w.Context, &elbv2.DescribeTagsInput{ResourceArns: []string{group + "0"}})
	refused(t, "unknown", err, "TargetGroupNotFound")
}
