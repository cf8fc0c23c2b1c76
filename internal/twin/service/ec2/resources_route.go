package ec2

import (
	"context"
	"errors"
	"strings"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

func (s *Service) routeTableType() resource.Type {
	return resource.Type{
		Name: "AWS::EC2::RouteTable",
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			in := &api.CreateRouteTableInput{}
			if err := r.Into(in, "Tags"); err != nil {
				return "", err
			}
			in.TagSpecifications = specification("route-table", r)
			out, err := s.CreateRouteTable(ctx, in)
			if err != nil {
				return "", err
			}
			return *out.RouteTable.RouteTableId, nil
		},
		Update: s.retagged,
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteRouteTable(ctx, &api.DeleteRouteTableInput{RouteTableId: r.PhysicalID})
			return resource.Absent(err, routeTables.code)
		},
		Attributes: func(_ context.Context, r resource.Request) (map[string]any, error) {
			return map[string]any{"RouteTableId": r.PhysicalID}, nil
		},
	}
}

// routeType: what Ref gives is the table and the destination.
func (s *Service) routeType() resource.Type {
	return resource.Type{
		Name: "AWS::EC2::Route",
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			in := &api.CreateRouteInput{}
			if err := r.Into(in); err != nil {
				return "", err
			}
			route, err := routeOf(in)
			if err != nil {
				return "", err
			}
			_, err = s.CreateRoute(ctx, in)
			return in.RouteTableId + "|" + destinationOf(route), err
		},
		Update: func(ctx context.Context, r resource.Request) error {
			in := &api.ReplaceRouteInput{}
			if err := r.Into(in); err != nil {
				return err
			}
			_, err := s.ReplaceRoute(ctx, in)
			return err
		},
		Delete: func(ctx context.Context, r resource.Request) error {
			table, _, _ := strings.Cut(r.PhysicalID, "|")
			in := &api.DeleteRouteInput{RouteTableId: table, DestinationCidrBlock: wire.Maybe(r.Text("DestinationCidrBlock")),
				DestinationIpv6CidrBlock: wire.Maybe(r.Text("DestinationIpv6CidrBlock")), DestinationPrefixListId: wire.Maybe(r.Text("DestinationPrefixListId"))}
			_, err := s.DeleteRoute(ctx, in)
			return resource.Absent(err, routeTables.code, "InvalidRoute.NotFound")
		},
		Attributes: func(_ context.Context, r resource.Request) (map[string]any, error) {
			_, to, _ := strings.Cut(r.PhysicalID, "|")
			return map[string]any{"CidrBlock": to}, nil
		},
	}
}

func (s *Service) associationType() resource.Type {
	return resource.Type{
		Name: "AWS::EC2::SubnetRouteTableAssociation",
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			in := &api.AssociateRouteTableInput{}
			if err := r.Into(in); err != nil {
				return "", err
			}
			out, err := s.AssociateRouteTable(ctx, in)
			if err != nil {
				return "", err
			}
			return *out.AssociationId, nil
		},
		Delete: func(ctx context.Context, r resource.Request) error {
			return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
				a, err := associations.Get(tx, key(ctx, r.Text("SubnetId")))
				if errors.Is(err, store.ErrNotFound) || err == nil && *a.RouteTableAssociationId != r.PhysicalID {
					return nil // the subnet has another table by now, or none
				}
				if err != nil {
					return err
				}
				return dropAssociation(ctx, tx, r.Text("SubnetId"))
			})
		},
		Attributes: func(_ context.Context, r resource.Request) (map[string]any, error) {
			return map[string]any{"Id": r.PhysicalID}, nil
		},
	}
}

func (s *Service) aclType() resource.Type {
	return resource.Type{
		Name: "AWS::EC2::NetworkAcl",
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			in := &api.CreateNetworkAclInput{}
			if err := r.Into(in, "Tags"); err != nil {
				return "", err
			}
			in.TagSpecifications = specification("network-acl", r)
			out, err := s.CreateNetworkAcl(ctx, in)
			if err != nil {
				return "", err
			}
			return *out.NetworkAcl.NetworkAclId, nil
		},
		Update: s.retagged,
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteNetworkAcl(ctx, &api.DeleteNetworkAclInput{NetworkAclId: r.PhysicalID})
			return resource.Absent(err, acls.code)
		},
		Attributes: func(_ context.Context, r resource.Request) (map[string]any, error) {
			return map[string]any{"Id": r.PhysicalID}, nil
		},
	}
}

// entryInput maps the properties of an ACL entry: Icmp is IcmpTypeCode, the protocol a number there and a string here.
func entryInput(r resource.Request) (*api.CreateNetworkAclEntryInput, error) {
	in := &api.CreateNetworkAclEntryInput{}
	if err := r.Into(in, "Icmp", "Protocol"); err != nil {
		return nil, err
	}
	in.Protocol = number64(r.Properties["Protocol"])
	icmp, ok := r.Properties["Icmp"].(map[string]any)
	if ok {
		in.IcmpTypeCode = &api.IcmpTypeCode{}
		return in, resource.Into(icmp, in.IcmpTypeCode)
	}
	return in, nil
}

func (s *Service) entryType() resource.Type {
	return resource.Type{
		Name: "AWS::EC2::NetworkAclEntry",
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			in, err := entryInput(r)
			if err != nil {
				return "", err
			}
			_, err = s.CreateNetworkAclEntry(ctx, in)
			return r.StackName + "-" + r.LogicalID + "-" + resource.Suffix(r.Token, 12), err
		},
		Update: func(ctx context.Context, r resource.Request) error {
			in, err := entryInput(r)
			if err != nil {
				return err
			}
			_, err = s.ReplaceNetworkAclEntry(ctx, new(api.ReplaceNetworkAclEntryInput(*in)))
			return err
		},
		Delete: func(ctx context.Context, r resource.Request) error {
			in, err := entryInput(r)
			if err != nil {
				return err
			}
			_, err = s.DeleteNetworkAclEntry(ctx, &api.DeleteNetworkAclEntryInput{NetworkAclId: in.NetworkAclId, Egress: in.Egress, RuleNumber: in.RuleNumber})
			return resource.Absent(err, acls.code, "InvalidNetworkAclEntry.NotFound")
		},
		Attributes: func(_ context.Context, r resource.Request) (map[string]any, error) {
			return map[string]any{"Id": r.PhysicalID}, nil
		},
	}
}

func (s *Service) aclAssociationType() resource.Type {
	return resource.Type{
		Name: "AWS::EC2::SubnetNetworkAclAssociation",
		Create: func(ctx context.Context, r resource.Request) (id string, err error) {
			err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
				id, err = s.giveACL(ctx, tx, r.Text("SubnetId"), r.Text("NetworkAclId"))
				return err
			})
			return id, err
		},
		Delete: func(ctx context.Context, r resource.Request) error {
			return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error { return takeACL(ctx, tx, r.PhysicalID) })
		},
		Attributes: func(_ context.Context, r resource.Request) (map[string]any, error) {
			return map[string]any{"AssociationId": r.PhysicalID}, nil
		},
	}
}
