package ecs

import (
	"context"
	"strings"

	"slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/wire"
)

// newInterface makes the network interface of an awsvpc task, in its subnet.
func (s *Service) newInterface(ctx context.Context, t task) (nic, error) {
	in := &ec2.CreateNetworkInterfaceInput{SubnetId: t.Subnet, Description: new("arn:aws:ecs:attachment for " + t.ARN)}
	if t.Network != nil && t.Network.AwsvpcConfiguration != nil {
		in.Groups = t.Network.AwsvpcConfiguration.SecurityGroups
	}
	out, err := s.ec2.CreateNetworkInterface(ctx, in)
	if err != nil {
		return nic{}, err
	}
	i := out.NetworkInterface
	return nic{ID: wire.Value(i.NetworkInterfaceId), Subnet: t.Subnet, VPC: wire.Value(i.VpcId), Address: wire.Value(i.PrivateIpAddress), MAC: wire.Value(i.MacAddress), Attachment: newUUID()}, nil
}

// deleteInterface removes it; one that is gone is no error.
func (s *Service) deleteInterface(ctx context.Context, i nic) error {
	if i.ID == "" {
		return nil
	}
	_, err := s.ec2.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: i.ID})
	if e, internal := wire.AsError(err); err != nil && !internal && strings.HasSuffix(e.Code, ".NotFound") {
		return nil
	}
	return err
}
