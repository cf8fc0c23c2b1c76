package ec2

import (
	"context"
	"net/netip"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

type subnet = api.Subnet

var subnets = define(&kind[subnet]{
	prefix: "subnet", typ: "subnet", noun: "subnet", code: "InvalidSubnetID.NotFound", by: "vpc-id",
	id: func(v *subnet) **string { return &v.SubnetId }, tags: func(v *subnet) *[]api.Tag { return &v.Tags },
	refs: func(v *subnet) []string { return []string{*v.VpcId} },
	fields: map[string]func(*subnet) []string{
		"subnet-id": text(func(v *subnet) *string { return v.SubnetId }), "vpc-id": text(func(v *subnet) *string { return v.VpcId }),
		"cidr-block": text(func(v *subnet) *string { return v.CidrBlock }), "cidr": text(func(v *subnet) *string { return v.CidrBlock }), "cidrBlock": text(func(v *subnet) *string { return v.CidrBlock }),
		"availability-zone": text(func(v *subnet) *string { return v.AvailabilityZone }), "availabilityZone": text(func(v *subnet) *string { return v.AvailabilityZone }),
		"availability-zone-id": text(func(v *subnet) *string { return v.AvailabilityZoneId }),
		"default-for-az":       truth(func(v *subnet) *bool { return v.DefaultForAz }), "defaultForAz": truth(func(v *subnet) *bool { return v.DefaultForAz }),
		"map-public-ip-on-launch": truth(func(v *subnet) *bool { return v.MapPublicIpOnLaunch }),
		"owner-id":                text(func(v *subnet) *string { return v.OwnerId }), "state": text(func(v *subnet) *string { return v.State }), "subnet-arn": text(func(v *subnet) *string { return v.SubnetArn }),
	},
})

func prefixOf(v subnet) netip.Prefix {
	p, _ := netip.ParsePrefix(*v.CidrBlock) // was checked when it was written
	return p
}

// CreateSubnet makes a subnet in a part of the VPC's range that no other has.
func (s *Service) CreateSubnet(ctx context.Context, in *api.CreateSubnetInput) (*api.CreateSubnetOutput, error) {
	if in.CidrBlock == nil {
		return nil, wire.Errorf("MissingParameter", "The request must contain the parameter CidrBlock")
	}
	var made subnet
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		made, err = s.makeSubnet(ctx, tx, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateSubnetOutput{Subnet: &made}, nil
}

func (s *Service) makeSubnet(ctx context.Context, tx *store.Tx, in *api.CreateSubnetInput) (subnet, error) {
	v, err := vpcs.get(ctx, tx, in.VpcId)
	if err != nil {
		return subnet{}, err
	}
	p, err := block("Subnet", "cidrBlock", *in.CidrBlock)
	if err != nil {
		return subnet{}, err
	}
	if !v.prefix().Contains(p.Addr()) || p.Bits() < v.prefix().Bits() {
		return subnet{}, wire.Errorf("InvalidSubnet.Range", "The CIDR '%s' is invalid.", *in.CidrBlock)
	}
	c := operation.CallerOf(ctx)
	z, err := pickZone(c.Region, in.AvailabilityZone, in.AvailabilityZoneId)
	if err != nil {
		return subnet{}, err
	}
	first, last := usable(p)
	made := subnet{VpcId: &in.VpcId, CidrBlock: new(p.String()), AvailabilityZone: &z.Name, AvailabilityZoneId: &z.ID, OwnerId: &c.Account, State: new("available"),
		AvailableIpAddressCount: new(int(last - first + 1)), DefaultForAz: new(false), MapPublicIpOnLaunch: new(false), AssignIpv6AddressOnCreation: new(false),
		MapCustomerOwnedIpOnLaunch: new(false), EnableDns64: new(false), Ipv6Native: new(false), Ipv6CidrBlockAssociationSet: ipv6Of(in.Ipv6CidrBlock),
		PrivateDnsNameOptionsOnLaunch: &api.PrivateDnsNameOptionsOnLaunch{HostnameType: new("ip-name"), EnableResourceNameDnsARecord: new(false), EnableResourceNameDnsAAAARecord: new(false)}}
	if err := subnets.make(ctx, tx, &made, in.TagSpecifications); err != nil {
		return made, err
	}
	free, err := claim(ctx, tx, in.VpcId, *made.SubnetId, p)
	if err != nil {
		return made, err
	}
	if !free {
		return made, wire.Errorf("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", *in.CidrBlock)
	}
	made.SubnetArn = new(operation.ARN(ctx, "ec2", "subnet/"+*made.SubnetId))
	return made, subnets.Put(tx, key(ctx, *made.SubnetId), made)
}

func ipv6Of(cidr *string) []api.SubnetIpv6CidrBlockAssociation {
	if cidr == nil {
		return nil
	}
	return []api.SubnetIpv6CidrBlockAssociation{{AssociationId: new(newID("subnet-cidr-assoc")), Ipv6CidrBlock: cidr, Ipv6CidrBlockState: &api.SubnetCidrBlockState{State: new("associated")}}}
}

// DescribeSubnets lists subnets.
func (s *Service) DescribeSubnets(ctx context.Context, in *api.DescribeSubnetsInput) (*api.DescribeSubnetsOutput, error) {
	all, err := subnets.find(ctx, s, in.SubnetIds, in.Filters)
	if err != nil {
		return nil, err
	}
	var used map[string]int
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error { used, err = inUse(ctx, tx); return err })
	if err != nil {
		return nil, err
	}
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 1000, "InvalidNextToken")
	for i := range all {
		first, last := usable(prefixOf(all[i]))
		all[i].AvailableIpAddressCount = new(int(last-first+1) - used[*all[i].SubnetId])
	}
	return &api.DescribeSubnetsOutput{Subnets: all, NextToken: next}, err
}

// DeleteSubnet removes a subnet in which there is nothing; its association with a route table goes with it.
func (s *Service) DeleteSubnet(ctx context.Context, in *api.DeleteSubnetInput) (*api.DeleteSubnetOutput, error) {
	return &api.DeleteSubnetOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := subnets.get(ctx, tx, in.SubnetId)
		if err != nil {
			return err
		}
		if err := subnets.drop(ctx, tx, in.SubnetId); err != nil {
			return err
		}
		if err := disassociateSubnet(ctx, tx, in.SubnetId); err != nil {
			return err
		}
		if err := aclAssociations.Delete(tx, key(ctx, in.SubnetId)); err != nil {
			return err
		}
		return unclaim(ctx, tx, *v.VpcId, prefixOf(v))
	})
}

// ModifySubnetAttribute changes one attribute.
func (s *Service) ModifySubnetAttribute(ctx context.Context, in *api.ModifySubnetAttributeInput) (*api.ModifySubnetAttributeOutput, error) {
	return &api.ModifySubnetAttributeOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := subnets.get(ctx, tx, in.SubnetId)
		if err != nil {
			return err
		}
		names := v.PrivateDnsNameOptionsOnLaunch
		for from, to := range map[*api.AttributeBooleanValue]**bool{in.MapPublicIpOnLaunch: &v.MapPublicIpOnLaunch, in.AssignIpv6AddressOnCreation: &v.AssignIpv6AddressOnCreation,
			in.EnableDns64: &v.EnableDns64, in.MapCustomerOwnedIpOnLaunch: &v.MapCustomerOwnedIpOnLaunch,
			in.EnableResourceNameDnsARecordOnLaunch: &names.EnableResourceNameDnsARecord, in.EnableResourceNameDnsAAAARecordOnLaunch: &names.EnableResourceNameDnsAAAARecord} {
			if from != nil {
				*to = from.Value
			}
		}
		if in.PrivateDnsHostnameTypeOnLaunch != nil {
			names.HostnameType = in.PrivateDnsHostnameTypeOnLaunch
		}
		return subnets.put(ctx, tx, &v)
	})
}
