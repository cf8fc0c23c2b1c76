package elbv2

import (
	"context"
	"slices"
	"strings"

	"slipway.dev/internal/twin/api/ec2"
	api "slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/wire"
)

// subnets finds the VPC and the zones of a load balancer's subnets. An Application Load Balancer needs two zones or more.
func (s *Service) subnets(ctx context.Context, ids []string, mappings []api.SubnetMapping) (vpc string, zones []zone, err error) {
	if ids, err = subnetIDs(ids, mappings); err != nil {
		return "", nil, err
	}
	out, err := s.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: ids})
	if wire.HasCode(err, "InvalidSubnetID.NotFound") || wire.HasCode(err, "InvalidSubnetId.NotFound") || wire.HasCode(err, "InvalidSubnetID.Malformed") {
		return "", nil, wire.Errorf("SubnetNotFound", "One or more subnets do not exist: '[%s]'", strings.Join(ids, ", "))
	}
	if err != nil {
		return "", nil, err
	}
	return zonesOf(ids, out.Subnets)
}

func subnetIDs(ids []string, mappings []api.SubnetMapping) ([]string, error) {
	if len(ids) > 0 && len(mappings) > 0 {
		return nil, invalid("Subnets and subnet mappings cannot be specified at the same time")
	}
	for _, m := range mappings {
		if m.AllocationId != nil || m.PrivateIPv4Address != nil || m.IPv6Address != nil || m.SourceNatIpv6Prefix != nil {
			return nil, invalid("Addresses of subnet mappings can only be specified for Network Load Balancers")
		}
		ids = append(ids, wire.Value(m.SubnetId))
	}
	if len(ids) == 0 {
		return nil, invalid("At least two subnets in two different Availability Zones must be specified")
	}
	return ids, nil
}

// zonesOf holds what AWS asks of subnets: all exist, in one VPC, each in a zone of its own, two or more.
func zonesOf(ids []string, found []ec2.Subnet) (vpc string, zones []zone, err error) {
	for _, id := range ids {
		i := slices.IndexFunc(found, func(subnet ec2.Subnet) bool { return wire.Value(subnet.SubnetId) == id })
		if i < 0 {
			return "", nil, wire.Errorf("SubnetNotFound", "The subnet ID '%s' does not exist", id)
		}
		subnet := found[i]
		if vpc == "" {
			vpc = wire.Value(subnet.VpcId)
		}
		if vpc != wire.Value(subnet.VpcId) {
			return "", nil, wire.Errorf("InvalidConfigurationRequest", "All subnets must belong to the same VPC: '%s' is in '%s', not in '%s'", id, wire.Value(subnet.VpcId), vpc)
		}
		name := wire.Value(subnet.AvailabilityZone)
		if slices.ContainsFunc(zones, func(z zone) bool { return z.Name == name }) {
			return "", nil, wire.Errorf("InvalidConfigurationRequest", "A load balancer cannot be attached to multiple subnets in the same Availability Zone")
		}
		zones = append(zones, zone{Name: name, Subnet: id})
	}
	if len(zones) < 2 {
		return "", nil, invalid("At least two subnets in two different Availability Zones must be specified")
	}
	return vpc, zones, nil
}

// securityGroups checks that the groups exist in the VPC; without any it is the VPC's default one.
func (s *Service) securityGroups(ctx context.Context, vpc string, ids []string) ([]string, error) {
	in := &ec2.DescribeSecurityGroupsInput{GroupIds: ids}
	if len(ids) == 0 {
		in.Filters = []ec2.Filter{{Name: new("vpc-id"), Values: []string{vpc}}, {Name: new("group-name"), Values: []string{"default"}}}
	}
	out, err := s.ec2.DescribeSecurityGroups(ctx, in)
	if wire.HasCode(err, "InvalidGroup.NotFound") || wire.HasCode(err, "InvalidGroupId.Malformed") {
		return nil, wire.Errorf("InvalidSecurityGroup", "One or more security groups are invalid: '[%s]'", strings.Join(ids, ", "))
	}
	if err != nil {
		return nil, err
	}
	var found []string
	for _, group := range out.SecurityGroups {
		if wire.Value(group.VpcId) != vpc {
			return nil, wire.Errorf("InvalidConfigurationRequest", "One or more security groups are invalid: '%s' belongs to '%s', not to '%s'", wire.Value(group.GroupId), wire.Value(group.VpcId), vpc)
		}
		found = append(found, wire.Value(group.GroupId))
	}
	if len(ids) > 0 {
		return ids, nil
	}
	return found, nil
}

// checkVPC refuses a VPC that does not exist.
func (s *Service) checkVPC(ctx context.Context, id string) error {
	_, err := s.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{id}})
	if wire.HasCode(err, "InvalidVpcID.NotFound") || wire.HasCode(err, "InvalidVpcID.Malformed") {
		return invalid("The VPC ID '%s' is not found", id)
	}
	return err
}

// hostedZones are the Route 53 hosted zones of Application Load Balancers by region.
// https://docs.aws.amazon.com/general/latest/gr/elb.html
var hostedZones = map[string]string{
	"us-east-1": "Z35SXDOTRQ7X7K", "us-east-2": "Z3AADJGX6KTTL2", "us-west-1": "Z368ELLRRE2KJ0", "us-west-2": "Z1H1FL5HABSF5",
	"af-south-1": "Z268VQBMOI5EKX", "ap-east-1": "Z3DQVH9N71FHZ0", "ap-south-1": "ZP97RAFLXTNZK", "ap-south-2": "Z0173938T07WNTVAEPZN",
	"ap-southeast-1": "Z1LMS91P8CMLE5", "ap-southeast-2": "Z1GM3OXH4ZPM65", "ap-southeast-3": "Z08888821HLRG5A9ZRTER",
	"ap-southeast-4": "Z09517862IB2WZLPXG76F", "ap-northeast-1": "Z14GRHDCWA56QT", "ap-northeast-2": "ZWKZPGTI48KDX",
	"ap-northeast-3": "Z5LXEXXYW11ES", "ca-central-1": "ZQSVJUPU6J1EY", "ca-west-1": "Z06473681N0SF6OS049SD",
	"eu-central-1": "Z215JYRZR1TBD5", "eu-central-2": "Z06391101F2ZOEP8P5EB3", "eu-west-1": "Z32O12XQLNTSW2", "eu-west-2": "ZHURV8PSTC4K8",
	"eu-west-3": "Z3Q77PNBQS71R4", "eu-north-1": "Z23TAZ6LKFMNIO", "eu-south-1": "Z3ULH7SSC9OV64", "eu-south-2": "Z0956581394HF5D5LXGAP",
	"il-central-1": "Z09170902867EHPV2DABU", "me-central-1": "Z08230872XQRWHG2XF6I", "me-south-1": "ZS929ML54UICD", "sa-east-1": "Z2P70J7HTTTPLU",
}
