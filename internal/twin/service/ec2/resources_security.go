package ec2

import (
	"context"
	"errors"
	"fmt"
	"maps"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// number64 writes a number of a property as EC2's protocols are written: 6, -1, "tcp".
func number64(v any) string {
	if n, ok := v.(float64); ok {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprint(v)
}

// permissionOf turns a rule as CloudFormation writes it, in a group or by itself, into a permission.
func permissionOf(properties map[string]any) (api.IpPermission, error) {
	p := api.IpPermission{}
	r := resource.Request{Properties: properties}
	ports := maps.Clone(properties)
	for _, name := range []string{"CidrIp", "CidrIpv6", "Description", "GroupId", "GroupName", "IpProtocol", "SourcePrefixListId", "DestinationPrefixListId",
		"SourceSecurityGroupId", "DestinationSecurityGroupId", "SourceSecurityGroupName", "SourceSecurityGroupOwnerId"} {
		delete(ports, name)
	}
	if err := resource.Into(ports, &p); err != nil {
		return p, err
	}
	p.IpProtocol = new(number64(properties["IpProtocol"]))
	says := wire.Maybe(r.Text("Description"))
	if to := r.Text("CidrIp"); to != "" {
		p.IpRanges = []api.IpRange{{CidrIp: &to, Description: says}}
	}
	if to := r.Text("CidrIpv6"); to != "" {
		p.Ipv6Ranges = []api.Ipv6Range{{CidrIpv6: &to, Description: says}}
	}
	if to := r.Text("SourcePrefixListId") + r.Text("DestinationPrefixListId"); to != "" {
		p.PrefixListIds = []api.PrefixListId{{PrefixListId: &to, Description: says}}
	}
	if to := r.Text("SourceSecurityGroupId") + r.Text("DestinationSecurityGroupId"); to != "" {
		p.UserIdGroupPairs = []api.UserIdGroupPair{{GroupId: &to, Description: says}}
	} else if to := r.Text("SourceSecurityGroupName"); to != "" {
		p.UserIdGroupPairs = []api.UserIdGroupPair{{GroupName: &to, Description: says}}
	}
	return p, nil
}

func permissionsIn(properties map[string]any, name string) (all []api.IpPermission, err error) {
	list, _ := properties[name].([]any)
	for _, item := range list {
		of, _ := item.(map[string]any)
		p, err := permissionOf(of)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func (s *Service) groupType() resource.Type {
	return resource.Type{
		Name:   "AWS::EC2::SecurityGroup",
		Create: s.createGroup,
		Update: func(ctx context.Context, r resource.Request) error {
			return errors.Join(s.retagged(ctx, r), s.changeRules(ctx, r, false), s.changeRules(ctx, r, true))
		},
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteSecurityGroup(ctx, &api.DeleteSecurityGroupInput{GroupId: &r.PhysicalID})
			return resource.Absent(err, securityGroups.code)
		},
		Attributes: func(ctx context.Context, r resource.Request) (map[string]any, error) {
			out := map[string]any{"GroupId": r.PhysicalID, "Id": r.PhysicalID}
			return out, s.view(ctx, func(tx *store.Tx) error {
				g, err := securityGroups.get(ctx, tx, r.PhysicalID)
				out["VpcId"] = wire.Value(g.VpcId)
				return err
			})
		},
	}
}

func (s *Service) createGroup(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreateSecurityGroupInput{}
	if err := r.Into(in, "Tags", "GroupDescription", "GroupName", "SecurityGroupIngress", "SecurityGroupEgress"); err != nil {
		return "", err
	}
	in.GroupName, in.Description, in.TagSpecifications = r.Name("GroupName", 255), r.Text("GroupDescription"), specification("security-group", r)
	out, err := s.CreateSecurityGroup(ctx, in)
	if err != nil {
		return "", err
	}
	r.PhysicalID = *out.GroupId
	return r.PhysicalID, errors.Join(s.changeRules(ctx, r, false), s.changeRules(ctx, r, true))
}

// changeRules makes the rules that a group's own property lists what it lists; those of AWS::EC2::SecurityGroupIngress and
// …Egress resources stay. A group without egress rules lets everything out.
func (s *Service) changeRules(ctx context.Context, r resource.Request, egress bool) error {
	name := map[bool]string{false: "SecurityGroupIngress", true: "SecurityGroupEgress"}[egress]
	wanted, err := permissionsIn(r.Properties, name)
	if err != nil {
		return err
	}
	before, err := permissionsIn(r.Previous, name)
	if err != nil {
		return err
	}
	if egress && len(wanted) == 0 {
		wanted = []api.IpPermission{everywhere}
	}
	if egress && len(before) == 0 {
		before = []api.IpPermission{everywhere} // that is how it was made
	}
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := securityGroups.get(ctx, tx, r.PhysicalID)
		if err != nil {
			return err
		}
		return swapRules(ctx, tx, g, egress, before, wanted)
	})
}

func swapRules(ctx context.Context, tx *store.Tx, g securityGroup, egress bool, before, wanted []api.IpPermission) error {
	if len(before) > 0 {
		old, err := rulesOf(ctx, tx, g, egress, before)
		if err != nil {
			return err
		}
		unwanted := map[string]bool{}
		for _, r := range old {
			unwanted[same(r)] = true
		}
		if _, err := removeRules(ctx, tx, *g.GroupId, egress, unwanted); err != nil && !wire.HasCode(err, "InvalidPermission.NotFound") {
			return err
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	_, err := addRules(ctx, tx, g, egress, wanted, nil)
	return err
}

// ruleType is AWS::EC2::SecurityGroupIngress or …Egress.
func (s *Service) ruleType(egress bool) resource.Type {
	return resource.Type{
		Name: map[bool]string{false: "AWS::EC2::SecurityGroupIngress", true: "AWS::EC2::SecurityGroupEgress"}[egress],
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			p, err := permissionOf(r.Properties)
			if err != nil {
				return "", err
			}
			id, err := s.groupID(ctx, wire.Maybe(r.Text("GroupId")), wire.Maybe(r.Text("GroupName")))
			if err != nil {
				return "", err
			}
			added, err := s.authorize(ctx, id, egress, []api.IpPermission{p}, nil)
			if err != nil {
				return "", err
			}
			return *added[0].SecurityGroupRuleId, nil
		},
		Update: func(ctx context.Context, r resource.Request) error { // the description is all that can change in place
			return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
				v, err := rules.get(ctx, tx, r.PhysicalID)
				if err != nil {
					return err
				}
				v.Description = wire.Maybe(r.Text("Description"))
				return rules.put(ctx, tx, &v)
			})
		},
		Delete: func(ctx context.Context, r resource.Request) error {
			err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error { return rules.drop(ctx, tx, r.PhysicalID) })
			return resource.Absent(err, rules.code)
		},
		Attributes: func(_ context.Context, r resource.Request) (map[string]any, error) {
			return map[string]any{"Id": r.PhysicalID}, nil
		},
	}
}
