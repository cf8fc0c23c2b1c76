package ec2

import (
	"context"
	"errors"
	"slices"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

type acl = api.NetworkAcl

var acls = define(&kind[acl]{
	prefix: "acl", typ: "network-acl", noun: "networkAcl", code: "InvalidNetworkAclID.NotFound", by: "vpc-id",
	id: func(v *acl) **string { return &v.NetworkAclId }, tags: func(v *acl) *[]api.Tag { return &v.Tags },
	refs: func(v *acl) []string {
		if *v.IsDefault {
			return nil
		}
		return []string{*v.VpcId}
	},
	fields: map[string]func(*acl) []string{
		"network-acl-id": text(func(v *acl) *string { return v.NetworkAclId }), "vpc-id": text(func(v *acl) *string { return v.VpcId }),
		"default": truth(func(v *acl) *bool { return v.IsDefault }), "owner-id": text(func(v *acl) *string { return v.OwnerId }),
		"association.subnet-id": func(v *acl) (ids []string) {
			for _, a := range v.Associations {
				ids = append(ids, *a.SubnetId)
			}
			return ids
		},
	},
})

// aclAssociations are the subnets that have been given another ACL than their VPC's default one, by subnet.
var aclAssociations = &store.Table[api.NetworkAclAssociation]{Name: "ec2_network_acl_associations", By: func(a api.NetworkAclAssociation) string { return *a.NetworkAclId }}

func entry(number int, action string, egress bool) api.NetworkAclEntry {
	return api.NetworkAclEntry{RuleNumber: &number, RuleAction: &action, Egress: &egress, Protocol: new("-1"), CidrBlock: new("0.0.0.0/0")}
}

// lastRule is the number of the entry that denies the rest; it is always there.
const lastRule = 32767

func newACL(v vpc) acl {
	return acl{VpcId: v.VpcId, OwnerId: v.OwnerId, IsDefault: new(false), Associations: []api.NetworkAclAssociation{},
		Entries: []api.NetworkAclEntry{entry(lastRule, "deny", true), entry(lastRule, "deny", false)}}
}

// defaultACL makes the ACL that a VPC's subnets have unless they are given another; it allows everything.
func defaultACL(ctx context.Context, tx *store.Tx, v vpc) error {
	a := newACL(v)
	a.IsDefault = new(true)
	a.Entries = append([]api.NetworkAclEntry{entry(100, "allow", true), entry(100, "allow", false)}, a.Entries...)
	return acls.make(ctx, tx, &a, nil)
}

// CreateNetworkAcl makes an ACL that denies everything.
func (s *Service) CreateNetworkAcl(ctx context.Context, in *api.CreateNetworkAclInput) (*api.CreateNetworkAclOutput, error) {
	var a acl
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := vpcs.get(ctx, tx, in.VpcId)
		if err != nil {
			return err
		}
		a = newACL(v)
		return acls.make(ctx, tx, &a, in.TagSpecifications)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateNetworkAclOutput{NetworkAcl: &a, ClientToken: in.ClientToken}, nil
}

// DescribeNetworkAcls lists ACLs with the subnets they are for.
func (s *Service) DescribeNetworkAcls(ctx context.Context, in *api.DescribeNetworkAclsInput) (*api.DescribeNetworkAclsOutput, error) {
	if err := errors.Join(acls.check(in.Filters), s.ensureDefaults(ctx)); err != nil {
		return nil, err
	}
	var all []acl
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if all, err = acls.candidates(ctx, tx, in.NetworkAclIds, in.Filters); err != nil {
			return err
		}
		for i := range all {
			if all[i].Associations, err = aclSubnets(ctx, tx, all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(a acl) bool { return !acls.matches(&a, in.Filters) })
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 1000, "InvalidNextToken")
	return &api.DescribeNetworkAclsOutput{NetworkAcls: all, NextToken: next}, err
}

// aclSubnets are the subnets an ACL is for. The default ACL has those that no other has.
func aclSubnets(ctx context.Context, tx *store.Tx, a acl) ([]api.NetworkAclAssociation, error) {
	c := operation.CallerOf(ctx)
	given, err := aclAssociations.ListBy(tx, c.Account, c.Region, *a.NetworkAclId)
	if err != nil || !*a.IsDefault {
		return given, err
	}
	in, err := subnets.of(ctx, tx, *a.VpcId)
	if err != nil {
		return nil, err
	}
	for _, v := range in {
		has, err := aclAssociations.Has(tx, key(ctx, *v.SubnetId))
		if err != nil {
			return nil, err
		}
		if !has {
			given = append(given, api.NetworkAclAssociation{NetworkAclId: a.NetworkAclId, SubnetId: v.SubnetId, NetworkAclAssociationId: new(firstAssociation(*v.SubnetId))})
		}
	}
	return given, nil
}

// firstAssociation is the id of a subnet's association with the default ACL, which exists without having been made.
func firstAssociation(subnetID string) string { return "aclassoc-" + resourceHash(subnetID) }

// DeleteNetworkAcl removes an ACL that no subnet has.
func (s *Service) DeleteNetworkAcl(ctx context.Context, in *api.DeleteNetworkAclInput) (*api.DeleteNetworkAclOutput, error) {
	return &api.DeleteNetworkAclOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		a, err := acls.get(ctx, tx, in.NetworkAclId)
		if err != nil {
			return err
		}
		if *a.IsDefault {
			return wire.Errorf("InvalidParameterValue", "cannot delete default network ACL %s", in.NetworkAclId)
		}
		c := operation.CallerOf(ctx)
		used, err := aclAssociations.ListBy(tx, c.Account, c.Region, in.NetworkAclId)
		if err != nil {
			return err
		}
		if len(used) > 0 {
			return acls.dependency(in.NetworkAclId)
		}
		return acls.drop(ctx, tx, in.NetworkAclId)
	})
}

// changeEntries rewrites an ACL's entries; i is the place of an entry, or -1.
func (s *Service) changeEntries(ctx context.Context, id string, egress bool, number int, change func(a *acl, i int) error) error {
	if number == lastRule {
		return wire.Errorf("InvalidParameterValue", "The rule number %d is reserved", number)
	}
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		a, err := acls.get(ctx, tx, id)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(a.Entries, func(e api.NetworkAclEntry) bool { return *e.Egress == egress && *e.RuleNumber == number })
		if err := change(&a, i); err != nil {
			return err
		}
		slices.SortStableFunc(a.Entries, func(x, y api.NetworkAclEntry) int { return *x.RuleNumber - *y.RuleNumber })
		return acls.Put(tx, key(ctx, id), a)
	})
}

// CreateNetworkAclEntry adds an entry.
func (s *Service) CreateNetworkAclEntry(ctx context.Context, in *api.CreateNetworkAclEntryInput) (*api.CreateNetworkAclEntryOutput, error) {
	return &api.CreateNetworkAclEntryOutput{}, s.changeEntries(ctx, in.NetworkAclId, in.Egress, in.RuleNumber, func(a *acl, i int) error {
		if i >= 0 {
			return wire.Errorf("NetworkAclEntryAlreadyExists", "The network acl entry identified by %d already exists.", in.RuleNumber)
		}
		a.Entries = append(a.Entries, entryOf(in))
		return nil
	})
}

func entryOf(in *api.CreateNetworkAclEntryInput) api.NetworkAclEntry {
	return api.NetworkAclEntry{RuleNumber: &in.RuleNumber, RuleAction: &in.RuleAction, Egress: &in.Egress, Protocol: &in.Protocol, CidrBlock: in.CidrBlock,
		Ipv6CidrBlock: in.Ipv6CidrBlock, IcmpTypeCode: in.IcmpTypeCode, PortRange: in.PortRange}
}

// ReplaceNetworkAclEntry changes an entry.
func (s *Service) ReplaceNetworkAclEntry(ctx context.Context, in *api.ReplaceNetworkAclEntryInput) (*api.ReplaceNetworkAclEntryOutput, error) {
	to := api.CreateNetworkAclEntryInput(*in)
	return &api.ReplaceNetworkAclEntryOutput{}, s.changeEntries(ctx, in.NetworkAclId, in.Egress, in.RuleNumber, func(a *acl, i int) error {
		if i < 0 {
			return noEntry(in.NetworkAclId, in.RuleNumber)
		}
		a.Entries[i] = entryOf(&to)
		return nil
	})
}

func noEntry(id string, number int) error {
	return wire.Errorf("InvalidNetworkAclEntry.NotFound", "The network acl entry identified by %d does not exist in %s", number, id)
}

// DeleteNetworkAclEntry removes an entry.
func (s *Service) DeleteNetworkAclEntry(ctx context.Context, in *api.DeleteNetworkAclEntryInput) (*api.DeleteNetworkAclEntryOutput, error) {
	return &api.DeleteNetworkAclEntryOutput{}, s.changeEntries(ctx, in.NetworkAclId, in.Egress, in.RuleNumber, func(a *acl, i int) error {
		if i < 0 {
			return noEntry(in.NetworkAclId, in.RuleNumber)
		}
		a.Entries = slices.Delete(a.Entries, i, i+1)
		return nil
	})
}

// ReplaceNetworkAclAssociation gives a subnet another ACL.
func (s *Service) ReplaceNetworkAclAssociation(ctx context.Context, in *api.ReplaceNetworkAclAssociationInput) (*api.ReplaceNetworkAclAssociationOutput, error) {
	var id string
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		c := operation.CallerOf(ctx)
		all, err := subnets.List(tx, c.Account, c.Region)
		if err != nil {
			return err
		}
		for _, v := range all {
			a, err := aclAssociation(ctx, tx, *v.SubnetId)
			if err != nil {
				return err
			}
			if a == in.AssociationId {
				id, err = s.giveACL(ctx, tx, *v.SubnetId, in.NetworkAclId)
				return err
			}
		}
		return wire.Errorf("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", in.AssociationId)
	})
	return &api.ReplaceNetworkAclAssociationOutput{NewAssociationId: &id}, err
}

// aclAssociation is the id of the association that a subnet has now.
func aclAssociation(ctx context.Context, tx *store.Tx, subnetID string) (string, error) {
	a, err := aclAssociations.Get(tx, key(ctx, subnetID))
	if errors.Is(err, store.ErrNotFound) {
		return firstAssociation(subnetID), nil
	}
	return wire.Value(a.NetworkAclAssociationId), err
}

// giveACL makes an ACL that of a subnet and returns the new association's id.
func (s *Service) giveACL(ctx context.Context, tx *store.Tx, subnetID, aclID string) (string, error) {
	if _, err := subnets.get(ctx, tx, subnetID); err != nil {
		return "", err
	}
	if _, err := acls.get(ctx, tx, aclID); err != nil {
		return "", err
	}
	id := newID("aclassoc")
	return id, aclAssociations.Put(tx, key(ctx, subnetID), api.NetworkAclAssociation{NetworkAclAssociationId: &id, NetworkAclId: &aclID, SubnetId: &subnetID})
}

// takeACL gives a subnet its VPC's default ACL again.
func takeACL(ctx context.Context, tx *store.Tx, association string) error {
	c := operation.CallerOf(ctx)
	all, err := aclAssociations.List(tx, c.Account, c.Region)
	if err != nil {
		return err
	}
	for _, a := range all {
		if *a.NetworkAclAssociationId == association {
			return aclAssociations.Delete(tx, key(ctx, *a.SubnetId))
		}
	}
	return nil
}
