package ec2

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

func (s *Service) templateType() resource.Type {
	return resource.Type{
		Name: "AWS::EC2::LaunchTemplate",
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			in := &api.CreateLaunchTemplateInput{}
			if err := r.Into(in); err != nil {
				return "", err
			}
			in.LaunchTemplateName = r.Name("LaunchTemplateName", 128)
			given := in.TagSpecifications
			in.TagSpecifications = specification("launch-template", resource.Request{Tags: r.Tags})
			for _, t := range given {
				in.TagSpecifications[0].Tags = withTags(in.TagSpecifications[0].Tags, t.Tags)
			}
			out, err := s.CreateLaunchTemplate(ctx, in)
			if err != nil {
				return "", err
			}
			return *out.LaunchTemplate.LaunchTemplateId, nil
		},
		Update: func(ctx context.Context, r resource.Request) error {
			in := &api.CreateLaunchTemplateVersionInput{}
			if err := r.Into(in, "LaunchTemplateName", "TagSpecifications"); err != nil {
				return err
			}
			in.LaunchTemplateId = &r.PhysicalID
			out, err := s.CreateLaunchTemplateVersion(ctx, in)
			if err != nil {
				return err
			}
			_, err = s.ModifyLaunchTemplate(ctx, &api.ModifyLaunchTemplateInput{LaunchTemplateId: &r.PhysicalID, DefaultVersion: new(strconv.Itoa(*out.LaunchTemplateVersion.VersionNumber))})
			return err
		},
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteLaunchTemplate(ctx, &api.DeleteLaunchTemplateInput{LaunchTemplateId: &r.PhysicalID})
			return resource.Absent(err, templates.code)
		},
		Attributes: func(ctx context.Context, r resource.Request) (map[string]any, error) {
			out := map[string]any{"LaunchTemplateId": r.PhysicalID}
			return out, s.view(ctx, func(tx *store.Tx) error {
				t, err := templates.get(ctx, tx, r.PhysicalID)
				if err == nil {
					out["LatestVersionNumber"], out["DefaultVersionNumber"] = strconv.Itoa(*t.LatestVersionNumber), strconv.Itoa(*t.DefaultVersionNumber)
				}
				return err
			})
		},
	}
}

// policyText writes a policy document, which a template may hold as an object, as the text that the API takes.
func policyText(properties map[string]any) (map[string]any, error) {
	document, ok := properties["PolicyDocument"].(map[string]any)
	if !ok {
		return properties, nil
	}
	doc, err := json.Marshal(document)
	out := map[string]any{}
	for k, v := range properties {
		out[k] = v
	}
	out["PolicyDocument"] = string(doc)
	return out, err
}

func (s *Service) endpointType() resource.Type {
	return resource.Type{
		Name: "AWS::EC2::VPCEndpoint", Inert: []string{"DnsOptions", "ResourceConfigurationArn", "ServiceNetworkArn"},
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			properties, err := policyText(r.Properties)
			if err != nil {
				return "", err
			}
			in := &api.CreateVpcEndpointInput{}
			if err := resource.Into(properties, in, "Tags"); err != nil {
				return "", err
			}
			in.TagSpecifications = specification("vpc-endpoint", r)
			out, err := s.CreateVpcEndpoint(ctx, in)
			if err != nil {
				return "", err
			}
			return *out.VpcEndpoint.VpcEndpointId, nil
		},
		Update: s.updateEndpoint,
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteVpcEndpoints(ctx, &api.DeleteVpcEndpointsInput{VpcEndpointIds: []string{r.PhysicalID}})
			return err
		},
		Attributes: func(ctx context.Context, r resource.Request) (map[string]any, error) {
			out := map[string]any{"Id": r.PhysicalID}
			return out, s.view(ctx, func(tx *store.Tx) error {
				v, err := endpoints.get(ctx, tx, r.PhysicalID)
				if err != nil {
					return err
				}
				names, ports := []any{}, []any{}
				for _, e := range v.DnsEntries {
					names = append(names, *e.HostedZoneId+":"+*e.DnsName)
				}
				for _, id := range v.NetworkInterfaceIds {
					ports = append(ports, id)
				}
				out["CreationTimestamp"], out["DnsEntries"], out["NetworkInterfaceIds"] = v.CreationTimestamp.Format("2006-01-02T15:04:05.000Z"), names, ports
				return nil
			})
		},
	}
}

func (s *Service) updateEndpoint(ctx context.Context, r resource.Request) error {
	var now, then api.CreateVpcEndpointInput
	for properties, into := range map[*map[string]any]*api.CreateVpcEndpointInput{&r.Properties: &now, &r.Previous: &then} {
		text, err := policyText(*properties)
		if err != nil {
			return err
		}
		if err := resource.Into(text, into, "Tags"); err != nil {
			return err
		}
	}
	without := func(list, gone []string) (rest []string) {
		for _, v := range list {
			if !slices.Contains(gone, v) {
				rest = append(rest, v)
			}
		}
		return rest
	}
	_, err := s.ModifyVpcEndpoint(ctx, &api.ModifyVpcEndpointInput{VpcEndpointId: r.PhysicalID, PolicyDocument: now.PolicyDocument, PrivateDnsEnabled: now.PrivateDnsEnabled, IpAddressType: now.IpAddressType,
		ResetPolicy: new(now.PolicyDocument == nil), AddRouteTableIds: without(now.RouteTableIds, then.RouteTableIds), RemoveRouteTableIds: without(then.RouteTableIds, now.RouteTableIds),
		AddSubnetIds: without(now.SubnetIds, then.SubnetIds), RemoveSubnetIds: without(then.SubnetIds, now.SubnetIds),
		AddSecurityGroupIds: without(now.SecurityGroupIds, then.SecurityGroupIds), RemoveSecurityGroupIds: without(then.SecurityGroupIds, now.SecurityGroupIds)})
	return errors.Join(err, s.retagged(ctx, r))
}

func (s *Service) flowLogType() resource.Type {
	return resource.Type{
		Name: "AWS::EC2::FlowLog",
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			in := &api.CreateFlowLogsInput{}
			if err := r.Into(in, "Tags", "ResourceId"); err != nil {
				return "", err
			}
			in.ResourceIds, in.TagSpecifications = []string{r.Text("ResourceId")}, specification("vpc-flow-log", r)
			out, err := s.CreateFlowLogs(ctx, in)
			if err != nil {
				return "", err
			}
			if len(out.Unsuccessful) > 0 {
				e := out.Unsuccessful[0].Error
				return "", wire.Errorf(*e.Code, "%s", *e.Message)
			}
			return out.FlowLogIds[0], nil
		},
		Update: s.retagged,
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteFlowLogs(ctx, &api.DeleteFlowLogsInput{FlowLogIds: []string{r.PhysicalID}})
			return err
		},
		Attributes: func(_ context.Context, r resource.Request) (map[string]any, error) {
			return map[string]any{"Id": r.PhysicalID}, nil
		},
	}
}

func (s *Service) interfaceType() resource.Type {
	modify := func(ctx context.Context, r resource.Request, groups []string) error {
		_, err := s.ModifyNetworkInterfaceAttribute(ctx, &api.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: r.PhysicalID, Groups: groups,
			SourceDestCheck: flag(r, "SourceDestCheck"), Description: &api.AttributeValue{Value: new(r.Text("Description"))}})
		return err
	}
	groups := func(r resource.Request) (ids []string) {
		list, _ := r.Properties["GroupSet"].([]any)
		for _, id := range list {
			ids = append(ids, number64(id))
		}
		return ids
	}
	return resource.Type{
		Name: "AWS::EC2::NetworkInterface", Inert: []string{"ConnectionTrackingSpecification", "EnablePrimaryIpv6", "Ipv4PrefixCount", "Ipv4Prefixes", "Ipv6AddressCount", "Ipv6Addresses", "Ipv6PrefixCount", "Ipv6Prefixes", "PublicIpDnsHostnameTypeSpecification"},
		Create: func(ctx context.Context, r resource.Request) (string, error) {
			in := &api.CreateNetworkInterfaceInput{}
			if err := r.Into(in, "Tags", "GroupSet", "SourceDestCheck", "PublicIpDnsHostnameTypeSpecification"); err != nil {
				return "", err
			}
			in.Groups, in.TagSpecifications = groups(r), specification("network-interface", r)
			out, err := s.CreateNetworkInterface(ctx, in)
			if err != nil {
				return "", err
			}
			r.PhysicalID = *out.NetworkInterface.NetworkInterfaceId
			return r.PhysicalID, modify(ctx, r, nil)
		},
		Update: func(ctx context.Context, r resource.Request) error {
			return errors.Join(s.retagged(ctx, r), modify(ctx, r, groups(r)))
		},
		Delete: func(ctx context.Context, r resource.Request) error {
			_, err := s.DeleteNetworkInterface(ctx, &api.DeleteNetworkInterfaceInput{NetworkInterfaceId: r.PhysicalID})
			return resource.Absent(err, interfaces.code)
		},
		Attributes: func(ctx context.Context, r resource.Request) (map[string]any, error) {
			out := map[string]any{"Id": r.PhysicalID}
			return out, s.view(ctx, func(tx *store.Tx) error {
				v, err := interfaces.get(ctx, tx, r.PhysicalID)
				if err != nil {
					return err
				}
				others := []any{}
				for _, a := range v.PrivateIpAddresses[1:] {
					others = append(others, *a.PrivateIpAddress)
				}
				out["PrimaryPrivateIpAddress"], out["SecondaryPrivateIpAddresses"], out["VpcId"] = *v.PrivateIpAddress, others, *v.VpcId
				return nil
			})
		},
	}
}
