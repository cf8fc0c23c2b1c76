package ec2

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

type networkInterface = api.NetworkInterface

var interfaces = define(&kind[networkInterface]{
	prefix: "eni", typ: "network-interface", noun: "networkInterface", code: "InvalidNetworkInterfaceID.NotFound", by: "subnet-id",
	id: func(v *networkInterface) **string { return &v.NetworkInterfaceId }, tags: func(v *networkInterface) *[]api.Tag { return &v.TagSet },
	refs: func(v *networkInterface) []string { return append([]string{*v.SubnetId}, groupsOf(v)...) },
	fields: map[string]func(*networkInterface) []string{
		"network-interface-id": text(func(v *networkInterface) *string { return v.NetworkInterfaceId }), "subnet-id": text(func(v *networkInterface) *string { return v.SubnetId }),
		"vpc-id": text(func(v *networkInterface) *string { return v.VpcId }), "status": text(func(v *networkInterface) *string { return v.Status }),
		"private-ip-address": text(func(v *networkInterface) *string { return v.PrivateIpAddress }), "description": text(func(v *networkInterface) *string { return v.Description }),
		"addresses.private-ip-address": func(v *networkInterface) (all []string) {
			for _, a := range v.PrivateIpAddresses {
				all = append(all, *a.PrivateIpAddress)
			}
			return all
		},
		"availability-zone": text(func(v *networkInterface) *string { return v.AvailabilityZone }), "group-id": groupsOf,
		"interface-type": text(func(v *networkInterface) *string { return v.InterfaceType }), "owner-id": text(func(v *networkInterface) *string { return v.OwnerId }),
		"requester-managed": truth(func(v *networkInterface) *bool { return v.RequesterManaged }), "mac-address": text(func(v *networkInterface) *string { return v.MacAddress }),
		"attachment.instance-id": func(v *networkInterface) []string {
			if v.Attachment == nil {
				return nil
			}
			return []string{wire.Value(v.Attachment.InstanceId)}
		},
	},
})

func groupsOf(v *networkInterface) (ids []string) {
	for _, g := range v.Groups {
		ids = append(ids, *g.GroupId)
	}
	return ids
}

// CreateNetworkInterface makes an interface with addresses of its subnet that nobody else has.
func (s *Service) CreateNetworkInterface(ctx context.Context, in *api.CreateNetworkInterfaceInput) (*api.CreateNetworkInterfaceOutput, error) {
	var made networkInterface
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		kind := "interface"
		if in.InterfaceType != nil {
			kind = *in.InterfaceType
		}
		made, err = s.makeInterface(ctx, tx, in, kind)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateNetworkInterfaceOutput{NetworkInterface: &made, ClientToken: in.ClientToken}, nil
}

func (s *Service) makeInterface(ctx context.Context, tx *store.Tx, in *api.CreateNetworkInterfaceInput, kind string) (networkInterface, error) {
	home, err := subnets.get(ctx, tx, in.SubnetId)
	if err != nil {
		return networkInterface{}, err
	}
	c := operation.CallerOf(ctx)
	managed := c.Service != "" || kind != "interface"
	v := networkInterface{SubnetId: home.SubnetId, VpcId: home.VpcId, AvailabilityZone: home.AvailabilityZone, AvailabilityZoneId: home.AvailabilityZoneId, OwnerId: &c.Account,
		RequesterId: &c.UserID, RequesterManaged: &managed, Description: new(wire.Value(in.Description)), InterfaceType: &kind, Status: new("available"), SourceDestCheck: new(kind != "nat_gateway"),
		MacAddress: new(newMAC())}
	if v.Groups, err = groupIdentifiers(ctx, tx, home, in.Groups, kind); err != nil {
		return v, err
	}
	if err := fillAddresses(ctx, tx, &v, home, in); err != nil {
		return v, err
	}
	return v, interfaces.make(ctx, tx, &v, in.TagSpecifications)
}

// groupIdentifiers are the groups of an interface: those named, which must be of its VPC, or the default one.
func groupIdentifiers(ctx context.Context, tx *store.Tx, home subnet, ids []string, kind string) ([]api.GroupIdentifier, error) {
	groups := []api.GroupIdentifier{}
	if kind == "nat_gateway" {
		return groups, nil
	}
	if len(ids) == 0 {
		found, err := securityGroups.choose(ctx, tx, nil, []api.Filter{{Name: new("vpc-id"), Values: []string{*home.VpcId}}, {Name: new("group-name"), Values: []string{defaultName}}})
		for _, g := range found {
			groups = append(groups, api.GroupIdentifier{GroupId: g.GroupId, GroupName: g.GroupName})
		}
		return groups, err
	}
	for _, id := range ids {
		g, err := securityGroups.get(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		if *g.VpcId != *home.VpcId {
			return nil, wire.Errorf("InvalidParameter", "Security group %s and subnet %s belong to different networks.", id, *home.SubnetId)
		}
		groups = append(groups, api.GroupIdentifier{GroupId: g.GroupId, GroupName: g.GroupName})
	}
	return groups, nil
}

// fillAddresses gives an interface its private addresses: the primary one first.
func fillAddresses(ctx context.Context, tx *store.Tx, v *networkInterface, home subnet, in *api.CreateNetworkInterfaceInput) error {
	wanted := []string{wire.Value(in.PrivateIpAddress)}
	for _, a := range in.PrivateIpAddresses {
		if wire.Value(a.Primary) || wanted[0] == "" && len(in.PrivateIpAddresses) == 1 {
			wanted[0] = wire.Value(a.PrivateIpAddress)
		} else {
			wanted = append(wanted, wire.Value(a.PrivateIpAddress))
		}
	}
	wanted = append(wanted, make([]string, max(0, wire.Value(in.SecondaryPrivateIpAddressCount)))...)
	for i, want := range wanted {
		ip, err := allocate(ctx, tx, *home.SubnetId, prefixOf(home), want, "eni")
		if err != nil {
			return err
		}
		name := privateName(operation.CallerOf(ctx).Region, ip)
		if i == 0 {
			v.PrivateIpAddress, v.PrivateDnsName = &ip, &name
		}
		v.PrivateIpAddresses = append(v.PrivateIpAddresses, api.NetworkInterfacePrivateIpAddress{PrivateIpAddress: &ip, PrivateDnsName: &name, Primary: new(i == 0)})
	}
	return nil
}

// privateName is the name that AWS gives a private address: ip-10-0-1-17.ec2.internal.
func privateName(region, ip string) string {
	name := "ip-" + strings.ReplaceAll(ip, ".", "-")
	if region == "us-east-1" {
		return name + ".ec2.internal"
	}
	return name + "." + region + ".compute.internal"
}

func newMAC() string {
	var b [5]byte
	rand.Read(b[:])
	return fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4])
}

// DescribeNetworkInterfaces lists interfaces.
func (s *Service) DescribeNetworkInterfaces(ctx context.Context, in *api.DescribeNetworkInterfacesInput) (*api.DescribeNetworkInterfacesOutput, error) {
	all, err := interfaces.find(ctx, s, in.NetworkInterfaceIds, in.Filters)
	if err != nil {
		return nil, err
	}
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 1000, "InvalidNextToken")
	return &api.DescribeNetworkInterfacesOutput{NetworkInterfaces: all, NextToken: next}, err
}

// DeleteNetworkInterface removes an interface and gives its addresses back.
func (s *Service) DeleteNetworkInterface(ctx context.Context, in *api.DeleteNetworkInterfaceInput) (*api.DeleteNetworkInterfaceOutput, error) {
	return &api.DeleteNetworkInterfaceOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := interfaces.get(ctx, tx, in.NetworkInterfaceId)
		if err != nil {
			return err
		}
		if wire.Value(v.InterfaceType) != "interface" || v.Attachment != nil {
			return wire.Errorf("InvalidNetworkInterface.InUse", "Interface: [%s] in use.", in.NetworkInterfaceId)
		}
		if v.Association != nil {
			ip, err := elastics.get(ctx, tx, *v.Association.AllocationId)
			if err != nil {
				return err
			}
			if err := disassociateAddress(ctx, tx, &ip); err != nil {
				return err
			}
		}
		return eraseInterface(ctx, tx, in.NetworkInterfaceId)
	})
}

// eraseInterface removes an interface whatever it is for.
func eraseInterface(ctx context.Context, tx *store.Tx, id string) error {
	v, err := interfaces.get(ctx, tx, id)
	if err != nil {
		return err
	}
	for _, a := range v.PrivateIpAddresses {
		if err := release(ctx, tx, *v.SubnetId, *a.PrivateIpAddress); err != nil {
			return err
		}
	}
	return interfaces.erase(ctx, tx, id)
}

// ModifyNetworkInterfaceAttribute changes an interface's groups, description or check of source and destination.
func (s *Service) ModifyNetworkInterfaceAttribute(ctx context.Context, in *api.ModifyNetworkInterfaceAttributeInput) (*api.ModifyNetworkInterfaceAttributeOutput, error) {
	return &api.ModifyNetworkInterfaceAttributeOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := interfaces.get(ctx, tx, in.NetworkInterfaceId)
		if err != nil {
			return err
		}
		if len(in.Groups) > 0 {
			home := subnet{SubnetId: v.SubnetId, VpcId: v.VpcId}
			if v.Groups, err = groupIdentifiers(ctx, tx, home, in.Groups, *v.InterfaceType); err != nil {
				return err
			}
		}
		if in.Description != nil {
			v.Description = in.Description.Value
		}
		if in.SourceDestCheck != nil {
			v.SourceDestCheck = in.SourceDestCheck.Value
		}
		return interfaces.put(ctx, tx, &v)
	})
}
