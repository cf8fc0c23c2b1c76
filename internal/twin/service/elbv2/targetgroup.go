package elbv2

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	api "slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// targetGroup is a set of targets and how they are checked.
type targetGroup struct {
	ARN             string
	Name            string
	Protocol        string // HTTP or HTTPS
	ProtocolVersion string // HTTP1, HTTP2, GRPC
	Port            int
	VPC             string
	TargetType      string // instance or ip
	IPAddressType   string // ipv4 or ipv6
	Check           healthCheck
	Attributes      map[string]string // those that differ from the default
	Tags            map[string]string
}

// healthCheck says how targets are checked; seconds and counts.
type healthCheck struct {
	Protocol  string
	Port      string // "traffic-port" or a number
	Path      string
	Matcher   string
	Interval  int
	Timeout   int
	Healthy   int
	Unhealthy int
}

var targetGroups = &store.Table[targetGroup]{Name: "elbv2_target_groups"}

// CreateTargetGroup makes a target group; one that exists with the same settings is returned.
func (s *Service) CreateTargetGroup(ctx context.Context, in *api.CreateTargetGroupInput) (*api.CreateTargetGroupOutput, error) {
	g, err := s.wantedTargetGroup(ctx, in)
	if err != nil {
		return nil, err
	}
	var users []string
	err = s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		all, err := list(ctx, tx, targetGroups)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(all, func(other targetGroup) bool { return other.Name == g.Name }); i >= 0 {
			if !g.sameAs(all[i]) {
				return wire.Errorf("DuplicateTargetGroupName", "A target group with the same name '%s' exists, but with different settings", g.Name)
			}
			g = all[i]
			byGroup, err := usersOf(ctx, tx)
			users = byGroup[g.ARN]
			return err
		}
		if len(all) >= mostTargetGroups {
			return wire.Errorf("TooManyTargetGroups", "The maximum number of target groups has been reached")
		}
		return targetGroups.Put(tx, key(ctx, g.ARN), g)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateTargetGroupOutput{TargetGroups: []api.TargetGroup{g.describe(users)}}, nil
}

func (s *Service) wantedTargetGroup(ctx context.Context, in *api.CreateTargetGroupInput) (targetGroup, error) {
	g := targetGroup{
		Name: in.Name, Protocol: wire.Value(in.Protocol), ProtocolVersion: cmp.Or(wire.Value(in.ProtocolVersion), "HTTP1"), Port: wire.Value(in.Port),
		VPC: wire.Value(in.VpcId), TargetType: cmp.Or(wire.Value(in.TargetType), "instance"), IPAddressType: cmp.Or(wire.Value(in.IpAddressType), "ipv4"),
		Attributes: map[string]string{},
	}
	if err := checkTargetGroup(in, g); err != nil {
		return g, err
	}
	if err := s.checkVPC(ctx, g.VPC); err != nil {
		return g, err
	}
	g.Check = defaultCheck(g)
	err := g.setCheck(checkSettings{in.HealthCheckEnabled, in.HealthCheckProtocol, in.HealthCheckPort, in.HealthCheckPath, in.Matcher,
		in.HealthCheckIntervalSeconds, in.HealthCheckTimeoutSeconds, in.HealthyThresholdCount, in.UnhealthyThresholdCount})
	if err != nil {
		return g, err
	}
	g.ARN = targetGroupARN(ctx, g.Name)
	g.Tags, err = tagsOf(in.Tags)
	return g, err
}

func checkTargetGroup(in *api.CreateTargetGroupInput, g targetGroup) error {
	switch {
	case g.TargetType == "lambda" || g.TargetType == "alb":
		return later("Target groups of type "+g.TargetType+" are", "use ip or instance")
	case in.TargetControlPort != nil:
		return later("Target optimizers are", "leave TargetControlPort out")
	case g.Protocol == "":
		return invalid("A protocol must be specified")
	case g.Protocol != "HTTP" && g.Protocol != "HTTPS":
		return later("Target groups with protocol "+g.Protocol+" are", "they belong to Network and Gateway Load Balancers; use HTTP or HTTPS")
	case g.Port == 0:
		return invalid("A port must be specified")
	case g.VPC == "":
		return invalid("A VPC ID must be specified")
	case !slices.Contains([]string{"HTTP1", "HTTP2", "GRPC"}, g.ProtocolVersion):
		return invalid("Protocol version '%s' must be one of 'HTTP1, HTTP2, GRPC'", g.ProtocolVersion)
	}
	return checkName("Target group", g.Name)
}

func defaultCheck(g targetGroup) healthCheck {
	c := healthCheck{Protocol: "HTTP", Port: "traffic-port", Path: "/", Matcher: "200", Interval: 30, Timeout: 5, Healthy: 5, Unhealthy: 2}
	if g.ProtocolVersion == "GRPC" {
		c.Path, c.Matcher = "/AWS.ALB/healthcheck", "12"
	}
	return c
}

// checkSettings are what a request says of a health check; nil members keep what is.
type checkSettings struct {
	enabled                               *bool
	protocol, port, path                  *string
	matcher                               *api.Matcher
	interval, timeout, healthy, unhealthy *int
}

var (
	httpCodes = regexp.MustCompile(`^[2-4][0-9][0-9](-[2-4][0-9][0-9])?(,[2-4][0-9][0-9](-[2-4][0-9][0-9])?)*$`)
	grpcCodes = regexp.MustCompile(`^[0-9]{1,2}(-[0-9]{1,2})?(,[0-9]{1,2}(-[0-9]{1,2})?)*$`)
)

// setCheck takes over the settings that are given, and holds what AWS asks of them.
func (g *targetGroup) setCheck(in checkSettings) error {
	c := &g.Check
	set(&c.Protocol, in.protocol)
	set(&c.Port, in.port)
	set(&c.Path, in.path)
	set(&c.Interval, in.interval)
	set(&c.Timeout, in.timeout)
	set(&c.Healthy, in.healthy)
	set(&c.Unhealthy, in.unhealthy)
	if in.enabled != nil && !*in.enabled {
		return invalid("Health check enabled must be true for target groups with target type '%s'", g.TargetType)
	}
	if err := g.setMatcher(in.matcher); err != nil {
		return err
	}
	return c.check()
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func (g *targetGroup) setMatcher(m *api.Matcher) error {
	if m == nil {
		return nil
	}
	code, pattern := m.HttpCode, httpCodes
	if g.ProtocolVersion == "GRPC" {
		code, pattern = m.GrpcCode, grpcCodes
	}
	if code == nil || !pattern.MatchString(*code) {
		return invalid("Health check matcher '%s' is not valid for protocol version '%s'", cmp.Or(wire.Value(m.HttpCode), wire.Value(m.GrpcCode)), g.ProtocolVersion)
	}
	g.Check.Matcher = *code
	return nil
}

func (c healthCheck) check() error {
	port, err := strconv.Atoi(c.Port)
	switch {
	case c.Protocol != "HTTP" && c.Protocol != "HTTPS":
		return invalid("Health check protocol '%s' must be one of 'HTTP', 'HTTPS'", c.Protocol)
	case c.Port != "traffic-port" && (err != nil || port < 1 || port > 65535):
		return invalid("Health check port '%s' must be 'traffic-port' or in the range 1-65535", c.Port)
	case !validPath(c.Path):
		return invalid("Health check path '%s' must be an absolute path that begins with '/'", c.Path)
	case c.Interval < 5 || c.Interval > 300:
		return invalid("Health check interval '%d' must be between 5 and 300 seconds", c.Interval)
	case c.Timeout < 2 || c.Timeout > 120:
		return invalid("Health check timeout '%d' must be between 2 and 120 seconds", c.Timeout)
	case c.Timeout >= c.Interval:
		return invalid("Health check timeout '%d' must be smaller than the interval '%d'", c.Timeout, c.Interval)
	case min(c.Healthy, c.Unhealthy) < 2 || max(c.Healthy, c.Unhealthy) > 10:
		return invalid("Health check thresholds must be between 2 and 10")
	}
	return nil
}

func validPath(path string) bool {
	u, err := url.ParseRequestURI(path)
	return err == nil && strings.HasPrefix(path, "/") && u.Host == "" && len(path) <= 1024
}

// sameAs says whether creating g again asks for what other is.
func (g targetGroup) sameAs(other targetGroup) bool {
	return g.Protocol == other.Protocol && g.ProtocolVersion == other.ProtocolVersion && g.Port == other.Port && g.VPC == other.VPC &&
		g.TargetType == other.TargetType && g.IPAddressType == other.IPAddressType && g.Check == other.Check && maps.Equal(g.Tags, other.Tags)
}

// checkAttributes holds what attributes ask of one another.
func (g targetGroup) checkAttributes() error {
	value := func(key string) string { return targetGroupAttributes.value(g.Attributes, key) }
	switch {
	case value("stickiness.enabled") == "true" && value("stickiness.type") == "app_cookie" && value("stickiness.app_cookie.cookie_name") == "":
		return invalid("You must specify an application cookie name for application-based stickiness")
	case strings.HasPrefix(value("stickiness.app_cookie.cookie_name"), "AWSALB"):
		return invalid("The application cookie name cannot begin with AWSALB, AWSALBAPP or AWSALBTG")
	case value("slow_start.duration_seconds") != "0" && value("load_balancing.algorithm.type") != "round_robin":
		return invalid("Slow start mode cannot be used with the %s algorithm", value("load_balancing.algorithm.type"))
	}
	return nil
}

func (g targetGroup) describe(users []string) api.TargetGroup {
	c := g.Check
	out := api.TargetGroup{
		TargetGroupArn: &g.ARN, TargetGroupName: &g.Name, Protocol: &g.Protocol, ProtocolVersion: &g.ProtocolVersion, Port: &g.Port, VpcId: &g.VPC,
		TargetType: &g.TargetType, IpAddressType: &g.IPAddressType, HealthCheckEnabled: new(true), HealthCheckProtocol: &c.Protocol,
		HealthCheckPort: &c.Port, HealthCheckPath: &c.Path, HealthCheckIntervalSeconds: &c.Interval, HealthCheckTimeoutSeconds: &c.Timeout,
		HealthyThresholdCount: &c.Healthy, UnhealthyThresholdCount: &c.Unhealthy, Matcher: &api.Matcher{HttpCode: &c.Matcher}, LoadBalancerArns: []string{},
	}
	if g.ProtocolVersion == "GRPC" {
		out.Matcher = &api.Matcher{GrpcCode: &c.Matcher}
	}
	out.LoadBalancerArns = append(out.LoadBalancerArns, users...)
	return out
}

// DescribeTargetGroups lists target groups: all, those of a load balancer, or those of the names or ARNs.
func (s *Service) DescribeTargetGroups(ctx context.Context, in *api.DescribeTargetGroupsInput) (*api.DescribeTargetGroupsOutput, error) {
	if given := number(in.LoadBalancerArn != nil) + number(len(in.Names) > 0) + number(len(in.TargetGroupArns) > 0); given > 1 {
		return nil, invalid("A load balancer ARN, target group names and target group ARNs cannot be specified at the same time")
	}
	var found []targetGroup
	var users map[string][]string
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if users, err = usersOf(ctx, tx); err == nil {
			found, err = selectTargetGroups(ctx, tx, in, users)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	found, next, err := page.Cut(found, in.Marker, in.PageSize, 400, "ValidationError")
	if err != nil {
		return nil, err
	}
	out := &api.DescribeTargetGroupsOutput{TargetGroups: []api.TargetGroup{}, NextMarker: next}
	for _, g := range found {
		out.TargetGroups = append(out.TargetGroups, g.describe(users[g.ARN]))
	}
	return out, nil
}

func selectTargetGroups(ctx context.Context, tx *store.Tx, in *api.DescribeTargetGroupsInput, users map[string][]string) (found []targetGroup, err error) {
	for _, arn := range in.TargetGroupArns {
		g, err := find(ctx, tx, targetGroups, kindTargetGroup, arn)
		if err != nil {
			return nil, err
		}
		found = append(found, g)
	}
	if len(in.TargetGroupArns) > 0 {
		return found, nil
	}
	all, err := list(ctx, tx, targetGroups)
	if err != nil {
		return nil, err
	}
	if in.LoadBalancerArn != nil {
		if _, err := find(ctx, tx, loadBalancers, kindLoadBalancer, *in.LoadBalancerArn); err != nil {
			return nil, err
		}
		return slices.DeleteFunc(all, func(g targetGroup) bool { return !slices.Contains(users[g.ARN], *in.LoadBalancerArn) }), nil
	}
	if len(in.Names) == 0 {
		return all, nil
	}
	found, missing := named(all, in.Names, func(g targetGroup) string { return g.Name })
	if len(missing) > 0 {
		return nil, kindTargetGroup.missing()
	}
	return found, nil
}

// changeTargetGroup reads, changes and writes one target group.
func (s *Service) changeTargetGroup(ctx context.Context, arn string, f func(g *targetGroup) error) (g targetGroup, err error) {
	err = s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		if g, err = find(ctx, tx, targetGroups, kindTargetGroup, arn); err != nil {
			return err
		}
		if err := f(&g); err != nil {
			return err
		}
		return targetGroups.Put(tx, key(ctx, arn), g)
	})
	return g, err
}

// ModifyTargetGroup changes the health check.
func (s *Service) ModifyTargetGroup(ctx context.Context, in *api.ModifyTargetGroupInput) (*api.ModifyTargetGroupOutput, error) {
	var users []string
	g, err := s.changeTargetGroup(ctx, in.TargetGroupArn, func(g *targetGroup) error {
		return g.setCheck(checkSettings{in.HealthCheckEnabled, in.HealthCheckProtocol, in.HealthCheckPort, in.HealthCheckPath, in.Matcher,
			in.HealthCheckIntervalSeconds, in.HealthCheckTimeoutSeconds, in.HealthyThresholdCount, in.UnhealthyThresholdCount})
	})
	if err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		byGroup, err := usersOf(ctx, tx)
		users = byGroup[g.ARN]
		return err
	})
	return &api.ModifyTargetGroupOutput{TargetGroups: []api.TargetGroup{g.describe(users)}}, err
}

// DeleteTargetGroup removes a target group that nothing forwards to; one that is gone already is no error.
func (s *Service) DeleteTargetGroup(ctx context.Context, in *api.DeleteTargetGroupInput) (*api.DeleteTargetGroupOutput, error) {
	if err := kindTargetGroup.check(in.TargetGroupArn); err != nil {
		return nil, err
	}
	return &api.DeleteTargetGroupOutput{}, s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		k := key(ctx, in.TargetGroupArn)
		_, err := targetGroups.Get(tx, k)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		users, err := usersOf(ctx, tx)
		if err != nil {
			return err
		}
		if len(users[in.TargetGroupArn]) > 0 {
			return wire.Errorf("ResourceInUse", "Target group '%s' is currently in use by a listener or a rule", in.TargetGroupArn)
		}
		if err := targets.DeleteBy(tx, k.Account, k.Region, in.TargetGroupArn); err != nil {
			return err
		}
		return targetGroups.Delete(tx, k)
	})
}
