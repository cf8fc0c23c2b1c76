package elbv2

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	api "slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// rule says which requests of a listener go where. The default rule has no priority: it comes last.
type rule struct {
	ARN        string
	Listener   string
	Default    bool
	Priority   int // 1 to 50000
	Conditions []api.RuleCondition
	Actions    []api.Action
	Tags       map[string]string
}

var rules = &store.Table[rule]{Name: "elbv2_rules", By: func(r rule) string { return r.Listener }}

// CreateRule makes a rule.
func (s *Service) CreateRule(ctx context.Context, in *api.CreateRuleInput) (*api.CreateRuleOutput, error) {
	if len(in.Transforms) > 0 {
		return nil, errTransforms
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	r := rule{Listener: in.ListenerArn, Priority: in.Priority, Tags: tags}
	if r.Conditions, err = checkConditions(in.Conditions); err != nil {
		return nil, err
	}
	err = s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		l, err := find(ctx, tx, listeners, kindListener, r.Listener)
		if err != nil {
			return err
		}
		if err := roomForRule(ctx, tx, l, r.Priority); err != nil {
			return err
		}
		if r.Actions, err = checkActions(ctx, tx, l.LoadBalancer, in.Actions); err != nil {
			return err
		}
		r.ARN = ruleARN(l.ARN)
		return rules.Put(tx, key(ctx, r.ARN), r)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateRuleOutput{Rules: []api.Rule{r.describe()}}, nil
}

var errTransforms = later("Transforms of rules are", "leave Transforms out")

// roomForRule holds that priorities are unique in a listener, and the quota of rules.
func roomForRule(ctx context.Context, tx *store.Tx, l listener, priority int) error {
	if priority < 1 || priority > 50000 {
		return invalid("Priority '%d' must be between 1 and 50000", priority)
	}
	siblings, err := listBy(ctx, tx, listeners, l.LoadBalancer)
	if err != nil {
		return err
	}
	count := 0
	for _, sibling := range siblings {
		its, err := listBy(ctx, tx, rules, sibling.ARN)
		if err != nil {
			return err
		}
		count += len(its) - 1 // without the default rule
		if sibling.ARN == l.ARN && slices.ContainsFunc(its, func(r rule) bool { return r.Priority == priority }) {
			return priorityInUse(priority)
		}
	}
	if count >= mostRules {
		return wire.Errorf("TooManyRules", "The maximum number of rules for load balancer '%s' has been reached", l.LoadBalancer)
	}
	return nil
}

func priorityInUse(priority int) error {
	return wire.Errorf("PriorityInUse", "Priority '%d' is currently in use", priority)
}

func (r rule) describe() api.Rule {
	out := api.Rule{RuleArn: &r.ARN, IsDefault: &r.Default, Priority: new("default"), Conditions: []api.RuleCondition{}, Actions: r.Actions}
	if !r.Default {
		out.Priority, out.Conditions = new(strconv.Itoa(r.Priority)), r.Conditions
	}
	return out
}

// byPriority orders rules as they are tried: the default rule is the last.
func byPriority(a, b rule) int {
	if a.Default != b.Default {
		return cmp.Compare(number(a.Default), number(b.Default))
	}
	return cmp.Compare(a.Priority, b.Priority)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// DescribeRules lists the rules of a listener in their order, or those of the ARNs.
func (s *Service) DescribeRules(ctx context.Context, in *api.DescribeRulesInput) (*api.DescribeRulesOutput, error) {
	if in.ListenerArn == nil && len(in.RuleArns) == 0 {
		return nil, invalid("You must specify either listener rule ARNs or a listener ARN")
	}
	if in.ListenerArn != nil && len(in.RuleArns) > 0 {
		return nil, invalid("Listener rule ARNs and a listener ARN cannot be specified at the same time")
	}
	var found []rule
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		found, err = selectRules(ctx, tx, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	found, next, err := page.Cut(found, in.Marker, in.PageSize, 400, "ValidationError")
	if err != nil {
		return nil, err
	}
	return &api.DescribeRulesOutput{Rules: describeRules(found), NextMarker: next}, nil
}

func describeRules(found []rule) []api.Rule {
	views := make([]api.Rule, len(found))
	for i, r := range found {
		views[i] = r.describe()
	}
	return views
}

func selectRules(ctx context.Context, tx *store.Tx, in *api.DescribeRulesInput) (found []rule, err error) {
	if in.ListenerArn != nil {
		if _, err := find(ctx, tx, listeners, kindListener, *in.ListenerArn); err != nil {
			return nil, err
		}
		found, err = listBy(ctx, tx, rules, *in.ListenerArn)
		slices.SortFunc(found, byPriority)
		return found, err
	}
	for _, arn := range in.RuleArns {
		r, err := find(ctx, tx, rules, kindRule, arn)
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, nil
}

// ModifyRule replaces the conditions or the actions of a rule.
func (s *Service) ModifyRule(ctx context.Context, in *api.ModifyRuleInput) (*api.ModifyRuleOutput, error) {
	if len(in.Transforms) > 0 {
		return nil, errTransforms
	}
	if len(in.Conditions) == 0 && len(in.Actions) == 0 && in.ResetTransforms == nil {
		return nil, invalid("Either conditions or actions must be specified")
	}
	var r rule
	err := s.change(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if r, err = find(ctx, tx, rules, kindRule, in.RuleArn); err != nil {
			return err
		}
		if r.Default {
			return wire.Errorf("OperationNotPermitted", "Default rule '%s' cannot be modified", r.ARN)
		}
		if len(in.Conditions) > 0 {
			if r.Conditions, err = checkConditions(in.Conditions); err != nil {
				return err
			}
		}
		if len(in.Actions) > 0 {
			if r.Actions, err = checkActions(ctx, tx, loadBalancerOf(r.Listener), in.Actions); err != nil {
				return err
			}
		}
		return rules.Put(tx, key(ctx, r.ARN), r)
	})
	if err != nil {
		return nil, err
	}
	return &api.ModifyRuleOutput{Rules: []api.Rule{r.describe()}}, nil
}

// DeleteRule removes a rule.
func (s *Service) DeleteRule(ctx context.Context, in *api.DeleteRuleInput) (*api.DeleteRuleOutput, error) {
	return &api.DeleteRuleOutput{}, s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		r, err := find(ctx, tx, rules, kindRule, in.RuleArn)
		if err != nil {
			return err
		}
		if r.Default {
			return wire.Errorf("OperationNotPermitted", "Default rule '%s' cannot be deleted", r.ARN)
		}
		return rules.Delete(tx, key(ctx, r.ARN))
	})
}

// SetRulePriorities gives rules new priorities, all or none; rules may swap theirs.
func (s *Service) SetRulePriorities(ctx context.Context, in *api.SetRulePrioritiesInput) (*api.SetRulePrioritiesOutput, error) {
	wanted, err := wantedPriorities(in.RulePriorities)
	if err != nil {
		return nil, err
	}
	var changed []rule
	err = s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		touched := map[string]bool{}
		for _, pair := range in.RulePriorities {
			r, err := find(ctx, tx, rules, kindRule, wire.Value(pair.RuleArn))
			if err != nil {
				return err
			}
			if r.Default {
				return wire.Errorf("OperationNotPermitted", "Priority of default rule '%s' cannot be modified", r.ARN)
			}
			r.Priority = wanted[r.ARN]
			touched[r.Listener] = true
			changed = append(changed, r)
			if err := rules.Put(tx, key(ctx, r.ARN), r); err != nil {
				return err
			}
		}
		return prioritiesUnique(ctx, tx, touched)
	})
	if err != nil {
		return nil, err
	}
	return &api.SetRulePrioritiesOutput{Rules: describeRules(changed)}, nil
}

func wantedPriorities(pairs []api.RulePriorityPair) (map[string]int, error) {
	wanted := map[string]int{}
	for _, pair := range pairs {
		arn, priority := wire.Value(pair.RuleArn), wire.Value(pair.Priority)
		if _, twice := wanted[arn]; twice {
			return nil, invalid("Rule '%s' was provided multiple times", arn)
		}
		if priority < 1 || priority > 50000 {
			return nil, invalid("Priority '%d' must be between 1 and 50000", priority)
		}
		wanted[arn] = priority
	}
	return wanted, nil
}

func prioritiesUnique(ctx context.Context, tx *store.Tx, listeners map[string]bool) error {
	for arn := range listeners {
		its, err := listBy(ctx, tx, rules, arn)
		if err != nil {
			return err
		}
		seen := map[int]bool{}
		for _, r := range its {
			if seen[r.Priority] {
				return priorityInUse(r.Priority)
			}
			seen[r.Priority] = true
		}
	}
	return nil
}

// usersOf are the load balancers of the caller's account and region that forward to each target group.
func usersOf(ctx context.Context, tx *store.Tx) (map[string][]string, error) {
	all, err := list(ctx, tx, rules)
	users := map[string][]string{}
	for _, r := range all {
		lb := loadBalancerOf(r.Listener)
		for _, arn := range groupsOf(r.Actions) {
			if !slices.Contains(users[arn], lb) {
				users[arn] = append(users[arn], lb)
			}
		}
	}
	return users, err
}
