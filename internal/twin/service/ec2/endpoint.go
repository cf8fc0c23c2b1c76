package ec2

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

type endpoint = api.VpcEndpoint

var endpoints = define(&kind[endpoint]{
	prefix: "vpce", typ: "vpc-endpoint", noun: "vpc endpoint", code: "InvalidVpcEndpointId.NotFound", says: "The Vpc Endpoint Id '%s' does not exist", by: "vpc-id",
	id: func(v *endpoint) **string { return &v.VpcEndpointId }, tags: func(v *endpoint) *[]api.Tag { return &v.Tags },
	refs: func(v *endpoint) []string { return append([]string{*v.VpcId}, v.SubnetIds...) },
	fields: map[string]func(*endpoint) []string{
		"vpc-endpoint-id": text(func(v *endpoint) *string { return v.VpcEndpointId }), "vpc-id": text(func(v *endpoint) *string { return v.VpcId }),
		"service-name": text(func(v *endpoint) *string { return v.ServiceName }), "vpc-endpoint-type": text(func(v *endpoint) *string { return v.VpcEndpointType }),
		"vpc-endpoint-state": text(func(v *endpoint) *string { return v.State }),
	},
})

// CreateVpcEndpoint makes an endpoint, available at once. A gateway endpoint puts a route into its route tables, an interface
// endpoint an interface into its subnets.
func (s *Service) CreateVpcEndpoint(ctx context.Context, in *api.CreateVpcEndpointInput) (*api.CreateVpcEndpointOutput, error) {
	kind := cmp.Or(wire.Value(in.VpcEndpointType), "Gateway")
	name := wire.Value(in.ServiceName)
	if !strings.HasPrefix(name, "com.amazonaws.") && !strings.HasPrefix(name, "aws.") && kind != "Resource" && kind != "ServiceNetwork" {
		return nil, wire.Errorf("InvalidServiceName", "The Vpc Endpoint Service '%s' does not exist", name)
	}
	v := endpoint{VpcId: &in.VpcId, VpcEndpointType: &kind, ServiceName: in.ServiceName, State: new("available"), CreationTimestamp: new(s.Clock.Now()),
		OwnerId: new(operation.CallerOf(ctx).Account), PolicyDocument: cmp.Or(in.PolicyDocument, new(openPolicy)), PrivateDnsEnabled: new(wire.Value(in.PrivateDnsEnabled)),
		RequesterManaged: new(false), IpAddressType: cmp.Or(in.IpAddressType, new("ipv4")), ServiceRegion: in.ServiceRegion, RouteTableIds: []string{}, SubnetIds: []string{}, NetworkInterfaceIds: []string{}}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := vpcs.get(ctx, tx, in.VpcId); err != nil {
			return err
		}
		if err := endpoints.make(ctx, tx, &v, in.TagSpecifications); err != nil {
			return err
		}
		return errors.Join(s.routeEndpoint(ctx, tx, &v, in.RouteTableIds), s.plugEndpoint(ctx, tx, &v, in.SubnetIds, in.SecurityGroupIds), endpoints.put(ctx, tx, &v))
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateVpcEndpointOutput{VpcEndpoint: &v, ClientToken: in.ClientToken}, nil
}

const openPolicy = `{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`

// routeEndpoint adds route tables to a gateway endpoint.
func (s *Service) routeEndpoint(ctx context.Context, tx *store.Tx, v *endpoint, tables []string) error {
	for _, id := range tables {
		t, err := routeTables.get(ctx, tx, id)
		if err != nil {
			return err
		}
		t.Routes = append(t.Routes, api.Route{DestinationPrefixListId: new(prefixListID(*v.ServiceName)), GatewayId: v.VpcEndpointId, Origin: new("CreateRoute"), State: new("active")})
		if err := routeTables.put(ctx, tx, &t); err != nil {
			return err
		}
		v.RouteTableIds = append(v.RouteTableIds, id)
	}
	return nil
}

// unrouteEndpoint takes route tables from a gateway endpoint; tables that are gone are no error.
func unrouteEndpoint(ctx context.Context, tx *store.Tx, v *endpoint, tables []string) error {
	for _, id := range tables {
		t, err := routeTables.Get(tx, key(ctx, id))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		t.Routes = slices.DeleteFunc(t.Routes, func(r api.Route) bool { return wire.Value(r.GatewayId) == *v.VpcEndpointId })
		if err := routeTables.put(ctx, tx, &t); err != nil {
			return err
		}
	}
	v.RouteTableIds = slices.DeleteFunc(v.RouteTableIds, func(id string) bool { return slices.Contains(tables, id) })
	return nil
}

// plugEndpoint adds subnets to an interface endpoint.
func (s *Service) plugEndpoint(ctx context.Context, tx *store.Tx, v *endpoint, subnetIDs, groupIDs []string) error {
	for _, id := range subnetIDs {
		port, err := s.makeInterface(ctx, tx, &api.CreateNetworkInterfaceInput{SubnetId: id, Groups: groupIDs, Description: new("VPC Endpoint Interface " + *v.VpcEndpointId)}, "vpc_endpoint")
		if err != nil {
			return err
		}
		v.SubnetIds, v.NetworkInterfaceIds = append(v.SubnetIds, id), append(v.NetworkInterfaceIds, *port.NetworkInterfaceId)
		v.Groups = []api.SecurityGroupIdentifier{}
		for _, g := range port.Groups {
			v.Groups = append(v.Groups, api.SecurityGroupIdentifier(g))
		}
	}
	if len(subnetIDs) > 0 {
		region := operation.CallerOf(ctx).Region
		service := (*v.ServiceName)[strings.LastIndexByte(*v.ServiceName, '.')+1:]
		v.DnsEntries = []api.DnsEntry{{DnsName: new(fmt.Sprintf("%s-%s.%s.%s.vpce.amazonaws.com", *v.VpcEndpointId, resourceHash(*v.VpcEndpointId)[:8], service, region)), HostedZoneId: new("Z7HUB22UULQXV")}}
	}
	return nil
}

// unplugEndpoint takes subnets from an interface endpoint.
func unplugEndpoint(ctx context.Context, tx *store.Tx, v *endpoint, subnetIDs []string) error {
	for i := len(v.SubnetIds) - 1; i >= 0; i-- {
		if !slices.Contains(subnetIDs, v.SubnetIds[i]) {
			continue
		}
		if err := eraseInterface(ctx, tx, v.NetworkInterfaceIds[i]); err != nil {
			return err
		}
		v.SubnetIds, v.NetworkInterfaceIds = slices.Delete(v.SubnetIds, i, i+1), slices.Delete(v.NetworkInterfaceIds, i, i+1)
	}
	return nil
}

// ModifyVpcEndpoint changes where an endpoint is and what its policy says.
func (s *Service) ModifyVpcEndpoint(ctx context.Context, in *api.ModifyVpcEndpointInput) (*api.ModifyVpcEndpointOutput, error) {
	return &api.ModifyVpcEndpointOutput{Return: new(true)}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := endpoints.get(ctx, tx, in.VpcEndpointId)
		if err != nil {
			return err
		}
		v.PolicyDocument = cmp.Or(in.PolicyDocument, v.PolicyDocument)
		if wire.Value(in.ResetPolicy) {
			v.PolicyDocument = new(openPolicy)
		}
		v.PrivateDnsEnabled, v.IpAddressType = cmp.Or(in.PrivateDnsEnabled, v.PrivateDnsEnabled), cmp.Or(in.IpAddressType, v.IpAddressType)
		groups := in.AddSecurityGroupIds
		for _, g := range v.Groups {
			if !slices.Contains(in.RemoveSecurityGroupIds, *g.GroupId) {
				groups = append(groups, *g.GroupId)
			}
		}
		return errors.Join(unrouteEndpoint(ctx, tx, &v, in.RemoveRouteTableIds), s.routeEndpoint(ctx, tx, &v, in.AddRouteTableIds),
			unplugEndpoint(ctx, tx, &v, in.RemoveSubnetIds), s.plugEndpoint(ctx, tx, &v, in.AddSubnetIds, groups), s.regroup(ctx, tx, &v, groups), endpoints.put(ctx, tx, &v))
	})
}

// regroup gives the interfaces of an endpoint their groups.
func (s *Service) regroup(ctx context.Context, tx *store.Tx, v *endpoint, groups []string) error {
	for _, id := range v.NetworkInterfaceIds {
		port, err := interfaces.get(ctx, tx, id)
		if err != nil {
			return err
		}
		home := subnet{SubnetId: port.SubnetId, VpcId: port.VpcId}
		if port.Groups, err = groupIdentifiers(ctx, tx, home, groups, "vpc_endpoint"); err != nil {
			return err
		}
		v.Groups = nil
		for _, g := range port.Groups {
			v.Groups = append(v.Groups, api.SecurityGroupIdentifier(g))
		}
		if err := interfaces.put(ctx, tx, &port); err != nil {
			return err
		}
	}
	return nil
}

// DescribeVpcEndpoints lists endpoints.
func (s *Service) DescribeVpcEndpoints(ctx context.Context, in *api.DescribeVpcEndpointsInput) (*api.DescribeVpcEndpointsOutput, error) {
	all, err := endpoints.find(ctx, s, in.VpcEndpointIds, in.Filters)
	if err != nil {
		return nil, err
	}
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 1000, "InvalidNextToken")
	return &api.DescribeVpcEndpointsOutput{VpcEndpoints: all, NextToken: next}, err
}

// DeleteVpcEndpoints removes endpoints and names those it did not find.
func (s *Service) DeleteVpcEndpoints(ctx context.Context, in *api.DeleteVpcEndpointsInput) (*api.DeleteVpcEndpointsOutput, error) {
	out := &api.DeleteVpcEndpointsOutput{Unsuccessful: []api.UnsuccessfulItem{}}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, id := range in.VpcEndpointIds {
			v, err := endpoints.get(ctx, tx, id)
			if wire.HasCode(err, endpoints.code) {
				out.Unsuccessful = append(out.Unsuccessful, unsuccessful(id, err))
				continue
			}
			if err != nil {
				return err
			}
			if err := errors.Join(unrouteEndpoint(ctx, tx, &v, slices.Clone(v.RouteTableIds)), unplugEndpoint(ctx, tx, &v, slices.Clone(v.SubnetIds)), endpoints.erase(ctx, tx, id)); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

func unsuccessful(id string, err error) api.UnsuccessfulItem {
	e, _ := wire.AsError(err)
	return api.UnsuccessfulItem{ResourceId: &id, Error: &api.UnsuccessfulItemError{Code: &e.Code, Message: &e.Message}}
}

// endpointServices are the services that the twin's own have endpoints for; those with a gateway have a prefix list.
var endpointServices = []struct {
	name    string
	gateway bool
}{{"s3", true}, {"dynamodb", true}, {"ecr.api", false}, {"ecr.dkr", false}, {"ecs", false}, {"ecs-agent", false}, {"ecs-telemetry", false}, {"logs", false},
	{"ssm", false}, {"ssmmessages", false}, {"kms", false}, {"secretsmanager", false}, {"sts", false}, {"elasticloadbalancing", false}, {"ec2", false}, {"cloudformation", false}, {"monitoring", false}}

// DescribeVpcEndpointServices lists the services that endpoints are offered for.
func (s *Service) DescribeVpcEndpointServices(ctx context.Context, in *api.DescribeVpcEndpointServicesInput) (*api.DescribeVpcEndpointServicesOutput, error) {
	region := operation.CallerOf(ctx).Region
	out := &api.DescribeVpcEndpointServicesOutput{ServiceNames: []string{}, ServiceDetails: []api.ServiceDetail{}}
	for _, e := range endpointServices {
		name := "com.amazonaws." + region + "." + e.name
		if len(in.ServiceNames) > 0 && !slices.Contains(in.ServiceNames, name) {
			continue
		}
		types := []api.ServiceTypeDetail{{ServiceType: new("Interface")}}
		if e.gateway {
			types = append(types, api.ServiceTypeDetail{ServiceType: new("Gateway")})
		}
		zoneNames := []string{}
		for _, z := range zones(region) {
			zoneNames = append(zoneNames, z.Name)
		}
		out.ServiceNames = append(out.ServiceNames, name)
		out.ServiceDetails = append(out.ServiceDetails, api.ServiceDetail{ServiceName: &name, ServiceId: new("vpce-svc-" + resourceHash(name)), ServiceType: types, ServiceRegion: &region,
			AvailabilityZones: zoneNames, Owner: new("amazon"), AcceptanceRequired: new(false), ManagesVpcEndpoints: new(false), VpcEndpointPolicySupported: new(true)})
	}
	return out, nil
}

// prefixListID is the id of the prefix list of a service with gateway endpoints.
func prefixListID(service string) string { return "pl-" + resourceHash(service)[1:9] }

var listFields = &kind[api.PrefixList]{
	tags: func(*api.PrefixList) *[]api.Tag { return &[]api.Tag{} },
	fields: map[string]func(*api.PrefixList) []string{
		"prefix-list-id": text(func(v *api.PrefixList) *string { return v.PrefixListId }), "prefix-list-name": text(func(v *api.PrefixList) *string { return v.PrefixListName }),
	},
}

// DescribePrefixLists lists the prefix lists of the services with gateway endpoints.
func (s *Service) DescribePrefixLists(ctx context.Context, in *api.DescribePrefixListsInput) (*api.DescribePrefixListsOutput, error) {
	if err := listFields.check(in.Filters); err != nil {
		return nil, err
	}
	out := &api.DescribePrefixListsOutput{PrefixLists: []api.PrefixList{}}
	for _, e := range endpointServices {
		name := "com.amazonaws." + operation.CallerOf(ctx).Region + "." + e.name
		l := api.PrefixList{PrefixListId: new(prefixListID(name)), PrefixListName: &name, Cidrs: []string{public.String()}}
		if e.gateway && (len(in.PrefixListIds) == 0 || slices.Contains(in.PrefixListIds, *l.PrefixListId)) && listFields.matches(&l, in.Filters) {
			out.PrefixLists = append(out.PrefixLists, l)
		}
	}
	return out, nil
}
