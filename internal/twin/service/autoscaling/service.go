// Package autoscaling is Amazon EC2 Auto Scaling: groups of recorded instances. A group always has the number of instances that
// it should; they are in service from the start, and nothing boots in them, so signals of a creation policy never come.
// https://docs.aws.amazon.com/autoscaling/ec2/APIReference/Welcome.html
package autoscaling

import (
	api "slipway.dev/internal/twin/api/autoscaling"
	"slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
)

// Service serves EC2 Auto Scaling.
type Service struct {
	room.House
	ec2 ec2.Client
}

// Tables are the service's tables.
var Tables = []store.Schema{groups, activities, policies}

// New makes the service.
func New(h room.House) *Service { return &Service{House: h, ec2: ec2.Client{Invoker: h.Invoker}} }

// Room lists what the service serves.
func (s *Service) Room() room.Room {
	return room.Room{
		Service: &operation.Service{API: api.API, Operations: []operation.Operation{
			operation.RecordedOf("CreateAutoScalingGroup", s.CreateAutoScalingGroup),
			operation.RecordedOf("DescribeAutoScalingGroups", s.DescribeAutoScalingGroups),
			operation.RecordedOf("UpdateAutoScalingGroup", s.UpdateAutoScalingGroup),
			operation.RecordedOf("DeleteAutoScalingGroup", s.DeleteAutoScalingGroup),
			operation.RecordedOf("SetDesiredCapacity", s.SetDesiredCapacity),
			operation.RecordedOf("TerminateInstanceInAutoScalingGroup", s.TerminateInstanceInAutoScalingGroup),
			operation.RecordedOf("DescribeAutoScalingInstances", s.DescribeAutoScalingInstances),
			operation.RecordedOf("DescribeScalingActivities", s.DescribeScalingActivities),
			operation.RecordedOf("CreateOrUpdateTags", s.CreateOrUpdateTags),
			operation.RecordedOf("DeleteTags", s.DeleteTags),
			operation.RecordedOf("DescribeTags", s.DescribeTags),
			operation.RecordedOf("PutScalingPolicy", s.PutScalingPolicy),
			operation.RecordedOf("DescribePolicies", s.DescribePolicies),
			operation.RecordedOf("DeletePolicy", s.DeletePolicy),
		}},
		Resources: s.resources(),
	}
}
