package ec2

import (
	"context"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/store"
)

func (s *Service) resources() []resource.Type {
	types := []resource.Type{s.vpcType(), s.subnetType(), s.gatewayType(), s.attachmentType(), s.natType(), s.elasticType(), s.routeTableType(), s.routeType(),
		s.associationType(), s.groupType(), s.ruleType(false), s.ruleType(true), s.templateType(), s.endpointType(), s.flowLogType(), s.aclType(), s.entryType(),
		s.aclAssociationType(), s.interfaceType()}
	for i := range types {
		types[i].Fidelity = operation.Recorded
	}
	return types
}

func tagList(r resource.Request) []api.Tag {
	return resource.TagList(r.AllTags(), func(k, v string) api.Tag { return api.Tag{Key: &k, Value: &v} })
}

// specification is how an API takes the tags of a stack's resource.
func specification(typ string, r resource.Request) []api.TagSpecification {
	return []api.TagSpecification{{ResourceType: &typ, Tags: tagList(r)}}
}

// retagged makes a resource's tags what the template and the stack say.
func (s *Service) retagged(ctx context.Context, r resource.Request) error {
	return s.retag(ctx, []string{r.PhysicalID}, func([]api.Tag) []api.Tag { return tagList(r) })
}

func flag(r resource.Request, name string) *api.AttributeBooleanValue {
	if v, ok := r.Properties[name].(bool); ok {
		return &api.AttributeBooleanValue{Value: &v}
	}
	return nil
}

// view reads within the caller's transaction.
func (s *Service) view(ctx context.Context, read func(tx *store.Tx) error) error {
	return s.Store.View(ctx, func(_ context.Context, tx *store.Tx) error { return read(tx) })
}

func (s *Service) vpcType() resource.Type {
	attributes := func(ctx context.Context, r resource.Request) error {
		for _, in := range []*api.ModifyVpcAttributeInput{{EnableDnsSupport: flag(r, "EnableDnsSupport")}, {EnableDnsHostnames: flag(r, "EnableDnsHostnames")}} {
			in.VpcId = r.PhysicalID
			if in.EnableDnsSupport == nil && in.EnableDnsHostnames == nil {
				continue
			}
			if _, err := s.ModifyVpcAttribute(ctx, in); err != nil {
				return err
			}
		}
		return nil
	}
	return resource.Type{
		Name: "AWS::EC2::VPC",
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			in := &api.CreateVpcInput{}
			if err := r.Into(in, "Tags", "EnableDnsSupport", "EnableDnsHostnames"); err != nil {
				return "", err
			}
			in.TagSpecifications = specification("vpc", r)
			out, err := s.CreateVpc(ctx, in)
			if err != nil {
				return "", err
			}
			r.PhysicalID = *out.Vpc.VpcId
			return r.PhysicalID, attributes(ctx, r)
		},
		Update: func(ctx context.Context, r resource.Request) error {
			if err := s.retagged(ctx, r); err != nil {
				return err
			}
			return attributes(ctx, r)
		},
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteVpc(ctx, &api.DeleteVpcInput{VpcId: r.PhysicalID})
			return resource.Absent(err, vpcs.code)
		},
		Attributes: s.vpcAttributes,
	}
}

func (s *Service) vpcAttributes(ctx context.Context, r resource.Request) (map[string]any, error) {
	out := map[string]any{"VpcId": r.PhysicalID}
	return out, s.view(ctx, func(tx *store.Tx) error {
		v, err := vpcs.get(ctx, tx, r.PhysicalID)
		if err != nil {
			return err
		}
		out["CidrBlock"] = *v.CidrBlock
		ranges, ipv6 := []any{}, []any{}
		for _, a := range v.CidrBlockAssociationSet {
			ranges = append(ranges, *a.AssociationId)
		}
		for _, a := range v.Ipv6CidrBlockAssociationSet {
			ipv6 = append(ipv6, *a.Ipv6CidrBlock)
		}
		out["CidrBlockAssociations"], out["Ipv6CidrBlocks"] = ranges, ipv6
		groups, err := securityGroups.of(ctx, tx, r.PhysicalID)
		if err != nil {
			return err
		}
		for _, g := range groups {
			if *g.GroupName == defaultName {
				out["DefaultSecurityGroup"] = *g.GroupId
			}
		}
		lists, err := acls.of(ctx, tx, r.PhysicalID)
		for _, a := range lists {
			if *a.IsDefault {
				out["DefaultNetworkAcl"] = *a.NetworkAclId
			}
		}
		return err
	})
}

// subnetFlags are properties of a subnet that ModifySubnetAttribute sets.
var subnetFlags = []string{"MapPublicIpOnLaunch", "AssignIpv6AddressOnCreation", "EnableDns64", "PrivateDnsNameOptionsOnLaunch", "EnableLniAtDeviceIndex"}

func (s *Service) subnetType() resource.Type {
	set := func(ctx context.Context, r resource.Request) error {
		in := &api.ModifySubnetAttributeInput{SubnetId: r.PhysicalID, MapPublicIpOnLaunch: flag(r, "MapPublicIpOnLaunch"), AssignIpv6AddressOnCreation: flag(r, "AssignIpv6AddressOnCreation"), EnableDns64: flag(r, "EnableDns64")}
		if names, ok := r.Properties["PrivateDnsNameOptionsOnLaunch"].(map[string]any); ok {
			n := resource.Request{Properties: names}
			in.EnableResourceNameDnsARecordOnLaunch, in.EnableResourceNameDnsAAAARecordOnLaunch = flag(n, "EnableResourceNameDnsARecord"), flag(n, "EnableResourceNameDnsAAAARecord")
			if kind := n.Text("HostnameType"); kind != "" {
				in.PrivateDnsHostnameTypeOnLaunch = &kind
			}
		}
		_, err := s.ModifySubnetAttribute(ctx, in)
		return err
	}
	return resource.Type{
		Name: "AWS::EC2::Subnet", Inert: []string{"EnableLniAtDeviceIndex"},
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			in := &api.CreateSubnetInput{}
			if err := r.Into(in, append([]string{"Tags"}, subnetFlags...)...); err != nil {
				return "", err
			}
			in.TagSpecifications = specification("subnet", r)
			out, err := s.CreateSubnet(ctx, in)
			if err != nil {
				return "", err
			}
			r.PhysicalID = *out.Subnet.SubnetId
			return r.PhysicalID, set(ctx, r)
		},
		Update: func(ctx context.Context, r resource.Request) error {
			if err := s.retagged(ctx, r); err != nil {
				return err
			}
			return set(ctx, r)
		},
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteSubnet(ctx, &api.DeleteSubnetInput{SubnetId: r.PhysicalID})
			return resource.Absent(err, subnets.code)
		},
		Attributes: s.subnetAttributes,
	}
}

func (s *Service) subnetAttributes(ctx context.Context, r resource.Request) (map[string]any, error) {
	out := map[string]any{"SubnetId": r.PhysicalID}
	return out, s.view(ctx, func(tx *store.Tx) error {
		v, err := subnets.get(ctx, tx, r.PhysicalID)
		if err != nil {
			return err
		}
		ipv6 := []any{}
		for _, a := range v.Ipv6CidrBlockAssociationSet {
			ipv6 = append(ipv6, *a.Ipv6CidrBlock)
		}
		association, err := aclAssociation(ctx, tx, r.PhysicalID)
		out["VpcId"], out["AvailabilityZone"], out["AvailabilityZoneId"], out["CidrBlock"] = *v.VpcId, *v.AvailabilityZone, *v.AvailabilityZoneId, *v.CidrBlock
		out["Ipv6CidrBlocks"], out["NetworkAclAssociationId"] = ipv6, association
		return err
	})
}

func (s *Service) gatewayType() resource.Type {
	return resource.Type{
		Name: "AWS::EC2::InternetGateway",
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			in := &api.CreateInternetGatewayInput{}
			if err := r.Into(in, "Tags"); err != nil {
				return "", err
			}
			in.TagSpecifications = specification("internet-gateway", r)
			out, err := s.CreateInternetGateway(ctx, in)
			if err != nil {
				return "", err
			}
			return *out.InternetGateway.InternetGatewayId, nil
		},
		Update: s.retagged,
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteInternetGateway(ctx, &api.DeleteInternetGatewayInput{InternetGatewayId: r.PhysicalID})
			return resource.Absent(err, gateways.code)
		},
		Attributes: func(_ context.Context, r resource.Request) (map[string]any, error) {
			return map[string]any{"InternetGatewayId": r.PhysicalID}, nil
		},
	}
}

func (s *Service) attachmentType() resource.Type {
	return resource.Type{
		Name: "AWS::EC2::VPCGatewayAttachment",
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			in := &api.AttachInternetGatewayInput{}
			if err := r.Into(in); err != nil {
				return "", err
			}
			_, err := s.AttachInternetGateway(ctx, in)
			return "IGW|" + in.VpcId, err
		},
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DetachInternetGateway(ctx, &api.DetachInternetGatewayInput{InternetGatewayId: r.Text("InternetGatewayId"), VpcId: r.Text("VpcId")})
			return resource.Absent(err, gateways.code, "Gateway.NotAttached")
		},
		Attributes: func(context.Context, resource.Request) (map[string]any, error) {
			return map[string]any{"AttachmentType": "IGW"}, nil
		},
	}
}

func (s *Service) natType() resource.Type {
	return resource.Type{
		Name: "AWS::EC2::NatGateway", Inert: []string{"MaxDrainDurationSeconds", "SecondaryAllocationIds", "SecondaryPrivateIpAddresses", "SecondaryPrivateIpAddressCount", "AvailabilityMode", "AvailabilityZoneAddresses"},
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			in := &api.CreateNatGatewayInput{}
			if err := r.Into(in, "Tags", "MaxDrainDurationSeconds"); err != nil {
				return "", err
			}
			in.TagSpecifications = specification("natgateway", r)
			out, err := s.CreateNatGateway(ctx, in)
			if err != nil {
				return "", err
			}
			return *out.NatGateway.NatGatewayId, nil
		},
		Update: s.retagged,
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteNatGateway(ctx, &api.DeleteNatGatewayInput{NatGatewayId: r.PhysicalID})
			return resource.Absent(err, nats.code)
		},
		Attributes: func(ctx context.Context, r resource.Request) (map[string]any, error) {
			out := map[string]any{"NatGatewayId": r.PhysicalID}
			return out, s.view(ctx, func(tx *store.Tx) error {
				v, err := nats.get(ctx, tx, r.PhysicalID)
				if err == nil {
					out["EniId"] = *v.NatGatewayAddresses[0].NetworkInterfaceId
				}
				return err
			})
		},
	}
}

func (s *Service) elasticType() resource.Type {
	find := func(ctx context.Context, r resource.Request) (v elastic, err error) {
		err = s.view(ctx, func(tx *store.Tx) error { v, err = elasticOf(ctx, tx, nil, nil, &r.PhysicalID); return err })
		return v, err
	}
	place := func(ctx context.Context, r resource.Request, v elastic) (err error) {
		id := r.Text("InstanceId")
		switch {
		case id != "":
			_, err = s.AssociateAddress(ctx, &api.AssociateAddressInput{AllocationId: v.AllocationId, InstanceId: &id, AllowReassociation: new(true)})
		case v.InstanceId != nil:
			_, err = s.DisassociateAddress(ctx, &api.DisassociateAddressInput{AssociationId: v.AssociationId})
		}
		return err
	}
	return resource.Type{
		Name: "AWS::EC2::EIP", Inert: []string{"PublicIpv4Pool", "IpamPoolId", "NetworkBorderGroup", "TransferAddress"},
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			in := &api.AllocateAddressInput{}
			if err := r.Into(in, "Tags", "InstanceId", "TransferAddress"); err != nil {
				return "", err
			}
			in.TagSpecifications = specification("elastic-ip", r)
			out, err := s.AllocateAddress(ctx, in)
			if err != nil {
				return "", err
			}
			return *out.PublicIp, place(ctx, r, elastic{AllocationId: out.AllocationId})
		},
		Update: func(ctx context.Context, r resource.Request) error {
			v, err := find(ctx, r)
			if err != nil {
				return err
			}
			if err := s.retag(ctx, []string{*v.AllocationId}, func([]api.Tag) []api.Tag { return tagList(r) }); err != nil {
				return err
			}
			return place(ctx, r, v)
		},
		Delete: func(ctx context.Context, r resource.Request) error {
			v, err := find(ctx, r)
			if err != nil {
				return resource.Absent(err, "InvalidAddress.NotFound")
			}
			if v.InstanceId != nil {
				if _, err := s.DisassociateAddress(ctx, &api.DisassociateAddressInput{AssociationId: v.AssociationId}); err != nil {
					return err
				}
			}
			_, err = s.ReleaseAddress(ctx, &api.ReleaseAddressInput{AllocationId: v.AllocationId})
			return err
		},
		Attributes: func(ctx context.Context, r resource.Request) (map[string]any, error) {
			v, err := find(ctx, r)
			if err != nil {
				return nil, err
			}
			return map[string]any{"AllocationId": *v.AllocationId, "PublicIp": *v.PublicIp}, nil
		},
	}
}
