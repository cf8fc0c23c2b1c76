package ec2

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

type rule = api.SecurityGroupRule

var rules = define(&kind[rule]{
	prefix: "sgr", typ: "security-group-rule", noun: "security group rule", code: "InvalidSecurityGroupRuleId.NotFound", by: "group-id",
	id: func(v *rule) **string { return &v.SecurityGroupRuleId }, tags: func(v *rule) *[]api.Tag { return &v.Tags },
	refs: func(v *rule) []string {
		if v.ReferencedGroupInfo == nil || *v.ReferencedGroupInfo.GroupId == *v.GroupId {
			return nil
		}
		return []string{*v.ReferencedGroupInfo.GroupId}
	},
	fields: map[string]func(*rule) []string{
		"group-id": text(func(v *rule) *string { return v.GroupId }), "security-group-rule-id": text(func(v *rule) *string { return v.SecurityGroupRuleId }),
	},
})

// protocols by number; the API answers with names.
var protocols = map[string]string{"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1"}

// rulesOf takes permissions apart: a rule for every peer.
func rulesOf(ctx context.Context, tx *store.Tx, g securityGroup, egress bool, permissions []api.IpPermission) (all []rule, err error) {
	for _, p := range permissions {
		base, err := baseRule(g, egress, p)
		if err != nil {
			return nil, err
		}
		of, err := peers(ctx, tx, base, p)
		if err != nil {
			return nil, err
		}
		if len(of) == 0 {
			return nil, wire.Errorf("InvalidPermission.Malformed", "A permission must name at least one CIDR range, prefix list or security group")
		}
		all = append(all, of...)
	}
	if len(all) == 0 {
		return nil, wire.Errorf("MissingParameter", "The request must contain the parameter ipPermissions")
	}
	return all, nil
}

// baseRule checks the protocol and the ports.
func baseRule(g securityGroup, egress bool, p api.IpPermission) (rule, error) {
	protocol := strings.ToLower(wire.Value(p.IpProtocol))
	protocol = cmp.Or(protocols[protocol], protocol)
	r := rule{GroupId: g.GroupId, GroupOwnerId: g.OwnerId, IsEgress: &egress, IpProtocol: &protocol, FromPort: p.FromPort, ToPort: p.ToPort, Tags: []api.Tag{}}
	switch protocol {
	case "tcp", "udp":
		if p.FromPort == nil || p.ToPort == nil {
			return r, wire.Errorf("MissingParameter", "The request must contain the parameter fromPort and toPort")
		}
		if *p.FromPort == -1 && *p.ToPort == -1 {
			r.FromPort, r.ToPort = new(0), new(65535)
		} else if *p.FromPort < 0 || *p.ToPort > 65535 || *p.FromPort > *p.ToPort {
			return r, wire.Errorf("InvalidParameterValue", "Invalid TCP/UDP port range (%d:%d)", *p.FromPort, *p.ToPort)
		}
	case "icmp", "icmpv6":
		r.FromPort, r.ToPort = cmp.Or(p.FromPort, new(-1)), cmp.Or(p.ToPort, new(-1))
	default:
		n, err := strconv.Atoi(protocol)
		if err != nil || n < -1 || n > 255 {
			return r, wire.Errorf("InvalidParameterValue", "Invalid value '%s' for IP protocol. Unknown protocol.", protocol)
		}
		r.FromPort, r.ToPort = new(-1), new(-1)
	}
	return r, nil
}

func peers(ctx context.Context, tx *store.Tx, base rule, p api.IpPermission) (all []rule, err error) {
	for _, to := range p.IpRanges {
		r := base
		if r.CidrIpv4, err = cidr(to.CidrIp, true); err != nil {
			return nil, err
		}
		r.Description = to.Description
		all = append(all, r)
	}
	for _, to := range p.Ipv6Ranges {
		r := base
		if r.CidrIpv6, err = cidr(to.CidrIpv6, false); err != nil {
			return nil, err
		}
		r.Description = to.Description
		all = append(all, r)
	}
	for _, to := range p.PrefixListIds {
		r := base
		r.PrefixListId, r.Description = to.PrefixListId, to.Description
		all = append(all, r)
	}
	for _, to := range p.UserIdGroupPairs {
		r := base
		if r.ReferencedGroupInfo, err = peerGroup(ctx, tx, *base.GroupId, to); err != nil {
			return nil, err
		}
		r.Description = to.Description
		all = append(all, r)
	}
	return all, nil
}

func cidr(given *string, v4 bool) (*string, error) {
	p, err := netip.ParsePrefix(wire.Value(given))
	if err != nil || p.Addr().Is4() != v4 {
		return nil, wire.Errorf("InvalidParameterValue", "CIDR block %s is malformed", wire.Value(given))
	}
	return new(p.Masked().String()), nil
}

// peerGroup finds the group that a rule names by id, or by name in the VPC of the rule's own.
func peerGroup(ctx context.Context, tx *store.Tx, own string, pair api.UserIdGroupPair) (*api.ReferencedSecurityGroup, error) {
	if pair.GroupId == nil && pair.GroupName != nil {
		g, err := securityGroups.get(ctx, tx, own)
		if err != nil {
			return nil, err
		}
		found, err := securityGroups.choose(ctx, tx, nil, []api.Filter{{Name: new("vpc-id"), Values: []string{*g.VpcId}}, {Name: new("group-name"), Values: []string{*pair.GroupName}}})
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, securityGroups.missing(*pair.GroupName)
		}
		pair.GroupId = found[0].GroupId
	}
	g, err := securityGroups.get(ctx, tx, wire.Value(pair.GroupId))
	if err != nil {
		return nil, err
	}
	return &api.ReferencedSecurityGroup{GroupId: g.GroupId, UserId: g.OwnerId}, nil
}

// same is what makes two rules of a group one: everything but the description.
func same(r rule) string {
	port := func(n *int) string {
		if n == nil {
			return "ALL"
		}
		return fmt.Sprint(*n)
	}
	peer := cmp.Or(wire.Value(r.CidrIpv4), wire.Value(r.CidrIpv6), wire.Value(r.PrefixListId))
	if r.ReferencedGroupInfo != nil {
		peer = *r.ReferencedGroupInfo.GroupId
	}
	protocol := strings.ToUpper(*r.IpProtocol)
	if protocol == "-1" {
		return fmt.Sprintf("peer: %s, ALL, ALLOW", peer)
	}
	return fmt.Sprintf("peer: %s, %s, from port: %s, to port: %s, ALLOW", peer, protocol, port(r.FromPort), port(r.ToPort))
}

// addRules writes the rules that permissions make; one that the group has already refuses them all.
func addRules(ctx context.Context, tx *store.Tx, g securityGroup, egress bool, permissions []api.IpPermission, tags []api.TagSpecification) ([]rule, error) {
	added, err := rulesOf(ctx, tx, g, egress, permissions)
	if err != nil {
		return nil, err
	}
	have, err := rules.of(ctx, tx, *g.GroupId)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, r := range have {
		if *r.IsEgress == egress {
			known[same(r)] = true
		}
	}
	for i := range added {
		if known[same(added[i])] {
			return nil, wire.Errorf("InvalidPermission.Duplicate", "the specified rule \"%s\" already exists", same(added[i]))
		}
		known[same(added[i])] = true
		if err := rules.make(ctx, tx, &added[i], tags); err != nil {
			return nil, err
		}
		added[i].SecurityGroupRuleArn = new(operation.ARN(ctx, "ec2", "security-group-rule/"+*added[i].SecurityGroupRuleId))
	}
	return added, nil
}

// legacy is the permission that a request writes out flat, as before there were lists of them.
func legacy(protocol *string, from, to *int, cidrIP *string, group *string) []api.IpPermission {
	if protocol == nil && cidrIP == nil && group == nil {
		return nil
	}
	p := api.IpPermission{IpProtocol: new(cmp.Or(wire.Value(protocol), "-1")), FromPort: from, ToPort: to}
	if cidrIP != nil {
		p.IpRanges = []api.IpRange{{CidrIp: cidrIP}}
	}
	if group != nil {
		p.UserIdGroupPairs = []api.UserIdGroupPair{{GroupName: group}}
	}
	return []api.IpPermission{p}
}

func (s *Service) authorize(ctx context.Context, id string, egress bool, permissions []api.IpPermission, tags []api.TagSpecification) (added []rule, err error) {
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := securityGroups.get(ctx, tx, id)
		if err != nil {
			return err
		}
		added, err = addRules(ctx, tx, g, egress, permissions, tags)
		return err
	})
	return added, err
}

// AuthorizeSecurityGroupIngress lets traffic in.
func (s *Service) AuthorizeSecurityGroupIngress(ctx context.Context, in *api.AuthorizeSecurityGroupIngressInput) (*api.AuthorizeSecurityGroupIngressOutput, error) {
	id, err := s.groupID(ctx, in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	permissions := append(legacy(in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName), in.IpPermissions...)
	added, err := s.authorize(ctx, id, false, permissions, in.TagSpecifications)
	return &api.AuthorizeSecurityGroupIngressOutput{Return: new(true), SecurityGroupRules: added}, err
}

// AuthorizeSecurityGroupEgress lets traffic out.
func (s *Service) AuthorizeSecurityGroupEgress(ctx context.Context, in *api.AuthorizeSecurityGroupEgressInput) (*api.AuthorizeSecurityGroupEgressOutput, error) {
	permissions := append(legacy(in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName), in.IpPermissions...)
	added, err := s.authorize(ctx, in.GroupId, true, permissions, in.TagSpecifications)
	return &api.AuthorizeSecurityGroupEgressOutput{Return: new(true), SecurityGroupRules: added}, err
}

func (s *Service) revoke(ctx context.Context, id string, egress bool, ids []string, permissions []api.IpPermission) (gone []api.RevokedSecurityGroupRule, err error) {
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := securityGroups.get(ctx, tx, id)
		if err != nil {
			return err
		}
		unwanted := map[string]bool{}
		for _, id := range ids {
			unwanted[id] = true
		}
		if len(ids) == 0 {
			of, err := rulesOf(ctx, tx, g, egress, permissions)
			if err != nil {
				return err
			}
			for _, r := range of {
				unwanted[same(r)] = true
			}
		}
		gone, err = removeRules(ctx, tx, id, egress, unwanted)
		return err
	})
	return gone, err
}

// removeRules removes the rules of a group whose ids or meanings are unwanted; each must be there.
func removeRules(ctx context.Context, tx *store.Tx, id string, egress bool, unwanted map[string]bool) (gone []api.RevokedSecurityGroupRule, err error) {
	have, err := rules.of(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	for _, r := range have {
		if *r.IsEgress != egress || !unwanted[*r.SecurityGroupRuleId] && !unwanted[same(r)] {
			continue
		}
		if err := rules.erase(ctx, tx, *r.SecurityGroupRuleId); err != nil {
			return nil, err
		}
		out := api.RevokedSecurityGroupRule{SecurityGroupRuleId: r.SecurityGroupRuleId, GroupId: r.GroupId, IsEgress: r.IsEgress, IpProtocol: r.IpProtocol, FromPort: r.FromPort, ToPort: r.ToPort,
			CidrIpv4: r.CidrIpv4, CidrIpv6: r.CidrIpv6, PrefixListId: r.PrefixListId, Description: r.Description}
		if r.ReferencedGroupInfo != nil {
			out.ReferencedGroupId = r.ReferencedGroupInfo.GroupId
		}
		gone = append(gone, out)
	}
	if len(gone) < len(unwanted) {
		return nil, wire.Errorf("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
	}
	return gone, nil
}

// RevokeSecurityGroupIngress takes a permission back.
func (s *Service) RevokeSecurityGroupIngress(ctx context.Context, in *api.RevokeSecurityGroupIngressInput) (*api.RevokeSecurityGroupIngressOutput, error) {
	id, err := s.groupID(ctx, in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	permissions := append(legacy(in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName), in.IpPermissions...)
	gone, err := s.revoke(ctx, id, false, in.SecurityGroupRuleIds, permissions)
	return &api.RevokeSecurityGroupIngressOutput{Return: new(true), RevokedSecurityGroupRules: gone}, err
}

// RevokeSecurityGroupEgress takes a permission back.
func (s *Service) RevokeSecurityGroupEgress(ctx context.Context, in *api.RevokeSecurityGroupEgressInput) (*api.RevokeSecurityGroupEgressOutput, error) {
	permissions := append(legacy(in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName), in.IpPermissions...)
	gone, err := s.revoke(ctx, in.GroupId, true, in.SecurityGroupRuleIds, permissions)
	return &api.RevokeSecurityGroupEgressOutput{Return: new(true), RevokedSecurityGroupRules: gone}, err
}

// DescribeSecurityGroupRules lists rules.
func (s *Service) DescribeSecurityGroupRules(ctx context.Context, in *api.DescribeSecurityGroupRulesInput) (*api.DescribeSecurityGroupRulesOutput, error) {
	all, err := rules.find(ctx, s, in.SecurityGroupRuleIds, in.Filters)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].SecurityGroupRuleArn = new(operation.ARN(ctx, "ec2", "security-group-rule/"+*all[i].SecurityGroupRuleId))
	}
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 1000, "InvalidNextToken")
	return &api.DescribeSecurityGroupRulesOutput{SecurityGroupRules: all, NextToken: next}, err
}

// permissionsOf puts rules together again: one permission for a protocol and its ports.
func permissionsOf(all []rule) (in, out []api.IpPermission) {
	slices.SortStableFunc(all, func(a, b rule) int {
		return cmp.Or(cmp.Compare(*a.IpProtocol, *b.IpProtocol), cmp.Compare(wire.Value(a.FromPort), wire.Value(b.FromPort)), cmp.Compare(wire.Value(a.ToPort), wire.Value(b.ToPort)))
	})
	in, out = []api.IpPermission{}, []api.IpPermission{}
	for _, r := range all {
		into := &in
		if *r.IsEgress {
			into = &out
		}
		*into = addPeer(*into, r)
	}
	return in, out
}

func addPeer(permissions []api.IpPermission, r rule) []api.IpPermission {
	p := api.IpPermission{IpProtocol: r.IpProtocol, FromPort: r.FromPort, ToPort: r.ToPort, IpRanges: []api.IpRange{}, Ipv6Ranges: []api.Ipv6Range{}, PrefixListIds: []api.PrefixListId{}, UserIdGroupPairs: []api.UserIdGroupPair{}}
	if n, err := strconv.Atoi(*r.IpProtocol); err == nil && n == -1 {
		p.FromPort, p.ToPort = nil, nil
	}
	if n := len(permissions); n > 0 && *permissions[n-1].IpProtocol == *p.IpProtocol && wire.Value(permissions[n-1].FromPort) == wire.Value(p.FromPort) && wire.Value(permissions[n-1].ToPort) == wire.Value(p.ToPort) {
		p, permissions = permissions[n-1], permissions[:n-1]
	}
	switch {
	case r.CidrIpv4 != nil:
		p.IpRanges = append(p.IpRanges, api.IpRange{CidrIp: r.CidrIpv4, Description: r.Description})
	case r.CidrIpv6 != nil:
		p.Ipv6Ranges = append(p.Ipv6Ranges, api.Ipv6Range{CidrIpv6: r.CidrIpv6, Description: r.Description})
	case r.PrefixListId != nil:
		p.PrefixListIds = append(p.PrefixListIds, api.PrefixListId{PrefixListId: r.PrefixListId, Description: r.Description})
	case r.ReferencedGroupInfo != nil:
		p.UserIdGroupPairs = append(p.UserIdGroupPairs, api.UserIdGroupPair{GroupId: r.ReferencedGroupInfo.GroupId, UserId: r.ReferencedGroupInfo.UserId, Description: r.Description})
	}
	return append(permissions, p)
}
