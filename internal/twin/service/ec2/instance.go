package ec2

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// instance is a recorded instance: it has an address and tags, and nothing runs in it.
type instance struct {
	api.Instance
	Reservation string
	Ended       time.Time // when it was terminated; it is forgotten an hour later, as AWS does
}

var instances = define(&kind[instance]{
	prefix: "i", typ: "instance", noun: "instance", code: "InvalidInstanceID.NotFound",
	id: func(v *instance) **string { return &v.InstanceId }, tags: func(v *instance) *[]api.Tag { return &v.Tags },
	fields: map[string]func(*instance) []string{
		"instance-id": text(func(v *instance) *string { return v.InstanceId }), "vpc-id": text(func(v *instance) *string { return v.VpcId }),
		"subnet-id": text(func(v *instance) *string { return v.SubnetId }), "instance-type": text(func(v *instance) *string { return v.InstanceType }),
		"image-id": text(func(v *instance) *string { return v.ImageId }), "private-ip-address": text(func(v *instance) *string { return v.PrivateIpAddress }),
		"instance-state-name": text(func(v *instance) *string { return v.State.Name }), "availability-zone": text(func(v *instance) *string { return v.Placement.AvailabilityZone }),
		"reservation-id":    text(func(v *instance) *string { return &v.Reservation }),
		"instance-group-id": groupsOfInstance, "instance.group-id": groupsOfInstance,
	},
})

func groupsOfInstance(v *instance) (ids []string) {
	for _, g := range v.SecurityGroups {
		ids = append(ids, *g.GroupId)
	}
	return ids
}

const remembered = time.Hour

// RunInstances records instances, with addresses of their subnet. They never boot.
func (s *Service) RunInstances(ctx context.Context, in *api.RunInstancesInput) (*api.RunInstancesOutput, error) {
	out := &api.RunInstancesOutput{ReservationId: new(newID("r")), OwnerId: new(operation.CallerOf(ctx).Account), Instances: []api.Instance{}, Groups: []api.GroupIdentifier{}}
	home, err := s.homeOf(ctx, in)
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := s.forget(ctx, tx); err != nil {
			return err
		}
		if err := s.fromTemplate(ctx, tx, in); err != nil {
			return err
		}
		if in.ImageId == nil {
			return wire.Errorf("MissingParameter", "The request must contain the parameter ImageId")
		}
		for i := range in.MaxCount {
			v, err := s.launch(ctx, tx, in, home, i)
			if err != nil {
				return err
			}
			v.Reservation = *out.ReservationId
			if err := instances.put(ctx, tx, &v); err != nil {
				return err
			}
			out.Instances = append(out.Instances, v.Instance)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// homeOf is the subnet of new instances: the one named, or the first of the default VPC.
func (s *Service) homeOf(ctx context.Context, in *api.RunInstancesInput) (string, error) {
	if in.SubnetId != nil {
		return *in.SubnetId, nil
	}
	if len(in.NetworkInterfaces) > 0 && in.NetworkInterfaces[0].SubnetId != nil {
		return *in.NetworkInterfaces[0].SubnetId, nil
	}
	home, err := s.defaultVPC(ctx)
	if err != nil {
		return "", err
	}
	found, err := subnets.find(ctx, s, nil, []api.Filter{{Name: new("vpc-id"), Values: []string{home}}})
	if err != nil {
		return "", err
	}
	for _, v := range found {
		if in.Placement == nil || in.Placement.AvailabilityZone == nil || *in.Placement.AvailabilityZone == *v.AvailabilityZone {
			return *v.SubnetId, nil
		}
	}
	return "", wire.Errorf("MissingInput", "No subnets found for the default VPC '%s'. Please specify a subnet.", home)
}

// fromTemplate fills in what the request leaves to its launch template.
func (s *Service) fromTemplate(ctx context.Context, tx *store.Tx, in *api.RunInstancesInput) error {
	if in.LaunchTemplate == nil {
		return nil
	}
	t, err := templateOf(ctx, tx, in.LaunchTemplate.LaunchTemplateId, in.LaunchTemplate.LaunchTemplateName)
	if err != nil {
		return err
	}
	v, err := t.version(wire.Value(in.LaunchTemplate.Version))
	if err != nil {
		return err
	}
	d := v.LaunchTemplateData
	in.ImageId, in.InstanceType, in.KeyName = cmp.Or(in.ImageId, d.ImageId), cmp.Or(in.InstanceType, d.InstanceType), cmp.Or(in.KeyName, d.KeyName)
	if len(in.SecurityGroupIds) == 0 {
		in.SecurityGroupIds = d.SecurityGroupIds
		if len(d.NetworkInterfaces) > 0 && len(d.SecurityGroupIds) == 0 {
			in.SecurityGroupIds = d.NetworkInterfaces[0].Groups
		}
	}
	if p := d.IamInstanceProfile; p != nil && in.IamInstanceProfile == nil {
		in.IamInstanceProfile = &api.IamInstanceProfileSpecification{Arn: p.Arn, Name: p.Name}
	}
	for _, tags := range d.TagSpecifications {
		in.TagSpecifications = append([]api.TagSpecification{{ResourceType: tags.ResourceType, Tags: tags.Tags}}, in.TagSpecifications...)
	}
	return nil
}

// launch records one instance and its interface.
func (s *Service) launch(ctx context.Context, tx *store.Tx, in *api.RunInstancesInput, home string, index int) (instance, error) {
	port, err := s.makeInterface(ctx, tx, &api.CreateNetworkInterfaceInput{SubnetId: home, Groups: in.SecurityGroupIds, PrivateIpAddress: in.PrivateIpAddress}, "interface")
	if err != nil {
		return instance{}, err
	}
	now := s.Clock.Now()
	kind := cmp.Or(wire.Value(in.InstanceType), "m1.small")
	v := instance{Instance: api.Instance{AmiLaunchIndex: &index, ImageId: in.ImageId, InstanceType: &kind, KeyName: in.KeyName, LaunchTime: &now, State: &api.InstanceState{Code: new(16), Name: new("running")},
		PrivateIpAddress: port.PrivateIpAddress, PrivateDnsName: port.PrivateDnsName, SubnetId: port.SubnetId, VpcId: port.VpcId, SecurityGroups: port.Groups, ClientToken: in.ClientToken,
		Placement: &api.Placement{AvailabilityZone: port.AvailabilityZone, AvailabilityZoneId: port.AvailabilityZoneId, Tenancy: new("default")}, Monitoring: &api.Monitoring{State: new("disabled")},
		Architecture: new(architectureOf(kind)), RootDeviceType: new("ebs"), VirtualizationType: new("hvm"), Hypervisor: new("xen"), EnaSupport: new(true), SourceDestCheck: new(true)}}
	if p := in.IamInstanceProfile; p != nil {
		v.IamInstanceProfile = &api.IamInstanceProfile{Arn: cmp.Or(p.Arn, new(fmt.Sprintf("arn:aws:iam::%s:instance-profile/%s", operation.CallerOf(ctx).Account, wire.Value(p.Name))))}
	}
	own := slices.DeleteFunc(slices.Clone(in.TagSpecifications), func(t api.TagSpecification) bool { return wire.Value(t.ResourceType) != "instance" })
	if err := instances.make(ctx, tx, &v, own); err != nil {
		return v, err
	}
	port.Status = new("in-use")
	port.Attachment = &api.NetworkInterfaceAttachment{AttachmentId: new(newID("eni-attach")), InstanceId: v.InstanceId, InstanceOwnerId: port.OwnerId, DeviceIndex: new(0), Status: new("attached"),
		AttachTime: &now, DeleteOnTermination: new(true)}
	v.NetworkInterfaces = []api.InstanceNetworkInterface{{NetworkInterfaceId: port.NetworkInterfaceId, SubnetId: port.SubnetId, VpcId: port.VpcId, PrivateIpAddress: port.PrivateIpAddress,
		PrivateDnsName: port.PrivateDnsName, MacAddress: port.MacAddress, OwnerId: port.OwnerId, Groups: port.Groups, Status: new("in-use"), InterfaceType: new("interface")}}
	return v, interfaces.put(ctx, tx, &port)
}

// forget removes instances that were terminated an hour ago.
func (s *Service) forget(ctx context.Context, tx *store.Tx) error {
	c := operation.CallerOf(ctx)
	all, err := instances.List(tx, c.Account, c.Region)
	if err != nil {
		return err
	}
	for _, v := range all {
		if !v.Ended.IsZero() && s.Clock.Now().Sub(v.Ended) > remembered {
			if err := instances.erase(ctx, tx, *v.InstanceId); err != nil {
				return err
			}
		}
	}
	return nil
}

// TerminateInstances ends instances and gives their addresses back.
func (s *Service) TerminateInstances(ctx context.Context, in *api.TerminateInstancesInput) (*api.TerminateInstancesOutput, error) {
	out := &api.TerminateInstancesOutput{TerminatingInstances: []api.InstanceStateChange{}}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, id := range in.InstanceIds {
			v, err := instances.get(ctx, tx, id)
			if err != nil {
				return err
			}
			for _, port := range v.NetworkInterfaces {
				if err := eraseInterface(ctx, tx, *port.NetworkInterfaceId); err != nil {
					return err
				}
			}
			before := v.State
			v.State, v.NetworkInterfaces, v.PrivateIpAddress = &api.InstanceState{Code: new(48), Name: new("terminated")}, nil, nil
			if v.Ended.IsZero() {
				v.Ended = s.Clock.Now()
			}
			if err := instances.put(ctx, tx, &v); err != nil {
				return err
			}
			out.TerminatingInstances = append(out.TerminatingInstances, api.InstanceStateChange{InstanceId: &id, PreviousState: before, CurrentState: v.State})
		}
		return s.forget(ctx, tx)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DescribeInstances lists instances by the request that launched them.
func (s *Service) DescribeInstances(ctx context.Context, in *api.DescribeInstancesInput) (*api.DescribeInstancesOutput, error) {
	all, err := instances.find(ctx, s, in.InstanceIds, in.Filters)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b instance) int { return cmp.Compare(a.Reservation, b.Reservation) })
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 1000, "InvalidNextToken")
	out := &api.DescribeInstancesOutput{Reservations: []api.Reservation{}, NextToken: next}
	for _, v := range all {
		if n := len(out.Reservations); n == 0 || *out.Reservations[n-1].ReservationId != v.Reservation {
			out.Reservations = append(out.Reservations, api.Reservation{ReservationId: &v.Reservation, OwnerId: new(operation.CallerOf(ctx).Account), Groups: []api.GroupIdentifier{}})
		}
		last := &out.Reservations[len(out.Reservations)-1]
		last.Instances = append(last.Instances, v.Instance)
	}
	return out, err
}
