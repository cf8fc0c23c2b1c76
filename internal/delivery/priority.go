package delivery

import (
	"cmp"
	"context"
	"fmt"
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

// priority is the number of the service's first rule: the one it has, or else the next free one, which is one more than the
// highest, as in mu. A number of the manifest that another service's rule has is refused.
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
	highest, taken := 0, map[int]rule{}
	for _, r := range rules {
		highest = max(highest, r.priority)
		if !ours[r.arn] {
			taken[r.priority] = r
		}
	}
	wanted := cmp.Or(s.Priority, current, highest+1)
	for _, n := range numbersOf(s, wanted) {
		r, clash := taken[n]
		switch {
		case !clash:
		case s.Priority != 0:
			return 0, fmt.Errorf("priority %d of the service %s is taken in the listener by the rule for %s: choose another, or leave priority out for the next free one", n, s.Name, r.serves)
		default:
			return highest + 1, nil
		}
	}
	return wanted, nil
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
