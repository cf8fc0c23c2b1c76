package ec2

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// vpc is a VPC with the attributes that have an operation of their own.
type vpc struct {
	api.Vpc
	DNSSupport, DNSHostnames, UsageMetrics bool
}

var vpcs = define(&kind[vpc]{
	prefix: "vpc", typ: "vpc", noun: "vpc", code: "InvalidVpcID.NotFound",
	id: func(v *vpc) **string { return &v.VpcId }, tags: func(v *vpc) *[]api.Tag { return &v.Tags },
	fields: map[string]func(*vpc) []string{
		"vpc-id": text(func(v *vpc) *string { return v.VpcId }), "cidr": text(func(v *vpc) *string { return v.CidrBlock }),
		"cidr-block-association.cidr-block": text(func(v *vpc) *string { return v.CidrBlock }), "state": text(func(v *vpc) *string { return v.State }),
		"is-default": truth(func(v *vpc) *bool { return v.IsDefault }), "isDefault": truth(func(v *vpc) *bool { return v.IsDefault }),
		"owner-id": text(func(v *vpc) *string { return v.OwnerId }), "dhcp-options-id": text(func(v *vpc) *string { return v.DhcpOptionsId }),
	},
})

// CreateVpc makes a VPC with its main route table, default security group and default network ACL.
func (s *Service) CreateVpc(ctx context.Context, in *api.CreateVpcInput) (*api.CreateVpcOutput, error) {
	if in.CidrBlock == nil {
		return nil, wire.Errorf("MissingParameter", "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.")
	}
	var made vpc
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		made, err = s.makeVPC(ctx, tx, *in.CidrBlock, wire.Value(in.InstanceTenancy), in.TagSpecifications)
		if err == nil && wire.Value(in.AmazonProvidedIpv6CidrBlock) {
			made.Ipv6CidrBlockAssociationSet = amazonIPv6(operation.CallerOf(ctx).Region)
			err = vpcs.put(ctx, tx, &made)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateVpcOutput{Vpc: &made.Vpc}, nil
}

func (s *Service) makeVPC(ctx context.Context, tx *store.Tx, cidr, tenancy string, tags []api.TagSpecification) (vpc, error) {
	p, err := block("Vpc", "cidrBlock", cidr)
	if err != nil {
		return vpc{}, err
	}
	if tenancy == "" {
		tenancy = "default"
	}
	c := operation.CallerOf(ctx)
	v := vpc{DNSSupport: true, Vpc: api.Vpc{CidrBlock: new(p.String()), InstanceTenancy: &tenancy, IsDefault: new(false), OwnerId: &c.Account,
		State: new("available"), DhcpOptionsId: new("dopt-" + resourceHash(c.Account+c.Region)), CidrBlockAssociationSet: []api.VpcCidrBlockAssociation{{
			AssociationId: new(newID("vpc-cidr-assoc")), CidrBlock: new(p.String()), CidrBlockState: &api.VpcCidrBlockState{State: new("associated")}}}}}
	if err := vpcs.make(ctx, tx, &v, tags); err != nil {
		return v, err
	}
	for _, furnish := range []func(context.Context, *store.Tx, vpc) error{mainRouteTable, defaultGroup, defaultACL} {
		if err := furnish(ctx, tx, v); err != nil {
			return v, err
		}
	}
	return v, nil
}

// amazonIPv6 is a /56 such as Amazon gives: of the range that is set aside for documentation (RFC 3849).
func amazonIPv6(region string) []api.VpcIpv6CidrBlockAssociation {
	return []api.VpcIpv6CidrBlockAssociation{{
		AssociationId: new(newID("vpc-cidr-assoc")), Ipv6CidrBlock: new(fmt.Sprintf("2001:db8:%x:%x00::/56", rand.Uint32N(1<<16), rand.Uint32N(1<<8))),
		Ipv6CidrBlockState: &api.VpcCidrBlockState{State: new("associated")}, Ipv6Pool: new("Amazon"), NetworkBorderGroup: &region, IpSource: new("amazon"), Ipv6AddressAttribute: new("public"),
	}}
}

// prefix is the VPC's IPv4 range.
func (v vpc) prefix() netip.Prefix {
	p, _ := netip.ParsePrefix(*v.CidrBlock) // was checked when it was written
	return p
}

// DescribeVpcs lists VPCs.
func (s *Service) DescribeVpcs(ctx context.Context, in *api.DescribeVpcsInput) (*api.DescribeVpcsOutput, error) {
	all, err := vpcs.find(ctx, s, in.VpcIds, in.Filters)
	if err != nil {
		return nil, err
	}
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 1000, "InvalidNextToken")
	out := &api.DescribeVpcsOutput{Vpcs: []api.Vpc{}, NextToken: next}
	for _, v := range all {
		out.Vpcs = append(out.Vpcs, v.Vpc)
	}
	return out, err
}

// DeleteVpc removes a VPC that has nothing but its default things in it.
func (s *Service) DeleteVpc(ctx context.Context, in *api.DeleteVpcInput) (*api.DeleteVpcOutput, error) {
	return &api.DeleteVpcOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := vpcs.drop(ctx, tx, in.VpcId); err != nil {
			return err
		}
		return dropDefaults(ctx, tx, in.VpcId)
	})
}

// dropDefaults removes what was made with a VPC.
func dropDefaults(ctx context.Context, tx *store.Tx, id string) error {
	c := operation.CallerOf(ctx)
	tables, err := routeTables.of(ctx, tx, id)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := errors.Join(dropAssociation(ctx, tx, id), routeTables.erase(ctx, tx, *t.RouteTableId)); err != nil {
			return err
		}
	}
	groups, err := securityGroups.of(ctx, tx, id)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := eraseGroup(ctx, tx, *g.GroupId); err != nil {
			return err
		}
	}
	return acls.DeleteBy(tx, c.Account, c.Region, id)
}

// ModifyVpcAttribute changes one attribute.
func (s *Service) ModifyVpcAttribute(ctx context.Context, in *api.ModifyVpcAttributeInput) (*api.ModifyVpcAttributeOutput, error) {
	return &api.ModifyVpcAttributeOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := vpcs.get(ctx, tx, in.VpcId)
		if err != nil {
			return err
		}
		for from, to := range map[*api.AttributeBooleanValue]*bool{in.EnableDnsSupport: &v.DNSSupport, in.EnableDnsHostnames: &v.DNSHostnames,
			in.EnableNetworkAddressUsageMetrics: &v.UsageMetrics} {
			if from != nil && from.Value != nil {
				*to = *from.Value
			}
		}
		return vpcs.put(ctx, tx, &v)
	})
}

// DescribeVpcAttribute returns one attribute.
func (s *Service) DescribeVpcAttribute(ctx context.Context, in *api.DescribeVpcAttributeInput) (*api.DescribeVpcAttributeOutput, error) {
	all, err := vpcs.find(ctx, s, []string{in.VpcId}, nil)
	if err != nil {
		return nil, err
	}
	v, out := all[0], &api.DescribeVpcAttributeOutput{VpcId: &in.VpcId}
	switch in.Attribute {
	case "enableDnsSupport":
		out.EnableDnsSupport = &api.AttributeBooleanValue{Value: &v.DNSSupport}
	case "enableDnsHostnames":
		out.EnableDnsHostnames = &api.AttributeBooleanValue{Value: &v.DNSHostnames}
	case "enableNetworkAddressUsageMetrics":
		out.EnableNetworkAddressUsageMetrics = &api.AttributeBooleanValue{Value: &v.UsageMetrics}
	}
	return out, nil
}
