package delivery

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway.dev/internal/manifest"
)

// rule is a rule of a listener.
type rule struct {
	arn      string
	priority int
	serves   string // the paths and hosts it matches
}

// Rules are tried from the lowest number up, so what takes everything stands in a band of its own above all else: whichever service
// of a listener is deployed first, /* does not hide /api/*. A listener's numbers end at 50000.
const (
	catchAllFrom = 40000
	lastPriority = 50000
)

// priority is the number of the service's first rule. Where the manifest gives none it is the one the service has, or else the next
// free one: one more than the highest below catchAllFrom, as in mu; for a service that takes every path on every host, the first from
// catchAllFrom up. A service that stands in the other's band moves. A number of the manifest that another service's rule has is
// refused.
func (p *Project) priority(ctx context.Context, listener string, s *manifest.Service, deployed *Stack) (int, error) {
	if !s.Exposed() {
		return 0, nil
	}
	rules, err := p.rules(ctx, listener)
	if err != nil {
		return 0, err
	}
	ours := map[string]bool{}
	if deployed.exists() {
		if ours, err = p.ruleARNs(ctx, deployed.ID); err != nil {
			return 0, err
		}
	}
	current := 0
	if deployed.exists() {
		current, _ = strconv.Atoi(deployed.Parameters["PathListenerRulePriority"]) // an older template may not have it
	}
	return choosePriority(rules, ours, s, current)
}

// choosePriority decides; ours are the ARNs of the service's own rules, current is the number it has, or 0.
func choosePriority(rules []rule, ours map[string]bool, s *manifest.Service, current int) (int, error) {
	taken := map[int]rule{}
	for _, r := range rules {
		if !ours[r.arn] {
			taken[r.priority] = r
		}
	}
	if s.Priority == 0 {
		return freePriority(rules, taken, s, current)
	}
	for _, n := range numbersOf(s, s.Priority) {
		if r, clash := taken[n]; clash {
			return 0, fmt.Errorf("priority %d of the service %s is taken in the listener by the rule for %s: choose another, or leave priority out for the next free one", n, s.Name, r.serves)
		}
	}
	return s.Priority, nil
}

// freePriority is the number in the service's band: the current one, the next free one, or, where the band is used to its end, a gap.
func freePriority(rules []rule, taken map[int]rule, s *manifest.Service, current int) (int, error) {
	first, last, next := 1, catchAllFrom-1, 1
	if catchesAll(s) {
		first, last, next = catchAllFrom, lastPriority, catchAllFrom
	} else {
		for _, r := range rules {
			if r.priority < catchAllFrom {
				next = max(next, r.priority+1)
			}
		}
	}
	fits := func(n int) bool {
		return n >= first && !slices.ContainsFunc(numbersOf(s, n), func(n int) bool { return n > last || taken[n].arn != "" })
	}
	for _, n := range []int{current, next} {
		if fits(n) {
			return n, nil
		}
	}
	for n := first; n <= last; n++ {
		if fits(n) {
			return n, nil
		}
	}
	return 0, fmt.Errorf("the listener has no number from %d to %d left for the service %s", first, last, s.Name)
}

// catchesAll reports whether a service takes every path on every host.
func catchesAll(s *manifest.Service) bool {
	return len(s.HostPatterns) == 0 && !slices.ContainsFunc(s.PathPatterns, func(p string) bool { return p != "/*" && p != "*" })
}

// numbersOf are the numbers the service's rules take: paths the first, hosts the one after.
func numbersOf(s *manifest.Service, first int) (numbers []int) {
	if len(s.PathPatterns) > 0 {
		numbers = append(numbers, first)
	}
	if len(s.HostPatterns) > 0 {
		numbers = append(numbers, first+1)
	}
	return numbers
}

func (p *Project) rules(ctx context.Context, listener string) ([]rule, error) {
	pages := elasticloadbalancingv2.NewDescribeRulesPaginator(p.Target.Clients.LoadBalancers, &elasticloadbalancingv2.DescribeRulesInput{ListenerArn: &listener})
	var rules []rule
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("rules of listener %s: %w", listener, err)
		}
		for _, r := range page.Rules {
			number, err := strconv.Atoi(aws.ToString(r.Priority))
			if err != nil {
				continue // the default rule
			}
			rules = append(rules, rule{aws.ToString(r.RuleArn), number, servesOf(r)})
		}
	}
	return rules, nil
}

func servesOf(r elbtypes.Rule) string {
	text := ""
	for _, c := range r.Conditions {
		values := c.Values
		switch {
		case c.PathPatternConfig != nil:
			values = c.PathPatternConfig.Values
		case c.HostHeaderConfig != nil:
			values = c.HostHeaderConfig.Values
		}
		for _, v := range values {
			text += " " + v
		}
	}
	return cmp.Or(text, " everything")[1:]
}

// ruleARNs are the listener rules that belong to a stack.
func (p *Project) ruleARNs(ctx context.Context, stack string) (map[string]bool, error) {
	resources, err := p.resources(ctx, stack)
	if err != nil {
		return nil, err
	}
	ours := map[string]bool{}
	for _, r := range resources {
		if aws.ToString(r.ResourceType) == "AWS::ElasticLoadBalancingV2::ListenerRule" {
			ours[aws.ToString(r.PhysicalResourceId)] = true
		}
	}
	return ours, nil
}
