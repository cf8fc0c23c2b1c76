// Package ec2 is Amazon EC2 as far as a stack of containers needs it: networks with real address arithmetic, security groups,
// launch templates, and instances that are recorded but never boot. Nothing here filters or routes traffic.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Welcome.html
package ec2

import (
	"context"
	"net/http"
	"reflect"
	"sync"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// Service serves EC2.
type Service struct {
	room.House
	furnished sync.Map // store.Key of accounts and regions that are known to have had their default VPC
}

// Tables are the service's tables.
var Tables = []store.Schema{references, addresses, furnished, vpcs, subnets, gateways, elastics, nats, routeTables, associations, securityGroups, rules, acls,
	aclAssociations, interfaces, endpoints, flowLogs, templates, instances}

// kinds are what can be tagged.
var kinds = []taggable{vpcs, subnets, gateways, elastics, nats, routeTables, securityGroups, rules, acls, interfaces, endpoints, flowLogs, templates, instances}

// New makes the service.
func New(h room.House) *Service { return &Service{House: h} }

// recorded is an operation that is recorded, with EC2's DryRun: what would have succeeded says so and does nothing.
func recorded[I, O any](name string, handle func(context.Context, *I) (*O, error)) operation.Operation {
	return operation.RecordedOf(name, func(ctx context.Context, in *I) (*O, error) {
		dry, _ := reflect.Indirect(reflect.ValueOf(in)).FieldByName("DryRun").Interface().(*bool)
		if wire.Value(dry) {
			return nil, &wire.Error{Code: "DryRunOperation", Message: "Request would have succeeded, but DryRun flag is set.", Status: http.StatusPreconditionFailed}
		}
		return handle(ctx, in)
	})
}

// Room lists what the service serves.
func (s *Service) Room() room.Room {
	operations := s.networkOperations()
	operations = append(operations, s.securityOperations()...)
	operations = append(operations, s.computeOperations()...)
	return room.Room{Service: &operation.Service{API: api.API, Operations: operations}, Resources: s.resources()}
}

func (s *Service) networkOperations() []operation.Operation {
	return []operation.Operation{
		recorded("CreateVpc", s.CreateVpc), recorded("DescribeVpcs", s.DescribeVpcs), recorded("DeleteVpc", s.DeleteVpc),
		recorded("ModifyVpcAttribute", s.ModifyVpcAttribute), recorded("DescribeVpcAttribute", s.DescribeVpcAttribute),
		recorded("CreateSubnet", s.CreateSubnet), recorded("DescribeSubnets", s.DescribeSubnets), recorded("DeleteSubnet", s.DeleteSubnet),
		recorded("ModifySubnetAttribute", s.ModifySubnetAttribute),
		recorded("CreateInternetGateway", s.CreateInternetGateway), recorded("DescribeInternetGateways", s.DescribeInternetGateways),
		recorded("DeleteInternetGateway", s.DeleteInternetGateway), recorded("AttachInternetGateway", s.AttachInternetGateway),
		recorded("DetachInternetGateway", s.DetachInternetGateway),
		recorded("AllocateAddress", s.AllocateAddress), recorded("DescribeAddresses", s.DescribeAddresses), recorded("ReleaseAddress", s.ReleaseAddress),
		recorded("AssociateAddress", s.AssociateAddress), recorded("DisassociateAddress", s.DisassociateAddress),
		recorded("CreateNatGateway", s.CreateNatGateway), recorded("DescribeNatGateways", s.DescribeNatGateways), recorded("DeleteNatGateway", s.DeleteNatGateway),
		recorded("CreateRouteTable", s.CreateRouteTable), recorded("DescribeRouteTables", s.DescribeRouteTables), recorded("DeleteRouteTable", s.DeleteRouteTable),
		recorded("AssociateRouteTable", s.AssociateRouteTable), recorded("DisassociateRouteTable", s.DisassociateRouteTable),
		recorded("ReplaceRouteTableAssociation", s.ReplaceRouteTableAssociation),
		recorded("CreateRoute", s.CreateRoute), recorded("DeleteRoute", s.DeleteRoute), recorded("ReplaceRoute", s.ReplaceRoute),
		recorded("CreateVpcEndpoint", s.CreateVpcEndpoint), recorded("DescribeVpcEndpoints", s.DescribeVpcEndpoints),
		recorded("DeleteVpcEndpoints", s.DeleteVpcEndpoints), recorded("ModifyVpcEndpoint", s.ModifyVpcEndpoint),
		recorded("DescribeVpcEndpointServices", s.DescribeVpcEndpointServices), recorded("DescribePrefixLists", s.DescribePrefixLists),
		recorded("CreateFlowLogs", s.CreateFlowLogs), recorded("DescribeFlowLogs", s.DescribeFlowLogs), recorded("DeleteFlowLogs", s.DeleteFlowLogs),
		recorded("CreateNetworkInterface", s.CreateNetworkInterface), recorded("DescribeNetworkInterfaces", s.DescribeNetworkInterfaces),
		recorded("DeleteNetworkInterface", s.DeleteNetworkInterface), recorded("ModifyNetworkInterfaceAttribute", s.ModifyNetworkInterfaceAttribute),
	}
}

func (s *Service) securityOperations() []operation.Operation {
	return []operation.Operation{
		recorded("CreateSecurityGroup", s.CreateSecurityGroup), recorded("DescribeSecurityGroups", s.DescribeSecurityGroups),
		recorded("DeleteSecurityGroup", s.DeleteSecurityGroup),
		recorded("AuthorizeSecurityGroupIngress", s.AuthorizeSecurityGroupIngress), recorded("AuthorizeSecurityGroupEgress", s.AuthorizeSecurityGroupEgress),
		recorded("RevokeSecurityGroupIngress", s.RevokeSecurityGroupIngress), recorded("RevokeSecurityGroupEgress", s.RevokeSecurityGroupEgress),
		recorded("DescribeSecurityGroupRules", s.DescribeSecurityGroupRules),
		recorded("CreateNetworkAcl", s.CreateNetworkAcl), recorded("DescribeNetworkAcls", s.DescribeNetworkAcls), recorded("DeleteNetworkAcl", s.DeleteNetworkAcl),
		recorded("CreateNetworkAclEntry", s.CreateNetworkAclEntry), recorded("ReplaceNetworkAclEntry", s.ReplaceNetworkAclEntry),
		recorded("DeleteNetworkAclEntry", s.DeleteNetworkAclEntry), recorded("ReplaceNetworkAclAssociation", s.ReplaceNetworkAclAssociation),
	}
}

func (s *Service) computeOperations() []operation.Operation {
	return []operation.Operation{
		recorded("DescribeAvailabilityZones", s.DescribeAvailabilityZones), recorded("DescribeRegions", s.DescribeRegions),
		recorded("DescribeAccountAttributes", s.DescribeAccountAttributes),
		recorded("CreateTags", s.CreateTags), recorded("DeleteTags", s.DeleteTags), recorded("DescribeTags", s.DescribeTags),
		recorded("CreateLaunchTemplate", s.CreateLaunchTemplate), recorded("CreateLaunchTemplateVersion", s.CreateLaunchTemplateVersion),
		recorded("DescribeLaunchTemplates", s.DescribeLaunchTemplates), recorded("DescribeLaunchTemplateVersions", s.DescribeLaunchTemplateVersions),
		recorded("DeleteLaunchTemplate", s.DeleteLaunchTemplate), recorded("ModifyLaunchTemplate", s.ModifyLaunchTemplate),
		recorded("RunInstances", s.RunInstances), recorded("TerminateInstances", s.TerminateInstances), recorded("DescribeInstances", s.DescribeInstances),
		recorded("DescribeInstanceTypes", s.DescribeInstanceTypes), recorded("DescribeImages", s.DescribeImages),
	}
}
