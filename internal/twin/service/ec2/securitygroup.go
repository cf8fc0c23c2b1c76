package ec2

import (
	"context"
	"errors"
	"fmt"
	"strings"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

type securityGroup = api.SecurityGroup

const defaultName = "default"

var securityGroups = define(&kind[securityGroup]{
	prefix: "sg", typ: "security-group", noun: "security group", code: "InvalidGroup.NotFound", says: "The security group '%s' does not exist", by: "vpc-id",
	id: func(v *securityGroup) **string { return &v.GroupId }, tags: func(v *securityGroup) *[]api.Tag { return &v.Tags },
	refs: func(v *securityGroup) []string {
		if *v.GroupName == defaultName {
			return []string{nameRef(*v.VpcId, defaultName)}
		}
		return []string{*v.VpcId, nameRef(*v.VpcId, *v.GroupName)}
	},
	fields: map[string]func(*securityGroup) []string{
		"group-id": text(func(v *securityGroup) *string { return v.GroupId }), "group-name": text(func(v *securityGroup) *string { return v.GroupName }),
		"vpc-id": text(func(v *securityGroup) *string { return v.VpcId }), "owner-id": text(func(v *securityGroup) *string { return v.OwnerId }),
		"description":             text(func(v *securityGroup) *string { return v.Description }),
		"ip-permission.from-port": ofPermissions(func(p api.IpPermission) []string { return number10(p.FromPort) }),
		"ip-permission.to-port":   ofPermissions(func(p api.IpPermission) []string { return number10(p.ToPort) }),
		"ip-permission.protocol":  ofPermissions(func(p api.IpPermission) []string { return []string{*p.IpProtocol} }),
		"ip-permission.cidr": ofPermissions(func(p api.IpPermission) (all []string) {
			for _, r := range p.IpRanges {
				all = append(all, *r.CidrIp)
			}
			return all
		}),
		"ip-permission.group-id": ofPermissions(func(p api.IpPermission) (all []string) {
			for _, r := range p.UserIdGroupPairs {
				all = append(all, *r.GroupId)
			}
			return all
		}),
	},
})

// nameRef stands for a group's name in its VPC among the references, so that a name in use is found in one look-up.
func nameRef(vpcID, name string) string { return vpcID + "/" + name }

func number10(n *int) []string {
	if n == nil {
		return nil
	}
	return []string{fmt.Sprint(*n)}
}

func ofPermissions(of func(api.IpPermission) []string) func(*securityGroup) []string {
	return func(v *securityGroup) (all []string) {
		for _, p := range v.IpPermissions {
			all = append(all, of(p)...)
		}
		return all
	}
}

// defaultGroup makes the group that a VPC has from the beginning: its members may talk to each other and to everyone outside.
func defaultGroup(ctx context.Context, tx *store.Tx, v vpc) error {
	g, err := makeGroup(ctx, tx, securityGroup{GroupName: new(defaultName), Description: new("default VPC security group"), VpcId: v.VpcId}, nil)
	if err != nil {
		return err
	}
	own := api.IpPermission{IpProtocol: new("-1"), UserIdGroupPairs: []api.UserIdGroupPair{{GroupId: g.GroupId}}}
	_, err = addRules(ctx, tx, g, false, []api.IpPermission{own}, nil)
	return err
}

// everywhere is the rule that every group of a VPC has until it is revoked: all traffic out.
var everywhere = api.IpPermission{IpProtocol: new("-1"), IpRanges: []api.IpRange{{CidrIp: new("0.0.0.0/0")}}}

func makeGroup(ctx context.Context, tx *store.Tx, g securityGroup, tags []api.TagSpecification) (securityGroup, error) {
	taken, err := referred(tx, key(ctx, nameRef(*g.VpcId, *g.GroupName)))
	if err != nil {
		return g, err
	}
	if taken {
		return g, wire.Errorf("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", *g.GroupName, *g.VpcId)
	}
	g.OwnerId = new(operation.CallerOf(ctx).Account)
	if err := securityGroups.make(ctx, tx, &g, tags); err != nil {
		return g, err
	}
	g.SecurityGroupArn = new(operation.ARN(ctx, "ec2", "security-group/"+*g.GroupId))
	if err := securityGroups.Put(tx, key(ctx, *g.GroupId), g); err != nil {
		return g, err
	}
	_, err = addRules(ctx, tx, g, true, []api.IpPermission{everywhere}, nil)
	return g, err
}

// CreateSecurityGroup makes a group that lets everything out and nothing in.
func (s *Service) CreateSecurityGroup(ctx context.Context, in *api.CreateSecurityGroupInput) (*api.CreateSecurityGroupOutput, error) {
	if in.GroupName == defaultName || strings.HasPrefix(in.GroupName, "sg-") {
		return nil, wire.Errorf("InvalidParameterValue", "Cannot use reserved security group name: %s", in.GroupName)
	}
	if in.VpcId == nil {
		id, err := s.defaultVPC(ctx)
		if err != nil {
			return nil, err
		}
		in.VpcId = &id
	}
	g := securityGroup{GroupName: &in.GroupName, Description: &in.Description, VpcId: in.VpcId}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if _, err := vpcs.get(ctx, tx, *in.VpcId); err != nil {
			return err
		}
		g, err = makeGroup(ctx, tx, g, in.TagSpecifications)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateSecurityGroupOutput{GroupId: g.GroupId, SecurityGroupArn: g.SecurityGroupArn, Tags: g.Tags}, nil
}

// DescribeSecurityGroups lists groups with their rules.
func (s *Service) DescribeSecurityGroups(ctx context.Context, in *api.DescribeSecurityGroupsInput) (*api.DescribeSecurityGroupsOutput, error) {
	filters := in.Filters
	if len(in.GroupNames) > 0 {
		filters = append(filters, api.Filter{Name: new("group-name"), Values: in.GroupNames})
	}
	if err := errors.Join(securityGroups.check(filters), s.ensureDefaults(ctx)); err != nil {
		return nil, err
	}
	var found []securityGroup
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		all, err := securityGroups.candidates(ctx, tx, in.GroupIds, filters)
		if err != nil {
			return err
		}
		for _, g := range all {
			of, err := rules.of(ctx, tx, *g.GroupId)
			if err != nil {
				return err
			}
			g.IpPermissions, g.IpPermissionsEgress = permissionsOf(of)
			if securityGroups.matches(&g, filters) {
				found = append(found, g)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(in.GroupNames) > 0 && len(found) == 0 {
		return nil, wire.Errorf("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC", in.GroupNames[0])
	}
	found, next, err := page.Cut(found, in.NextToken, in.MaxResults, 1000, "InvalidNextToken")
	return &api.DescribeSecurityGroupsOutput{SecurityGroups: found, NextToken: next}, err
}

// DeleteSecurityGroup removes a group that no interface has and no rule of another group names.
func (s *Service) DeleteSecurityGroup(ctx context.Context, in *api.DeleteSecurityGroupInput) (*api.DeleteSecurityGroupOutput, error) {
	id, err := s.groupID(ctx, in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	return &api.DeleteSecurityGroupOutput{GroupId: &id, Return: new(true)}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := securityGroups.get(ctx, tx, id)
		if err != nil {
			return err
		}
		if *g.GroupName == defaultName {
			return wire.Errorf("CannotDelete", "the specified group: \"%s\" name: \"default\" cannot be deleted by a user", id)
		}
		used, err := referred(tx, key(ctx, id))
		if err != nil {
			return err
		}
		if used {
			return securityGroups.dependency(id)
		}
		return eraseGroup(ctx, tx, id)
	})
}

// eraseGroup removes a group and its rules.
func eraseGroup(ctx context.Context, tx *store.Tx, id string) error {
	of, err := rules.of(ctx, tx, id)
	if err != nil {
		return err
	}
	for _, r := range of {
		if err := rules.erase(ctx, tx, *r.SecurityGroupRuleId); err != nil {
			return err
		}
	}
	return securityGroups.erase(ctx, tx, id)
}

// groupID is the group that a request names by id, or by name in the default VPC.
func (s *Service) groupID(ctx context.Context, id, name *string) (string, error) {
	if id != nil {
		return *id, nil
	}
	if name == nil {
		return "", wire.Errorf("MissingParameter", "The request must contain the parameter groupName or groupId")
	}
	home, err := s.defaultVPC(ctx)
	if err != nil {
		return "", err
	}
	found, err := securityGroups.find(ctx, s, nil, []api.Filter{{Name: new("vpc-id"), Values: []string{home}}, {Name: new("group-name"), Values: []string{*name}}})
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", wire.Errorf("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", *name, home)
	}
	return *found[0].GroupId, nil
}
