package elbv2

import (
	"context"
	"maps"
	"slices"

	api "slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/store"
)

func (s *Service) resources() []resource.Type {
	return []resource.Type{
		{
			Name: "AWS::ElasticLoadBalancingV2::LoadBalancer", Fidelity: operation.Runs,
			Inert:  []string{"IpAddressType", "Scheme", "SecurityGroups", "SubnetMappings", "Subnets"},
			Create: s.createLoadBalancer, Update: s.updateLoadBalancer, Delete: s.deleteLoadBalancer, Attributes: s.loadBalancerValues,
		},
		{
			Name: "AWS::ElasticLoadBalancingV2::Listener", Fidelity: operation.Runs, Inert: []string{"ListenerAttributes"},
			Create: s.createListener, Update: s.updateListener, Delete: s.deleteListener,
			Attributes: func(_ context.Context, r resource.Request) (map[string]any, error) {
				return map[string]any{"ListenerArn": r.PhysicalID}, nil
			},
		},
		{
			Name: "AWS::ElasticLoadBalancingV2::ListenerRule", Fidelity: operation.Runs,
			Create: s.createRule, Update: s.updateRule, Delete: s.deleteRule,
			Attributes: func(_ context.Context, r resource.Request) (map[string]any, error) {
				return map[string]any{"RuleArn": r.PhysicalID, "IsDefault": false}, nil
			},
		},
		{
			Name: "AWS::ElasticLoadBalancingV2::TargetGroup", Fidelity: operation.Runs,
			Create: s.createTargetGroup, Update: s.updateTargetGroup, Delete: s.deleteTargetGroup, Attributes: s.targetGroupValues,
		},
	}
}

// stackTags are the tags of a resource that CloudFormation makes.
func stackTags(r resource.Request) []api.Tag {
	return resource.TagList(r.AllTags(), func(k, v string) api.Tag { return api.Tag{Key: k, Value: &v} })
}

// retag gives a resource the tags that the stack now wants, and takes those that it wanted before.
func (s *Service) retag(ctx context.Context, r resource.Request) error {
	wanted := r.AllTags()
	return s.changeTags(ctx, []string{r.PhysicalID}, func(tags map[string]string) error {
		for k := range resource.TagsOf(r.Previous["Tags"]) {
			if _, still := wanted[k]; !still {
				delete(tags, k)
			}
		}
		maps.Copy(tags, wanted)
		return nil
	})
}

// loadBalancerRefused are properties of Network Load Balancers and of capacity units, which nothing here has.
var loadBalancerRefused = []string{"EnableCapacityReservationProvisionStabilize", "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic", "Ipv4IpamPoolId", "MinimumLoadBalancerCapacity"}

func refuse(r resource.Request, names []string) error {
	for _, name := range names {
		if _, given := r.Properties[name]; given {
			return later("Property "+name+" of "+r.Type+" is", "leave it out")
		}
	}
	return nil
}

// attributeChanges are the attributes that a property wants, and the defaults of those it does not want any more, by key.
func attributeChanges[A any](r resource.Request, property string, a attributes, pair func(k, v *string) A) (changes []A) {
	wanted := resource.TagsOf(r.Previous[property])
	for k := range wanted {
		wanted[k] = a.known[k].Default
	}
	maps.Copy(wanted, resource.TagsOf(r.Properties[property]))
	for _, k := range slices.Sorted(maps.Keys(wanted)) {
		changes = append(changes, pair(&k, new(wanted[k])))
	}
	return changes
}

func (s *Service) createLoadBalancer(ctx context.Context, r resource.Request) (string, error) {
	if err := refuse(r, loadBalancerRefused); err != nil {
		return "", err
	}
	in := &api.CreateLoadBalancerInput{}
	if err := r.Into(in, "LoadBalancerAttributes", "Tags"); err != nil {
		return "", err
	}
	in.Name, in.Tags = r.Name("Name", 32), stackTags(r)
	out, err := s.CreateLoadBalancer(ctx, in)
	if err != nil {
		return "", err
	}
	arn := *out.LoadBalancers[0].LoadBalancerArn
	return arn, s.setLoadBalancerAttributes(ctx, arn, r)
}

func (s *Service) setLoadBalancerAttributes(ctx context.Context, arn string, r resource.Request) error {
	changes := attributeChanges(r, "LoadBalancerAttributes", loadBalancerAttributes, loadBalancerAttribute)
	if len(changes) == 0 {
		return nil
	}
	_, err := s.ModifyLoadBalancerAttributes(ctx, &api.ModifyLoadBalancerAttributesInput{LoadBalancerArn: arn, Attributes: changes})
	return err
}

func (s *Service) updateLoadBalancer(ctx context.Context, r resource.Request) error {
	if err := refuse(r, loadBalancerRefused); err != nil {
		return err
	}
	in := &api.CreateLoadBalancerInput{}
	if err := r.Into(in, "LoadBalancerAttributes", "Tags"); err != nil {
		return err
	}
	if _, err := s.SetSubnets(ctx, &api.SetSubnetsInput{LoadBalancerArn: r.PhysicalID, Subnets: in.Subnets, SubnetMappings: in.SubnetMappings, IpAddressType: in.IpAddressType}); err != nil {
		return err
	}
	if _, err := s.SetSecurityGroups(ctx, &api.SetSecurityGroupsInput{LoadBalancerArn: r.PhysicalID, SecurityGroups: in.SecurityGroups}); err != nil {
		return err
	}
	if err := s.setLoadBalancerAttributes(ctx, r.PhysicalID, r); err != nil {
		return err
	}
	return s.retag(ctx, r)
}

func (s *Service) deleteLoadBalancer(ctx context.Context, r resource.Request) error {
	_, err := s.DeleteLoadBalancer(ctx, &api.DeleteLoadBalancerInput{LoadBalancerArn: r.PhysicalID})
	return err
}

func (s *Service) loadBalancerValues(ctx context.Context, r resource.Request) (values map[string]any, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		lb, err := find(ctx, tx, loadBalancers, kindLoadBalancer, r.PhysicalID)
		values = map[string]any{
			"LoadBalancerArn": lb.ARN, "LoadBalancerName": lb.Name, "LoadBalancerFullName": fullName(lb.ARN), "DNSName": lb.DNSName,
			"CanonicalHostedZoneID": hostedZones[operation.CallerOf(ctx).Region], "SecurityGroups": texts(lb.SecurityGroups),
		}
		return err
	})
	return values, err
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, text := range list {
		out[i] = text
	}
	return out
}

func (s *Service) createListener(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreateListenerInput{}
	if err := r.Into(in, "ListenerAttributes"); err != nil {
		return "", err
	}
	in.Tags = stackTags(r)
	out, err := s.CreateListener(ctx, in)
	if err != nil {
		return "", err
	}
	arn := *out.Listeners[0].ListenerArn
	return arn, s.setListenerAttributes(ctx, arn, r)
}

func (s *Service) setListenerAttributes(ctx context.Context, arn string, r resource.Request) error {
	changes := attributeChanges(r, "ListenerAttributes", listenerAttributes, listenerAttribute)
	if len(changes) == 0 {
		return nil
	}
	_, err := s.ModifyListenerAttributes(ctx, &api.ModifyListenerAttributesInput{ListenerArn: arn, Attributes: changes})
	return err
}

func (s *Service) updateListener(ctx context.Context, r resource.Request) error {
	in := &api.ModifyListenerInput{}
	if err := r.Into(in, "ListenerAttributes", "LoadBalancerArn"); err != nil {
		return err
	}
	in.ListenerArn = r.PhysicalID
	if _, err := s.ModifyListener(ctx, in); err != nil {
		return err
	}
	return s.setListenerAttributes(ctx, r.PhysicalID, r)
}

func (s *Service) deleteListener(ctx context.Context, r resource.Request) error {
	_, err := s.DeleteListener(ctx, &api.DeleteListenerInput{ListenerArn: r.PhysicalID})
	return resource.Absent(err, kindListener.code)
}

func (s *Service) createRule(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreateRuleInput{}
	if err := r.Into(in); err != nil {
		return "", err
	}
	in.Tags = stackTags(r)
	out, err := s.CreateRule(ctx, in)
	if err != nil {
		return "", err
	}
	return *out.Rules[0].RuleArn, nil
}

func (s *Service) updateRule(ctx context.Context, r resource.Request) error {
	in := &api.CreateRuleInput{}
	if err := r.Into(in); err != nil {
		return err
	}
	_, err := s.ModifyRule(ctx, &api.ModifyRuleInput{RuleArn: r.PhysicalID, Conditions: in.Conditions, Actions: in.Actions, Transforms: in.Transforms})
	if err != nil {
		return err
	}
	_, err = s.SetRulePriorities(ctx, &api.SetRulePrioritiesInput{RulePriorities: []api.RulePriorityPair{{RuleArn: &r.PhysicalID, Priority: &in.Priority}}})
	return err
}

func (s *Service) deleteRule(ctx context.Context, r resource.Request) error {
	_, err := s.DeleteRule(ctx, &api.DeleteRuleInput{RuleArn: r.PhysicalID})
	return resource.Absent(err, kindRule.code)
}

func (s *Service) createTargetGroup(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreateTargetGroupInput{}
	if err := r.Into(in, "TargetGroupAttributes", "Targets", "Tags"); err != nil {
		return "", err
	}
	in.Name, in.Tags = r.Name("Name", 32), stackTags(r)
	out, err := s.CreateTargetGroup(ctx, in)
	if err != nil {
		return "", err
	}
	arn := *out.TargetGroups[0].TargetGroupArn
	if err := s.setTargetGroupAttributes(ctx, arn, r); err != nil {
		return "", err
	}
	return arn, s.setTargets(ctx, arn, r)
}

func (s *Service) setTargetGroupAttributes(ctx context.Context, arn string, r resource.Request) error {
	changes := attributeChanges(r, "TargetGroupAttributes", targetGroupAttributes, targetGroupAttribute)
	if len(changes) == 0 {
		return nil
	}
	_, err := s.ModifyTargetGroupAttributes(ctx, &api.ModifyTargetGroupAttributesInput{TargetGroupArn: arn, Attributes: changes})
	return err
}

// targetList reads the property Targets.
func targetList(properties map[string]any) ([]api.TargetDescription, error) {
	var holder struct{ Targets []api.TargetDescription }
	given, ok := properties["Targets"]
	if !ok {
		return nil, nil
	}
	err := resource.Into(map[string]any{"Targets": given}, &holder)
	return holder.Targets, err
}

// setTargets registers the targets of the property and deregisters those it had before.
func (s *Service) setTargets(ctx context.Context, arn string, r resource.Request) error {
	wanted, err := targetList(r.Properties)
	if err != nil {
		return err
	}
	before, err := targetList(r.Previous)
	if err != nil {
		return err
	}
	if len(before) > 0 {
		if _, err := s.DeregisterTargets(ctx, &api.DeregisterTargetsInput{TargetGroupArn: arn, Targets: before}); err != nil {
			return err
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	_, err = s.RegisterTargets(ctx, &api.RegisterTargetsInput{TargetGroupArn: arn, Targets: wanted})
	return err
}

func (s *Service) updateTargetGroup(ctx context.Context, r resource.Request) error {
	in := &api.ModifyTargetGroupInput{}
	if err := r.Into(in, "IpAddressType", "Name", "Port", "Protocol", "ProtocolVersion", "TargetGroupAttributes", "TargetType", "Targets", "Tags", "VpcId"); err != nil {
		return err
	}
	in.TargetGroupArn = r.PhysicalID
	if _, err := s.ModifyTargetGroup(ctx, in); err != nil {
		return err
	}
	if err := s.setTargetGroupAttributes(ctx, r.PhysicalID, r); err != nil {
		return err
	}
	if err := s.setTargets(ctx, r.PhysicalID, r); err != nil {
		return err
	}
	return s.retag(ctx, r)
}

func (s *Service) deleteTargetGroup(ctx context.Context, r resource.Request) error {
	_, err := s.DeleteTargetGroup(ctx, &api.DeleteTargetGroupInput{TargetGroupArn: r.PhysicalID})
	return err
}

func (s *Service) targetGroupValues(ctx context.Context, r resource.Request) (values map[string]any, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := find(ctx, tx, targetGroups, kindTargetGroup, r.PhysicalID)
		if err != nil {
			return err
		}
		users, err := usersOf(ctx, tx)
		values = map[string]any{
			"TargetGroupArn": g.ARN, "TargetGroupName": g.Name, "TargetGroupFullName": fullName(g.ARN), "LoadBalancerArns": texts(users[g.ARN]),
		}
		return err
	})
	return values, err
}
