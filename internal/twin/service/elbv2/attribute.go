package elbv2

import (
	"context"
	"maps"
	"regexp"
	"slices"

	api "slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/store"
)

// attribute is one attribute of a load balancer, a listener or a target group.
type attribute struct {
	Default string
	Valid   *regexp.Regexp
	Inert   bool // recorded only
}

// attributes are those of one kind of thing, by key.
type attributes struct {
	noun  string
	known map[string]attribute
}

var (
	boolean  = regexp.MustCompile(`^(true|false)$`)
	anything = regexp.MustCompile(`^.*$`)
)

// matching is a pattern of whole values.
func matching(pattern string) *regexp.Regexp { return regexp.MustCompile("^(" + pattern + ")$") }

// Patterns of ranges of seconds, as the API documents them.
var (
	upTo3600   = matching(`[0-9]|[1-9][0-9]{1,2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600`)
	upTo4000   = matching(`[1-9][0-9]{0,2}|[1-3][0-9]{3}|4000`)
	upTo604800 = matching(`[1-9][0-9]{0,4}|[1-5][0-9]{5}|60[0-3][0-9]{3}|604[0-7][0-9]{2}|604800`)
	keepAlive  = matching(`[6-9][0-9]|[1-9][0-9]{2,4}|[1-5][0-9]{5}|60[0-3][0-9]{3}|604[0-7][0-9]{2}|604800`)
	slowStart  = matching(`0|[3-9][0-9]|[1-8][0-9]{2}|900`)
)

// loadBalancerAttributes are those of an Application Load Balancer.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
var loadBalancerAttributes = attributes{"Load balancer", map[string]attribute{
	"access_logs.s3.bucket":                                    {"", anything, true},
	"access_logs.s3.enabled":                                   {"false", boolean, true},
	"access_logs.s3.prefix":                                    {"", anything, true},
	"client_keep_alive.seconds":                                {"3600", keepAlive, false},
	"connection_logs.s3.bucket":                                {"", anything, true},
	"connection_logs.s3.enabled":                               {"false", boolean, true},
	"connection_logs.s3.prefix":                                {"", anything, true},
	"deletion_protection.enabled":                              {"false", boolean, false},
	"health_check_logs.s3.bucket":                              {"", anything, true},
	"health_check_logs.s3.enabled":                             {"false", boolean, true},
	"health_check_logs.s3.prefix":                              {"", anything, true},
	"idle_timeout.timeout_seconds":                             {"60", upTo4000, false},
	"ipv6.deny_all_igw_traffic":                                {"false", boolean, true},
	"load_balancing.cross_zone.enabled":                        {"true", matching("true"), false},
	"routing.http.desync_mitigation_mode":                      {"defensive", matching("monitor|defensive|strictest"), false},
	"routing.http.drop_invalid_header_fields.enabled":          {"false", boolean, false},
	"routing.http.preserve_host_header.enabled":                {"false", boolean, false},
	"routing.http.x_amzn_tls_version_and_cipher_suite.enabled": {"false", boolean, false},
	"routing.http.xff_client_port.enabled":                     {"false", boolean, false},
	"routing.http.xff_header_processing.mode":                  {"append", matching("append|preserve|remove"), false},
	"routing.http2.enabled":                                    {"true", boolean, false},
	"waf.fail_open.enabled":                                    {"false", boolean, true},
	"zonal_shift.config.enabled":                               {"false", boolean, true},
}}

// targetGroupAttributes are those of the target groups of an Application Load Balancer.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html
var targetGroupAttributes = attributes{"Target group", map[string]attribute{
	"deregistration_delay.timeout_seconds":                                           {"300", upTo3600, false},
	"load_balancing.algorithm.anomaly_mitigation":                                    {"off", matching("on|off"), true},
	"load_balancing.algorithm.type":                                                  {"round_robin", matching("round_robin|least_outstanding_requests|weighted_random"), false},
	"load_balancing.cross_zone.enabled":                                              {"use_load_balancer_configuration", matching("true|false|use_load_balancer_configuration"), true},
	"slow_start.duration_seconds":                                                    {"0", slowStart, false},
	"stickiness.app_cookie.cookie_name":                                              {"", anything, false},
	"stickiness.app_cookie.duration_seconds":                                         {"86400", upTo604800, false},
	"stickiness.enabled":                                                             {"false", boolean, false},
	"stickiness.lb_cookie.duration_seconds":                                          {"86400", upTo604800, false},
	"stickiness.type":                                                                {"lb_cookie", matching("lb_cookie|app_cookie"), false},
	"target_group_health.dns_failover.minimum_healthy_targets.count":                 {"1", matching(`off|[1-9][0-9]*`), true},
	"target_group_health.dns_failover.minimum_healthy_targets.percentage":            {"off", matching(`off|[1-9][0-9]?|100`), true},
	"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count":      {"1", matching(`[1-9][0-9]*`), true},
	"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": {"off", matching(`off|[1-9][0-9]?|100`), true},
}}

// listenerAttributes are those of an HTTP listener. The data plane does not change response headers.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ListenerAttribute.html
var listenerAttributes = attributes{"Listener", map[string]attribute{
	"routing.http.response.access_control_allow_credentials.header_value": {"", matching("true|"), true},
	"routing.http.response.access_control_allow_headers.header_value":     {"", anything, true},
	"routing.http.response.access_control_allow_methods.header_value":     {"", anything, true},
	"routing.http.response.access_control_allow_origin.header_value":      {"", anything, true},
	"routing.http.response.access_control_expose_headers.header_value":    {"", anything, true},
	"routing.http.response.access_control_max_age.header_value":           {"", anything, true},
	"routing.http.response.content_security_policy.header_value":          {"", anything, true},
	"routing.http.response.server.enabled":                                {"true", boolean, true},
	"routing.http.response.strict_transport_security.header_value":        {"", anything, true},
	"routing.http.response.x_content_type_options.header_value":           {"", matching("nosniff|"), true},
	"routing.http.response.x_frame_options.header_value":                  {"", anything, true},
}}

// value is what a key is set to, else its default.
func (a attributes) value(set map[string]string, key string) string {
	if v, ok := set[key]; ok {
		return v
	}
	return a.known[key].Default
}

// change sets a key after checking it.
func (a attributes) change(set map[string]string, key, value string) error {
	known, ok := a.known[key]
	if !ok {
		return invalid("%s attribute key '%s' is not recognized", a.noun, key)
	}
	if !known.Valid.MatchString(value) {
		return invalid("%s attribute '%s' value '%s' is invalid; it must match %s", a.noun, key, value, known.Valid)
	}
	set[key] = value
	return nil
}

// changeAll sets the attributes of a request.
func changeAll[A any](a attributes, set map[string]string, wanted []A, pair func(A) (key, value *string)) error {
	for _, w := range wanted {
		key, value := pair(w)
		if key == nil || value == nil {
			return invalid("%s attributes need a key and a value", a.noun)
		}
		if err := a.change(set, *key, *value); err != nil {
			return err
		}
	}
	return nil
}

// describeAll lists all attributes, sorted by key.
func describeAll[A any](a attributes, set map[string]string, pair func(key, value *string) A) []A {
	all := []A{}
	for _, k := range slices.Sorted(maps.Keys(a.known)) {
		all = append(all, pair(new(k), new(a.value(set, k))))
	}
	return all
}

// inertKeys names the attributes without effect, for the coverage table.
func inertKeys(member string, a attributes) (names []string) {
	for _, k := range slices.Sorted(maps.Keys(a.known)) {
		if a.known[k].Inert {
			names = append(names, member+"."+k)
		}
	}
	return names
}

func loadBalancerPair(a api.LoadBalancerAttribute) (key, value *string) { return a.Key, a.Value }
func targetGroupPair(a api.TargetGroupAttribute) (key, value *string)   { return a.Key, a.Value }
func listenerPair(a api.ListenerAttribute) (key, value *string)         { return a.Key, a.Value }

func loadBalancerAttribute(k, v *string) api.LoadBalancerAttribute {
	return api.LoadBalancerAttribute{Key: k, Value: v}
}

func loadBalancerAttributeList(set map[string]string) []api.LoadBalancerAttribute {
	return describeAll(loadBalancerAttributes, set, loadBalancerAttribute)
}

func targetGroupAttribute(k, v *string) api.TargetGroupAttribute {
	return api.TargetGroupAttribute{Key: k, Value: v}
}

func targetGroupAttributeList(set map[string]string) []api.TargetGroupAttribute {
	return describeAll(targetGroupAttributes, set, targetGroupAttribute)
}

func listenerAttribute(k, v *string) api.ListenerAttribute {
	return api.ListenerAttribute{Key: k, Value: v}
}

func listenerAttributeList(set map[string]string) []api.ListenerAttribute {
	return describeAll(listenerAttributes, set, listenerAttribute)
}

// DescribeLoadBalancerAttributes lists the attributes of a load balancer.
func (s *Service) DescribeLoadBalancerAttributes(ctx context.Context, in *api.DescribeLoadBalancerAttributesInput) (*api.DescribeLoadBalancerAttributesOutput, error) {
	out := &api.DescribeLoadBalancerAttributesOutput{}
	return out, s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		lb, err := find(ctx, tx, loadBalancers, kindLoadBalancer, in.LoadBalancerArn)
		out.Attributes = loadBalancerAttributeList(lb.Attributes)
		return err
	})
}

// ModifyLoadBalancerAttributes sets attributes of a load balancer.
func (s *Service) ModifyLoadBalancerAttributes(ctx context.Context, in *api.ModifyLoadBalancerAttributesInput) (*api.ModifyLoadBalancerAttributesOutput, error) {
	lb, err := s.changeLoadBalancer(ctx, in.LoadBalancerArn, func(lb *loadBalancer) error {
		return changeAll(loadBalancerAttributes, lb.Attributes, in.Attributes, loadBalancerPair)
	})
	return &api.ModifyLoadBalancerAttributesOutput{Attributes: loadBalancerAttributeList(lb.Attributes)}, err
}

// DescribeTargetGroupAttributes lists the attributes of a target group.
func (s *Service) DescribeTargetGroupAttributes(ctx context.Context, in *api.DescribeTargetGroupAttributesInput) (*api.DescribeTargetGroupAttributesOutput, error) {
	out := &api.DescribeTargetGroupAttributesOutput{}
	return out, s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := find(ctx, tx, targetGroups, kindTargetGroup, in.TargetGroupArn)
		out.Attributes = targetGroupAttributeList(g.Attributes)
		return err
	})
}

// ModifyTargetGroupAttributes sets attributes of a target group.
func (s *Service) ModifyTargetGroupAttributes(ctx context.Context, in *api.ModifyTargetGroupAttributesInput) (*api.ModifyTargetGroupAttributesOutput, error) {
	g, err := s.changeTargetGroup(ctx, in.TargetGroupArn, func(g *targetGroup) error {
		if err := changeAll(targetGroupAttributes, g.Attributes, in.Attributes, targetGroupPair); err != nil {
			return err
		}
		return g.checkAttributes()
	})
	return &api.ModifyTargetGroupAttributesOutput{Attributes: targetGroupAttributeList(g.Attributes)}, err
}

// DescribeListenerAttributes lists the attributes of a listener.
func (s *Service) DescribeListenerAttributes(ctx context.Context, in *api.DescribeListenerAttributesInput) (*api.DescribeListenerAttributesOutput, error) {
	out := &api.DescribeListenerAttributesOutput{}
	return out, s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		l, err := find(ctx, tx, listeners, kindListener, in.ListenerArn)
		out.Attributes = listenerAttributeList(l.Attributes)
		return err
	})
}

// ModifyListenerAttributes sets attributes of a listener.
func (s *Service) ModifyListenerAttributes(ctx context.Context, in *api.ModifyListenerAttributesInput) (*api.ModifyListenerAttributesOutput, error) {
	l, err := s.changeListener(ctx, in.ListenerArn, func(_ context.Context, _ *store.Tx, l *listener) error {
		return changeAll(listenerAttributes, l.Attributes, in.Attributes, listenerPair)
	})
	return &api.ModifyListenerAttributesOutput{Attributes: listenerAttributeList(l.Attributes)}, err
}
