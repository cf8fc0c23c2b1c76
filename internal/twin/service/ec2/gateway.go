package ec2

import (
	"cmp"
	"context"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

type gateway = api.InternetGateway

var gateways = define(&kind[gateway]{
	prefix: "igw", typ: "internet-gateway", noun: "internetGateway", code: "InvalidInternetGatewayID.NotFound", by: "attachment.vpc-id",
	id: func(v *gateway) **string { return &v.InternetGatewayId }, tags: func(v *gateway) *[]api.Tag { return &v.Tags },
	refs: attachedTo,
	fields: map[string]func(*gateway) []string{
		"internet-gateway-id": text(func(v *gateway) *string { return v.InternetGatewayId }), "owner-id": text(func(v *gateway) *string { return v.OwnerId }),
		"attachment.vpc-id": attachedTo,
		"attachment.state": func(v *gateway) (states []string) {
			for _, a := range v.Attachments {
				states = append(states, *a.State)
			}
			return states
		},
	},
})

func attachedTo(v *gateway) (ids []string) {
	for _, a := range v.Attachments {
		ids = append(ids, *a.VpcId)
	}
	return ids
}

// CreateInternetGateway makes a gateway that is attached to nothing.
func (s *Service) CreateInternetGateway(ctx context.Context, in *api.CreateInternetGatewayInput) (*api.CreateInternetGatewayOutput, error) {
	v := gateway{OwnerId: new(operation.CallerOf(ctx).Account), Attachments: []api.InternetGatewayAttachment{}}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error { return gateways.make(ctx, tx, &v, in.TagSpecifications) })
	if err != nil {
		return nil, err
	}
	return &api.CreateInternetGatewayOutput{InternetGateway: &v}, nil
}

// DescribeInternetGateways lists internet gateways.
func (s *Service) DescribeInternetGateways(ctx context.Context, in *api.DescribeInternetGatewaysInput) (*api.DescribeInternetGatewaysOutput, error) {
	all, err := gateways.find(ctx, s, in.InternetGatewayIds, in.Filters)
	if err != nil {
		return nil, err
	}
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 1000, "InvalidNextToken")
	return &api.DescribeInternetGatewaysOutput{InternetGateways: all, NextToken: next}, err
}

// DeleteInternetGateway removes a gateway that is attached to nothing.
func (s *Service) DeleteInternetGateway(ctx context.Context, in *api.DeleteInternetGatewayInput) (*api.DeleteInternetGatewayOutput, error) {
	return &api.DeleteInternetGatewayOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := gateways.get(ctx, tx, in.InternetGatewayId)
		if err != nil {
			return err
		}
		if len(v.Attachments) > 0 {
			return gateways.dependency(in.InternetGatewayId)
		}
		return gateways.drop(ctx, tx, in.InternetGatewayId)
	})
}

// AttachInternetGateway attaches a gateway to a VPC; either can have one of the other.
func (s *Service) AttachInternetGateway(ctx context.Context, in *api.AttachInternetGatewayInput) (*api.AttachInternetGatewayOutput, error) {
	return &api.AttachInternetGatewayOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := gateways.get(ctx, tx, in.InternetGatewayId)
		if err != nil {
			return err
		}
		if _, err := vpcs.get(ctx, tx, in.VpcId); err != nil {
			return err
		}
		if len(v.Attachments) > 0 {
			return wire.Errorf("Resource.AlreadyAssociated", "resource %s is already attached to network %s", in.InternetGatewayId, *v.Attachments[0].VpcId)
		}
		others, err := gateways.of(ctx, tx, in.VpcId)
		if err != nil {
			return err
		}
		if len(others) > 0 {
			return wire.Errorf("InvalidParameterValue", "Network %s already has an internet gateway attached", in.VpcId)
		}
		v.Attachments = []api.InternetGatewayAttachment{{VpcId: &in.VpcId, State: new("available")}}
		return gateways.put(ctx, tx, &v)
	})
}

// DetachInternetGateway detaches a gateway from its VPC.
func (s *Service) DetachInternetGateway(ctx context.Context, in *api.DetachInternetGatewayInput) (*api.DetachInternetGatewayOutput, error) {
	return &api.DetachInternetGatewayOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := gateways.get(ctx, tx, in.InternetGatewayId)
		if err != nil {
			return err
		}
		if len(v.Attachments) == 0 || *v.Attachments[0].VpcId != in.VpcId {
			return wire.Errorf("Gateway.NotAttached", "resource %s is not attached to network %s", in.InternetGatewayId, in.VpcId)
		}
		v.Attachments = []api.InternetGatewayAttachment{}
		return gateways.put(ctx, tx, &v)
	})
}

type elastic = api.Address

var elastics = define(&kind[elastic]{
	prefix: "eipalloc", typ: "elastic-ip", noun: "allocation", code: "InvalidAllocationID.NotFound", says: "The allocation ID '%s' does not exist",
	id: func(v *elastic) **string { return &v.AllocationId }, tags: func(v *elastic) *[]api.Tag { return &v.Tags },
	fields: map[string]func(*elastic) []string{
		"allocation-id": text(func(v *elastic) *string { return v.AllocationId }), "association-id": text(func(v *elastic) *string { return v.AssociationId }),
		"domain": text(func(v *elastic) *string { return v.Domain }), "public-ip": text(func(v *elastic) *string { return v.PublicIp }),
		"instance-id": text(func(v *elastic) *string { return v.InstanceId }), "network-interface-id": text(func(v *elastic) *string { return v.NetworkInterfaceId }),
		"private-ip-address": text(func(v *elastic) *string { return v.PrivateIpAddress }), "network-border-group": text(func(v *elastic) *string { return v.NetworkBorderGroup }),
	},
})

// AllocateAddress gives the account an elastic IP address.
func (s *Service) AllocateAddress(ctx context.Context, in *api.AllocateAddressInput) (*api.AllocateAddressOutput, error) {
	region := operation.CallerOf(ctx).Region
	v := elastic{AllocationId: new(newID(elastics.prefix)), Domain: new("vpc"), PublicIpv4Pool: new("amazon"), NetworkBorderGroup: &region}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		ip, err := allocate(ctx, tx, publicScope, public, wire.Value(in.Address), *v.AllocationId)
		if err != nil {
			return err
		}
		v.PublicIp = &ip
		return elastics.make(ctx, tx, &v, in.TagSpecifications)
	})
	if err != nil {
		return nil, err
	}
	return &api.AllocateAddressOutput{AllocationId: v.AllocationId, PublicIp: v.PublicIp, Domain: v.Domain, PublicIpv4Pool: v.PublicIpv4Pool, NetworkBorderGroup: &region}, nil
}

// DescribeAddresses lists elastic IP addresses.
func (s *Service) DescribeAddresses(ctx context.Context, in *api.DescribeAddressesInput) (*api.DescribeAddressesOutput, error) {
	filters := in.Filters
	if len(in.PublicIps) > 0 {
		filters = append(filters, api.Filter{Name: new("public-ip"), Values: in.PublicIps})
	}
	all, err := elastics.find(ctx, s, in.AllocationIds, filters)
	return &api.DescribeAddressesOutput{Addresses: all}, err
}

// elasticOf finds an elastic address by allocation, association or address.
func elasticOf(ctx context.Context, tx *store.Tx, allocation, association, ip *string) (elastic, error) {
	if allocation != nil {
		return elastics.get(ctx, tx, *allocation)
	}
	if association == nil {
		id, err := ownerOf(ctx, tx, publicScope, wire.Value(ip))
		if err != nil || id == "" {
			return elastic{}, cmp.Or(err, error(wire.Errorf("InvalidAddress.NotFound", "Address '%s' not found.", wire.Value(ip))))
		}
		return elastics.get(ctx, tx, id)
	}
	found, err := elastics.choose(ctx, tx, nil, []api.Filter{{Name: new("association-id"), Values: []string{*association}}})
	if err != nil || len(found) == 1 {
		return append(found, elastic{})[0], err
	}
	return elastic{}, wire.Errorf("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", *association)
}

// ReleaseAddress gives an elastic address back.
func (s *Service) ReleaseAddress(ctx context.Context, in *api.ReleaseAddressInput) (*api.ReleaseAddressOutput, error) {
	return &api.ReleaseAddressOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := elasticOf(ctx, tx, in.AllocationId, nil, in.PublicIp)
		if err != nil {
			return err
		}
		used, err := referred(tx, key(ctx, *v.AllocationId))
		if err != nil {
			return err
		}
		if used || v.AssociationId != nil {
			return wire.Errorf("InvalidIPAddress.InUse", "Address %s is in use.", *v.PublicIp)
		}
		if err := release(ctx, tx, publicScope, *v.PublicIp); err != nil {
			return err
		}
		return elastics.erase(ctx, tx, *v.AllocationId)
	})
}

// AssociateAddress puts an elastic address on a network interface or an instance.
func (s *Service) AssociateAddress(ctx context.Context, in *api.AssociateAddressInput) (*api.AssociateAddressOutput, error) {
	var id string
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := elasticOf(ctx, tx, in.AllocationId, nil, in.PublicIp)
		if err != nil {
			return err
		}
		if v.AssociationId != nil && !wire.Value(in.AllowReassociation) {
			return wire.Errorf("Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", *v.AllocationId, *v.AssociationId)
		}
		if v.AssociationId != nil {
			if err := disassociateAddress(ctx, tx, &v); err != nil {
				return err
			}
		}
		target, err := interfaceOf(ctx, tx, in.NetworkInterfaceId, in.InstanceId)
		if err != nil {
			return err
		}
		v.InstanceId = in.InstanceId
		id, err = associateAddress(ctx, tx, &v, &target)
		return err
	})
	return &api.AssociateAddressOutput{AssociationId: &id}, err
}

// interfaceOf is the interface that a request names, by itself or by its instance.
func interfaceOf(ctx context.Context, tx *store.Tx, id, instanceID *string) (networkInterface, error) {
	if id == nil && instanceID == nil {
		return networkInterface{}, wire.Errorf("MissingParameter", "Either instance ID or network interface id must be specified")
	}
	if id == nil {
		i, err := instances.get(ctx, tx, *instanceID)
		if err != nil {
			return networkInterface{}, err
		}
		if len(i.NetworkInterfaces) == 0 {
			return networkInterface{}, wire.Errorf("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be associated.", *instanceID)
		}
		id = i.NetworkInterfaces[0].NetworkInterfaceId
	}
	return interfaces.get(ctx, tx, *id)
}

func associateAddress(ctx context.Context, tx *store.Tx, v *elastic, target *networkInterface) (string, error) {
	id := newID("eipassoc")
	v.AssociationId, v.NetworkInterfaceId, v.PrivateIpAddress, v.NetworkInterfaceOwnerId = &id, target.NetworkInterfaceId, target.PrivateIpAddress, target.OwnerId
	target.Association = &api.NetworkInterfaceAssociation{AllocationId: v.AllocationId, AssociationId: &id, PublicIp: v.PublicIp, IpOwnerId: target.OwnerId}
	if err := interfaces.put(ctx, tx, target); err != nil {
		return "", err
	}
	return id, elastics.put(ctx, tx, v)
}

// disassociateAddress takes an elastic address off its interface, if that is still there.
func disassociateAddress(ctx context.Context, tx *store.Tx, v *elastic) error {
	if target, err := interfaces.Get(tx, key(ctx, wire.Value(v.NetworkInterfaceId))); err == nil {
		target.Association = nil
		if err := interfaces.put(ctx, tx, &target); err != nil {
			return err
		}
	}
	v.AssociationId, v.NetworkInterfaceId, v.PrivateIpAddress, v.NetworkInterfaceOwnerId, v.InstanceId = nil, nil, nil, nil, nil
	return elastics.put(ctx, tx, v)
}

// DisassociateAddress takes an elastic address off what it is on.
func (s *Service) DisassociateAddress(ctx context.Context, in *api.DisassociateAddressInput) (*api.DisassociateAddressOutput, error) {
	return &api.DisassociateAddressOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := elasticOf(ctx, tx, nil, in.AssociationId, in.PublicIp)
		if err != nil {
			return err
		}
		return disassociateAddress(ctx, tx, &v)
	})
}

type nat = api.NatGateway

var nats = define(&kind[nat]{
	prefix: "nat", typ: "natgateway", noun: "natGateway", code: "NatGatewayNotFound", says: "NatGateway %s was not found", by: "vpc-id",
	id: func(v *nat) **string { return &v.NatGatewayId }, tags: func(v *nat) *[]api.Tag { return &v.Tags },
	refs: func(v *nat) []string {
		ids := []string{*v.SubnetId, *v.VpcId}
		for _, a := range v.NatGatewayAddresses {
			ids = append(ids, wire.Value(a.AllocationId))
		}
		return ids
	},
	fields: map[string]func(*nat) []string{
		"nat-gateway-id": text(func(v *nat) *string { return v.NatGatewayId }), "vpc-id": text(func(v *nat) *string { return v.VpcId }),
		"subnet-id": text(func(v *nat) *string { return v.SubnetId }), "state": text(func(v *nat) *string { return v.State }),
	},
})

// CreateNatGateway makes a NAT gateway, available at once, with an interface in its subnet.
func (s *Service) CreateNatGateway(ctx context.Context, in *api.CreateNatGatewayInput) (*api.CreateNatGatewayOutput, error) {
	kind := "public"
	if in.ConnectivityType != nil {
		kind = *in.ConnectivityType
	}
	switch {
	case in.SubnetId == nil:
		return nil, wire.Errorf("MissingParameter", "The request must contain the parameter SubnetId")
	case kind == "public" && in.AllocationId == nil:
		return nil, wire.Errorf("MissingParameter", "The request must include the AllocationId parameter. Add the required parameter and retry the request.")
	}
	v := nat{SubnetId: in.SubnetId, ConnectivityType: &kind, State: new("available"), CreateTime: new(s.Clock.Now())}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		port, err := s.makeInterface(ctx, tx, &api.CreateNetworkInterfaceInput{SubnetId: *in.SubnetId, PrivateIpAddress: in.PrivateIpAddress}, "nat_gateway")
		if err != nil {
			return err
		}
		at := api.NatGatewayAddress{NetworkInterfaceId: port.NetworkInterfaceId, PrivateIp: port.PrivateIpAddress, IsPrimary: new(true), Status: new("succeeded")}
		if in.AllocationId != nil {
			ip, err := elastics.get(ctx, tx, *in.AllocationId)
			if err != nil {
				return err
			}
			if ip.AssociationId != nil {
				return wire.Errorf("Resource.AlreadyAssociated", "Elastic IP address [%s] is already associated", *in.AllocationId)
			}
			id, err := associateAddress(ctx, tx, &ip, &port)
			if err != nil {
				return err
			}
			at.AllocationId, at.PublicIp, at.AssociationId = in.AllocationId, ip.PublicIp, &id
		}
		v.VpcId, v.NatGatewayAddresses = port.VpcId, []api.NatGatewayAddress{at}
		if err := nats.make(ctx, tx, &v, in.TagSpecifications); err != nil {
			return err
		}
		port.Description = new("Interface for NAT Gateway " + *v.NatGatewayId)
		return interfaces.put(ctx, tx, &port)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateNatGatewayOutput{NatGateway: &v, ClientToken: in.ClientToken}, nil
}

// DescribeNatGateways lists NAT gateways.
func (s *Service) DescribeNatGateways(ctx context.Context, in *api.DescribeNatGatewaysInput) (*api.DescribeNatGatewaysOutput, error) {
	all, err := nats.find(ctx, s, in.NatGatewayIds, in.Filter)
	if err != nil {
		return nil, err
	}
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 1000, "InvalidNextToken")
	return &api.DescribeNatGatewaysOutput{NatGateways: all, NextToken: next}, err
}

// DeleteNatGateway removes a NAT gateway and its interface; its elastic address stays the account's.
func (s *Service) DeleteNatGateway(ctx context.Context, in *api.DeleteNatGatewayInput) (*api.DeleteNatGatewayOutput, error) {
	return &api.DeleteNatGatewayOutput{NatGatewayId: &in.NatGatewayId}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := nats.get(ctx, tx, in.NatGatewayId)
		if err != nil {
			return err
		}
		for _, a := range v.NatGatewayAddresses {
			if a.AllocationId != nil {
				ip, err := elastics.get(ctx, tx, *a.AllocationId)
				if err != nil {
					return err
				}
				if err := disassociateAddress(ctx, tx, &ip); err != nil {
					return err
				}
			}
			if err := eraseInterface(ctx, tx, *a.NetworkInterfaceId); err != nil {
				return err
			}
		}
		return nats.erase(ctx, tx, in.NatGatewayId)
	})
}
