// Package elbv2 is Elastic Load Balancing v2: Application Load Balancers that really carry traffic.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/Welcome.html
//
// Operations write what is wanted to the tables. One loop (plane.go) turns all of it, of every account and region, into a
// snapshot for the data plane and applies it; what the plane sees of the targets' health is never stored, it is asked for.
//
// A load balancer answers in three ways: by its DNS name, or its name where that is unique, as the host of a request to the
// twin's own port (<name>-<digits>.<region>.elb.localhost, <name>.elb.localhost), and on a loopback port that each of its
// listeners has for itself and keeps. GET /_slipway/loadbalancers lists them: see front.go.
package elbv2

import (
	"context"

	"slipway.dev/internal/twin/api/ec2"
	api "slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/service/elbv2/dataplane"
	"slipway.dev/internal/twin/store"
)

// Service serves Elastic Load Balancing v2.
type Service struct {
	room.House
	ec2   ec2.Client
	wake  room.Signal // the loop: what is wanted has changed
	plane *dataplane.Plane
}

// Tables are the service's tables.
var Tables = []store.Schema{loadBalancers, listeners, rules, targetGroups, targets}

// New makes the service.
func New(h room.House) *Service {
	return &Service{
		House: h, ec2: ec2.Client{Invoker: h.Invoker}, wake: room.NewSignal(), plane: dataplane.New(dataplane.Options{Logger: h.Log}),
	}
}

// Room lists what the service serves.
func (s *Service) Room() room.Room {
	return room.Room{
		Service:   &operation.Service{API: api.API, Operations: s.operations()},
		Resources: s.resources(),
		Run:       s.run,
		Handler:   front{s},
	}
}

func (s *Service) operations() []operation.Operation {
	return []operation.Operation{
		operation.Of("CreateLoadBalancer", s.CreateLoadBalancer).Without("IpAddressType", "SecurityGroups", "Scheme"),
		operation.Of("DescribeLoadBalancers", s.DescribeLoadBalancers),
		operation.Of("DeleteLoadBalancer", s.DeleteLoadBalancer),
		operation.Of("DescribeLoadBalancerAttributes", s.DescribeLoadBalancerAttributes),
		operation.Of("ModifyLoadBalancerAttributes", s.ModifyLoadBalancerAttributes).Without(inertKeys("Attributes", loadBalancerAttributes)...),
		operation.RecordedOf("SetSecurityGroups", s.SetSecurityGroups),
		operation.RecordedOf("SetSubnets", s.SetSubnets),
		operation.RecordedOf("SetIpAddressType", s.SetIpAddressType),
		operation.Of("CreateListener", s.CreateListener),
		operation.Of("DescribeListeners", s.DescribeListeners),
		operation.Of("ModifyListener", s.ModifyListener),
		operation.Of("DeleteListener", s.DeleteListener),
		operation.Of("DescribeListenerAttributes", s.DescribeListenerAttributes),
		operation.RecordedOf("ModifyListenerAttributes", s.ModifyListenerAttributes),
		operation.Of("CreateRule", s.CreateRule),
		operation.Of("DescribeRules", s.DescribeRules),
		operation.Of("ModifyRule", s.ModifyRule),
		operation.Of("DeleteRule", s.DeleteRule),
		operation.Of("SetRulePriorities", s.SetRulePriorities),
		operation.Of("CreateTargetGroup", s.CreateTargetGroup),
		operation.Of("DescribeTargetGroups", s.DescribeTargetGroups),
		operation.Of("ModifyTargetGroup", s.ModifyTargetGroup),
		operation.Of("DeleteTargetGroup", s.DeleteTargetGroup),
		operation.Of("DescribeTargetGroupAttributes", s.DescribeTargetGroupAttributes),
		operation.Of("ModifyTargetGroupAttributes", s.ModifyTargetGroupAttributes).Without(inertKeys("Attributes", targetGroupAttributes)...),
		operation.Of("RegisterTargets", s.RegisterTargets).Without("Targets.AvailabilityZone"),
		operation.Of("DeregisterTargets", s.DeregisterTargets),
		operation.Of("DescribeTargetHealth", s.DescribeTargetHealth),
		operation.Of("AddTags", s.AddTags),
		operation.Of("RemoveTags", s.RemoveTags),
		operation.Of("DescribeTags", s.DescribeTags),
		operation.Of("DescribeAccountLimits", s.DescribeAccountLimits),
		operation.RecordedOf("DescribeSSLPolicies", s.DescribeSSLPolicies),
		operation.RecordedOf("DescribeCapacityReservation", s.DescribeCapacityReservation),
	}
}

func key(ctx context.Context, id string) store.Key {
	c := operation.CallerOf(ctx)
	return store.Key{Account: c.Account, Region: c.Region, ID: id}
}

// change commits f, then the loop and everyone who waits look again.
func (s *Service) change(ctx context.Context, f func(ctx context.Context, tx *store.Tx) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		tx.AfterCommit(func() {
			s.wake.Wake()
			s.Changed.Notify()
		})
		return f(ctx, tx)
	})
}
