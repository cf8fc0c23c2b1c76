package ec2

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// routeTable is a route table. Its associations are kept apart.
type routeTable struct {
	api.RouteTable
	Main bool // made with the VPC, and gone with it
}

var routeTables = define(&kind[routeTable]{
	prefix: "rtb", typ: "route-table", noun: "routeTable", code: "InvalidRouteTableID.NotFound", by: "vpc-id",
	id: func(v *routeTable) **string { return &v.RouteTableId }, tags: func(v *routeTable) *[]api.Tag { return &v.Tags },
	refs: func(v *routeTable) []string {
		if v.Main {
			return nil
		}
		return []string{*v.VpcId}
	},
	fields: map[string]func(*routeTable) []string{
		"route-table-id": text(func(v *routeTable) *string { return v.RouteTableId }), "vpc-id": text(func(v *routeTable) *string { return v.VpcId }),
		"owner-id": text(func(v *routeTable) *string { return v.OwnerId }),
		"association.main": ofAssociations(func(a api.RouteTableAssociation) *string {
			return new(map[bool]string{true: "true", false: "false"}[*a.Main])
		}),
		"association.subnet-id":      ofAssociations(func(a api.RouteTableAssociation) *string { return a.SubnetId }),
		"association.gateway-id":     ofAssociations(func(a api.RouteTableAssociation) *string { return a.GatewayId }),
		"association.route-table-id": ofAssociations(func(a api.RouteTableAssociation) *string { return a.RouteTableId }),
		"association.route-table-association-id": ofAssociations(func(a api.RouteTableAssociation) *string {
			return a.RouteTableAssociationId
		}),
		"route.destination-cidr-block": ofRoutes(func(r api.Route) *string { return r.DestinationCidrBlock }),
		"route.gateway-id":             ofRoutes(func(r api.Route) *string { return r.GatewayId }),
		"route.nat-gateway-id":         ofRoutes(func(r api.Route) *string { return r.NatGatewayId }),
		"route.state":                  ofRoutes(func(r api.Route) *string { return r.State }),
	},
})

func ofAssociations(of func(api.RouteTableAssociation) *string) func(*routeTable) []string {
	return func(v *routeTable) (values []string) {
		for _, a := range v.Associations {
			if s := of(a); s != nil {
				values = append(values, *s)
			}
		}
		return values
	}
}

func ofRoutes(of func(api.Route) *string) func(*routeTable) []string {
	return func(v *routeTable) (values []string) {
		for _, r := range v.Routes {
			if s := of(r); s != nil {
				values = append(values, *s)
			}
		}
		return values
	}
}

// associations are keyed by what they give a route table to: a subnet, or for the main one a VPC.
var associations = &store.Table[api.RouteTableAssociation]{
	Name: "ec2_route_table_associations", By: func(a api.RouteTableAssociation) string { return *a.RouteTableId },
}

var associated = &api.RouteTableAssociationState{State: new("associated")}

// mainRouteTable makes the route table that a VPC's subnets have unless they are given another.
func mainRouteTable(ctx context.Context, tx *store.Tx, v vpc) error {
	t := newRouteTable(v)
	t.Main = true
	if err := routeTables.make(ctx, tx, &t, nil); err != nil {
		return err
	}
	return putAssociation(ctx, tx, *v.VpcId, api.RouteTableAssociation{Main: new(true), RouteTableId: t.RouteTableId, RouteTableAssociationId: new(newID("rtbassoc")), AssociationState: associated})
}

func newRouteTable(v vpc) routeTable {
	routes := []api.Route{{DestinationCidrBlock: v.CidrBlock, GatewayId: new("local"), Origin: new("CreateRouteTable"), State: new("active")}}
	for _, a := range v.Ipv6CidrBlockAssociationSet {
		routes = append(routes, api.Route{DestinationIpv6CidrBlock: a.Ipv6CidrBlock, GatewayId: new("local"), Origin: new("CreateRouteTable"), State: new("active")})
	}
	return routeTable{RouteTable: api.RouteTable{VpcId: v.VpcId, OwnerId: v.OwnerId, Routes: routes, PropagatingVgws: []api.PropagatingVgw{}}}
}

// putAssociation gives a route table to at; the table cannot go before the association does.
func putAssociation(ctx context.Context, tx *store.Tx, at string, a api.RouteTableAssociation) error {
	return errors.Join(associations.Put(tx, key(ctx, at), a), refer(tx, key(ctx, *a.RouteTableAssociationId), []string{*a.RouteTableId}))
}

// dropAssociation takes away the route table that at was given; that it had none is no error.
func dropAssociation(ctx context.Context, tx *store.Tx, at string) error {
	a, err := associations.Get(tx, key(ctx, at))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(associations.Delete(tx, key(ctx, at)), refer(tx, key(ctx, *a.RouteTableAssociationId), nil))
}

func disassociateSubnet(ctx context.Context, tx *store.Tx, id string) error {
	return dropAssociation(ctx, tx, id)
}

// CreateRouteTable makes a route table with the local route.
func (s *Service) CreateRouteTable(ctx context.Context, in *api.CreateRouteTableInput) (*api.CreateRouteTableOutput, error) {
	var t routeTable
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := vpcs.get(ctx, tx, in.VpcId)
		if err != nil {
			return err
		}
		t = newRouteTable(v)
		return routeTables.make(ctx, tx, &t, in.TagSpecifications)
	})
	if err != nil {
		return nil, err
	}
	t.Associations = []api.RouteTableAssociation{}
	return &api.CreateRouteTableOutput{RouteTable: &t.RouteTable, ClientToken: in.ClientToken}, nil
}

// DescribeRouteTables lists route tables with their routes and associations.
func (s *Service) DescribeRouteTables(ctx context.Context, in *api.DescribeRouteTablesInput) (*api.DescribeRouteTablesOutput, error) {
	if err := errors.Join(routeTables.check(in.Filters), s.ensureDefaults(ctx)); err != nil {
		return nil, err
	}
	var all []routeTable
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if all, err = routeTables.candidates(ctx, tx, in.RouteTableIds, in.Filters); err != nil {
			return err
		}
		return associate(ctx, tx, all)
	})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(t routeTable) bool { return !routeTables.matches(&t, in.Filters) })
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 100, "InvalidNextToken")
	out := &api.DescribeRouteTablesOutput{RouteTables: []api.RouteTable{}, NextToken: next}
	for _, t := range all {
		out.RouteTables = append(out.RouteTables, t.RouteTable)
	}
	return out, err
}

// associate fills in the associations of tables.
func associate(ctx context.Context, tx *store.Tx, tables []routeTable) error {
	c := operation.CallerOf(ctx)
	for i := range tables {
		of, err := associations.ListBy(tx, c.Account, c.Region, *tables[i].RouteTableId)
		if err != nil {
			return err
		}
		tables[i].Associations = append([]api.RouteTableAssociation{}, of...)
	}
	return nil
}

// DeleteRouteTable removes a route table that no subnet has.
func (s *Service) DeleteRouteTable(ctx context.Context, in *api.DeleteRouteTableInput) (*api.DeleteRouteTableOutput, error) {
	return &api.DeleteRouteTableOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		return routeTables.drop(ctx, tx, in.RouteTableId)
	})
}

// AssociateRouteTable gives a route table to a subnet or a gateway.
func (s *Service) AssociateRouteTable(ctx context.Context, in *api.AssociateRouteTableInput) (*api.AssociateRouteTableOutput, error) {
	a := api.RouteTableAssociation{Main: new(false), RouteTableId: &in.RouteTableId, SubnetId: in.SubnetId, GatewayId: in.GatewayId, RouteTableAssociationId: new(newID("rtbassoc")), AssociationState: associated}
	at := cmp.Or(wire.Value(in.SubnetId), wire.Value(in.GatewayId))
	if at == "" {
		return nil, wire.Errorf("MissingParameter", "The request must contain the parameter subnetId or gatewayId")
	}
	return &api.AssociateRouteTableOutput{AssociationId: a.RouteTableAssociationId, AssociationState: associated}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := sameVPC(ctx, tx, in.RouteTableId, in.SubnetId); err != nil {
			return err
		}
		switch has, err := associations.Has(tx, key(ctx, at)); {
		case err != nil:
			return err
		case has:
			return wire.Errorf("Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association", in.RouteTableId)
		}
		return putAssociation(ctx, tx, at, a)
	})
}

// sameVPC checks that a route table and a subnet exist, in one VPC.
func sameVPC(ctx context.Context, tx *store.Tx, table string, subnetID *string) error {
	t, err := routeTables.get(ctx, tx, table)
	if err != nil || subnetID == nil {
		return err
	}
	v, err := subnets.get(ctx, tx, *subnetID)
	if err != nil {
		return err
	}
	if *v.VpcId != *t.VpcId {
		return wire.Errorf("InvalidParameterValue", "Route table %s and network %s belong to different networks", table, *subnetID)
	}
	return nil
}

// findAssociation returns an association and what it is keyed by.
func findAssociation(ctx context.Context, tx *store.Tx, id string) (at string, a api.RouteTableAssociation, err error) {
	c := operation.CallerOf(ctx)
	all, err := associations.List(tx, c.Account, c.Region)
	if err != nil {
		return "", a, err
	}
	i := slices.IndexFunc(all, func(a api.RouteTableAssociation) bool { return *a.RouteTableAssociationId == id })
	if i < 0 {
		return "", a, wire.Errorf("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
	}
	a = all[i]
	at = cmp.Or(wire.Value(a.SubnetId), wire.Value(a.GatewayId))
	if *a.Main {
		t, err := routeTables.get(ctx, tx, *a.RouteTableId)
		return wire.Value(t.VpcId), a, err
	}
	return at, a, nil
}

// DisassociateRouteTable lets a subnet have the main route table again.
func (s *Service) DisassociateRouteTable(ctx context.Context, in *api.DisassociateRouteTableInput) (*api.DisassociateRouteTableOutput, error) {
	return &api.DisassociateRouteTableOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		at, a, err := findAssociation(ctx, tx, in.AssociationId)
		if err != nil {
			return err
		}
		if *a.Main {
			return wire.Errorf("InvalidParameterValue", "cannot disassociate the main route table association %s", in.AssociationId)
		}
		return dropAssociation(ctx, tx, at)
	})
}

// ReplaceRouteTableAssociation gives another route table to what an association is for; for the main one, to the VPC.
func (s *Service) ReplaceRouteTableAssociation(ctx context.Context, in *api.ReplaceRouteTableAssociationInput) (*api.ReplaceRouteTableAssociationOutput, error) {
	id := newID("rtbassoc")
	return &api.ReplaceRouteTableAssociationOutput{NewAssociationId: &id, AssociationState: associated}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		at, a, err := findAssociation(ctx, tx, in.AssociationId)
		if err != nil {
			return err
		}
		t, err := routeTables.get(ctx, tx, in.RouteTableId)
		if err != nil {
			return err
		}
		if *a.Main {
			if err := s.swapMain(ctx, tx, *a.RouteTableId, &t); err != nil {
				return err
			}
		}
		if err := dropAssociation(ctx, tx, at); err != nil {
			return err
		}
		a.RouteTableAssociationId, a.RouteTableId = &id, &in.RouteTableId
		return putAssociation(ctx, tx, at, a)
	})
}

func (s *Service) swapMain(ctx context.Context, tx *store.Tx, from string, to *routeTable) error {
	old, err := routeTables.get(ctx, tx, from)
	if err != nil {
		return err
	}
	old.Main, to.Main = false, true
	return errors.Join(routeTables.put(ctx, tx, &old), routeTables.put(ctx, tx, to))
}

// routeOf is the route that a request describes.
func routeOf(in *api.CreateRouteInput) (api.Route, error) {
	r := api.Route{DestinationCidrBlock: in.DestinationCidrBlock, DestinationIpv6CidrBlock: in.DestinationIpv6CidrBlock, DestinationPrefixListId: in.DestinationPrefixListId,
		GatewayId: cmp.Or(in.GatewayId, in.VpcEndpointId), NatGatewayId: in.NatGatewayId, InstanceId: in.InstanceId, NetworkInterfaceId: in.NetworkInterfaceId,
		EgressOnlyInternetGatewayId: in.EgressOnlyInternetGatewayId, TransitGatewayId: in.TransitGatewayId, LocalGatewayId: in.LocalGatewayId, CarrierGatewayId: in.CarrierGatewayId,
		CoreNetworkArn: in.CoreNetworkArn, VpcPeeringConnectionId: in.VpcPeeringConnectionId, OdbNetworkArn: in.OdbNetworkArn, Origin: new("CreateRoute"), State: new("active")}
	targets := 0
	for _, t := range []*string{r.GatewayId, r.NatGatewayId, r.InstanceId, r.NetworkInterfaceId, r.EgressOnlyInternetGatewayId, r.TransitGatewayId, r.LocalGatewayId,
		r.CarrierGatewayId, r.CoreNetworkArn, r.VpcPeeringConnectionId, r.OdbNetworkArn} {
		if t != nil {
			targets++
		}
	}
	if targets != 1 {
		return r, wire.Errorf("InvalidParameterCombination", "The parameters gatewayId, natGatewayId, networkInterfaceId, instanceId and their like are mutually exclusive: the request must contain exactly one")
	}
	to, err := destination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err == nil && in.DestinationCidrBlock != nil {
		r.DestinationCidrBlock = &to
	}
	return r, err
}

// destination is what a route is known by; ranges are written with their host bits cleared.
func destination(v4, v6, list *string) (string, error) {
	given := cmp.Or(wire.Value(v4), wire.Value(v6))
	switch {
	case given == "" && list == nil:
		return "", wire.Errorf("MissingParameter", "The request must contain the parameter destinationCidrBlock")
	case given == "":
		return *list, nil
	}
	p, err := netip.ParsePrefix(given)
	if err != nil {
		return "", wire.Errorf("InvalidParameterValue", "Value (%s) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block.", given)
	}
	return p.Masked().String(), nil
}

func destinationOf(r api.Route) string {
	return cmp.Or(wire.Value(r.DestinationCidrBlock), wire.Value(r.DestinationIpv6CidrBlock), wire.Value(r.DestinationPrefixListId))
}

// changeRoutes rewrites a table's routes; i is the place of the route to a destination, or -1.
func (s *Service) changeRoutes(ctx context.Context, table, to string, change func(ctx context.Context, tx *store.Tx, t *routeTable, i int) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		t, err := routeTables.get(ctx, tx, table)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(t.Routes, func(r api.Route) bool { return destinationOf(r) == to })
		if err := change(ctx, tx, &t, i); err != nil {
			return err
		}
		return routeTables.Put(tx, key(ctx, table), t)
	})
}

// checkTarget refuses a route to a gateway that is not there.
func checkTarget(ctx context.Context, tx *store.Tx, r api.Route) (err error) {
	switch {
	case r.NatGatewayId != nil:
		_, err = nats.get(ctx, tx, *r.NatGatewayId)
	case r.NetworkInterfaceId != nil:
		_, err = interfaces.get(ctx, tx, *r.NetworkInterfaceId)
	case r.GatewayId != nil && gateways.owns(*r.GatewayId):
		_, err = gateways.get(ctx, tx, *r.GatewayId)
	}
	return err
}

// CreateRoute adds a route.
func (s *Service) CreateRoute(ctx context.Context, in *api.CreateRouteInput) (*api.CreateRouteOutput, error) {
	r, err := routeOf(in)
	if err != nil {
		return nil, err
	}
	return &api.CreateRouteOutput{Return: new(true)}, s.changeRoutes(ctx, in.RouteTableId, destinationOf(r), func(ctx context.Context, tx *store.Tx, t *routeTable, i int) error {
		if i >= 0 {
			return wire.Errorf("RouteAlreadyExists", "The route identified by %s already exists.", destinationOf(r))
		}
		t.Routes = append(t.Routes, r)
		return checkTarget(ctx, tx, r)
	})
}

// ReplaceRoute changes where a route leads.
func (s *Service) ReplaceRoute(ctx context.Context, in *api.ReplaceRouteInput) (*api.ReplaceRouteOutput, error) {
	r, err := routeOf(&api.CreateRouteInput{RouteTableId: in.RouteTableId, DestinationCidrBlock: in.DestinationCidrBlock, DestinationIpv6CidrBlock: in.DestinationIpv6CidrBlock,
		DestinationPrefixListId: in.DestinationPrefixListId, GatewayId: in.GatewayId, NatGatewayId: in.NatGatewayId, InstanceId: in.InstanceId,
		NetworkInterfaceId: in.NetworkInterfaceId, EgressOnlyInternetGatewayId: in.EgressOnlyInternetGatewayId, TransitGatewayId: in.TransitGatewayId,
		LocalGatewayId: in.LocalGatewayId, CarrierGatewayId: in.CarrierGatewayId, CoreNetworkArn: in.CoreNetworkArn, VpcPeeringConnectionId: in.VpcPeeringConnectionId,
		VpcEndpointId: in.VpcEndpointId, OdbNetworkArn: in.OdbNetworkArn})
	if err != nil {
		return nil, err
	}
	return &api.ReplaceRouteOutput{}, s.changeRoutes(ctx, in.RouteTableId, destinationOf(r), func(ctx context.Context, tx *store.Tx, t *routeTable, i int) error {
		if i < 0 {
			return wire.Errorf("InvalidParameterValue", "There is no route defined for '%s' in the route table. Use CreateRoute instead.", destinationOf(r))
		}
		t.Routes[i] = r
		return checkTarget(ctx, tx, r)
	})
}

// DeleteRoute removes a route; the local one stays.
func (s *Service) DeleteRoute(ctx context.Context, in *api.DeleteRouteInput) (*api.DeleteRouteOutput, error) {
	to, err := destination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	return &api.DeleteRouteOutput{}, s.changeRoutes(ctx, in.RouteTableId, to, func(_ context.Context, _ *store.Tx, t *routeTable, i int) error {
		switch {
		case i < 0:
			return wire.Errorf("InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", to, in.RouteTableId)
		case wire.Value(t.Routes[i].GatewayId) == "local":
			return wire.Errorf("InvalidParameterValue", "cannot remove local route %s in route table %s", to, in.RouteTableId)
		}
		t.Routes = slices.Delete(t.Routes, i, i+1)
		return nil
	})
}
