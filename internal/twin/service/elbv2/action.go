package elbv2

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/service/elbv2/dataplane"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// checkActions checks the actions of a rule and brings them into the form in which AWS returns them.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html#rule-action-types
func checkActions(ctx context.Context, tx *store.Tx, loadBalancer string, given []api.Action) ([]api.Action, error) {
	if len(given) != 1 {
		return nil, oneAction(given)
	}
	a := given[0]
	var err error
	switch a.Type {
	case "forward":
		err = checkForward(ctx, tx, loadBalancer, &a)
	case "redirect":
		err = checkRedirect(&a)
	case "fixed-response":
		err = checkFixedResponse(a.FixedResponseConfig)
	default:
		err = laterAction(a.Type)
	}
	return []api.Action{a}, err
}

// oneAction says what is wrong with a list of actions that does not hold exactly one.
func oneAction(given []api.Action) error {
	if len(given) == 0 {
		return invalid("Actions must be specified")
	}
	for _, a := range given {
		if !slices.Contains([]string{"forward", "redirect", "fixed-response"}, a.Type) {
			return laterAction(a.Type)
		}
	}
	return wire.Errorf("InvalidLoadBalancerAction", "You must specify exactly one of the following actions: forward, redirect, fixed-response")
}

func laterAction(kind string) error {
	return later("Actions of type "+kind+" are", "forward, redirect and fixed-response are")
}

func checkForward(ctx context.Context, tx *store.Tx, loadBalancer string, a *api.Action) error {
	if a.ForwardConfig == nil && a.TargetGroupArn == nil {
		return invalid("A target group must be specified")
	}
	forward := api.ForwardActionConfig{}
	if a.ForwardConfig != nil {
		forward = *a.ForwardConfig
	}
	switch {
	case len(forward.TargetGroups) == 0 && a.TargetGroupArn == nil:
		return invalid("A target group must be specified")
	case len(forward.TargetGroups) == 0:
		forward.TargetGroups = []api.TargetGroupTuple{{TargetGroupArn: a.TargetGroupArn}}
	case a.TargetGroupArn != nil && (len(forward.TargetGroups) != 1 || wire.Value(forward.TargetGroups[0].TargetGroupArn) != *a.TargetGroupArn):
		return invalid("You cannot specify both a target group ARN and a forward configuration with other target groups")
	case len(forward.TargetGroups) > mostGroupsOfAction:
		return wire.Errorf("TooManyTargetGroups", "The maximum number of target groups for a forward action is '%d'", mostGroupsOfAction)
	}
	forward.TargetGroups = slices.Clone(forward.TargetGroups)
	if err := checkTuples(ctx, tx, loadBalancer, forward.TargetGroups); err != nil {
		return err
	}
	if err := checkGroupStickiness(&forward); err != nil {
		return err
	}
	a.ForwardConfig, a.TargetGroupArn = &forward, nil
	if len(forward.TargetGroups) == 1 {
		a.TargetGroupArn = forward.TargetGroups[0].TargetGroupArn
	}
	return nil
}

func checkTuples(ctx context.Context, tx *store.Tx, loadBalancer string, tuples []api.TargetGroupTuple) error {
	seen := map[string]bool{}
	for i, t := range tuples {
		arn := wire.Value(t.TargetGroupArn)
		if seen[arn] {
			return invalid("Target group '%s' was provided multiple times", arn)
		}
		seen[arn] = true
		g, err := find(ctx, tx, targetGroups, kindTargetGroup, arn)
		if err != nil {
			return err
		}
		if err := attachable(ctx, tx, loadBalancer, g); err != nil {
			return err
		}
		if t.Weight == nil {
			tuples[i].Weight = new(1)
		}
		if w := *tuples[i].Weight; w < 0 || w > 999 {
			return invalid("Weight '%d' must be between 0 and 999", w)
		}
	}
	return nil
}

// attachable holds that a target group serves one load balancer, in its VPC.
func attachable(ctx context.Context, tx *store.Tx, loadBalancer string, g targetGroup) error {
	lb, err := find(ctx, tx, loadBalancers, kindLoadBalancer, loadBalancer)
	if err != nil {
		return err
	}
	if g.VPC != lb.VPC {
		return wire.Errorf("InvalidConfigurationRequest", "The target group '%s' is in VPC '%s', but the load balancer is in VPC '%s'", g.ARN, g.VPC, lb.VPC)
	}
	users, err := usersOf(ctx, tx)
	if err != nil {
		return err
	}
	for _, other := range users[g.ARN] {
		if other != loadBalancer {
			return wire.Errorf("TargetGroupAssociationLimit", "The following target groups cannot be associated with more than one load balancer: %s", g.ARN)
		}
	}
	return nil
}

func checkGroupStickiness(forward *api.ForwardActionConfig) error {
	st := forward.TargetGroupStickinessConfig
	if st == nil {
		forward.TargetGroupStickinessConfig = &api.TargetGroupStickinessConfig{Enabled: new(false)}
		return nil
	}
	if !wire.Value(st.Enabled) {
		return nil
	}
	if d := wire.Value(st.DurationSeconds); d < 1 || d > 604800 {
		return invalid("Target group stickiness duration '%d' must be between 1 and 604800 seconds", d)
	}
	return nil
}

var redirectPort = regexp.MustCompile(`^(#\{port\}|[0-9]{1,5})$`)

func checkRedirect(a *api.Action) error {
	if a.RedirectConfig == nil {
		return invalid("A redirect configuration must be specified")
	}
	r := *a.RedirectConfig
	r.Protocol, r.Host = new(cmp.Or(wire.Value(r.Protocol), "#{protocol}")), new(cmp.Or(wire.Value(r.Host), "#{host}"))
	r.Port, r.Path = new(cmp.Or(wire.Value(r.Port), "#{port}")), new(cmp.Or(wire.Value(r.Path), "/#{path}"))
	if r.Query == nil {
		r.Query = new("#{query}")
	}
	a.RedirectConfig = &r
	switch {
	case *r.Protocol != "#{protocol}" && *r.Protocol != "HTTP" && *r.Protocol != "HTTPS":
		return invalid("Redirect protocol '%s' must be one of 'HTTP', 'HTTPS', '#{protocol}'", *r.Protocol)
	case !redirectPort.MatchString(*r.Port):
		return invalid("Redirect port '%s' must be a number between 1 and 65535 or '#{port}'", *r.Port)
	case !strings.HasPrefix(*r.Path, "/"):
		return invalid("Redirect path '%s' must start with '/'", *r.Path)
	case *r.Protocol == "#{protocol}" && *r.Host == "#{host}" && *r.Port == "#{port}" && *r.Path == "/#{path}":
		return wire.Errorf("InvalidLoadBalancerAction", "The following combination of redirect components will result in a redirect loop: protocol, port, host, path. Modify at least one of them to avoid a loop")
	}
	return nil
}

var (
	fixedStatus = regexp.MustCompile(`^[245][0-9][0-9]$`)
	fixedTypes  = []string{"text/plain", "text/css", "text/html", "application/javascript", "application/json"}
)

func checkFixedResponse(f *api.FixedResponseActionConfig) error {
	switch {
	case f == nil:
		return invalid("A fixed response configuration must be specified")
	case !fixedStatus.MatchString(f.StatusCode):
		return invalid("Fixed response status code '%s' must be 2XX, 4XX or 5XX", f.StatusCode)
	case f.ContentType != nil && !slices.Contains(fixedTypes, *f.ContentType):
		return invalid("Fixed response content type '%s' must be one of '%v'", *f.ContentType, fixedTypes)
	case len(wire.Value(f.MessageBody)) > 1024:
		return invalid("Fixed response message body cannot be longer than '1024' characters")
	}
	return nil
}

// groupsOf are the target groups that actions forward to.
func groupsOf(actions []api.Action) (arns []string) {
	for _, a := range actions {
		if a.ForwardConfig == nil {
			continue
		}
		for _, t := range a.ForwardConfig.TargetGroups {
			arns = append(arns, wire.Value(t.TargetGroupArn))
		}
	}
	return arns
}

// served turns checked actions into those of the data plane.
func served(actions []api.Action) []dataplane.Action {
	out := make([]dataplane.Action, len(actions))
	for i, a := range actions {
		out[i].Type = dataplane.ActionType(a.Type)
		switch {
		case a.ForwardConfig != nil:
			out[i].Forward = servedForward(a.ForwardConfig)
		case a.RedirectConfig != nil:
			out[i].Redirect = servedRedirect(a.RedirectConfig)
		case a.FixedResponseConfig != nil:
			f := a.FixedResponseConfig
			status, _ := strconv.Atoi(f.StatusCode) // checkFixedResponse has seen it
			out[i].FixedResponse = dataplane.FixedResponse{StatusCode: status, ContentType: wire.Value(f.ContentType), Body: wire.Value(f.MessageBody)}
		}
	}
	return out
}

func servedForward(f *api.ForwardActionConfig) (out dataplane.Forward) {
	for _, t := range f.TargetGroups {
		out.TargetGroups = append(out.TargetGroups, dataplane.WeightedTargetGroup{ID: wire.Value(t.TargetGroupArn), Weight: wire.Value(t.Weight)})
	}
	if st := f.TargetGroupStickinessConfig; st != nil && wire.Value(st.Enabled) {
		out.Stickiness = time.Duration(wire.Value(st.DurationSeconds)) * time.Second
	}
	return out
}

func servedRedirect(r *api.RedirectActionConfig) dataplane.Redirect {
	status := 302
	if r.StatusCode == "HTTP_301" {
		status = 301
	}
	return dataplane.Redirect{Protocol: wire.Value(r.Protocol), Host: wire.Value(r.Host), Port: wire.Value(r.Port), Path: wire.Value(r.Path),
		Query: wire.Value(r.Query), StatusCode: status}
}
