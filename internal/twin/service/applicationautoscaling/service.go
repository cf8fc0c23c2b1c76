// Package applicationautoscaling is Application Auto Scaling for ECS services: target tracking on the CPU and memory that their
// containers really use.
// https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
//
// Every ten seconds, and when a target changes, the loop (loop.go) reads for each scalable target what the service is and how
// busy it was, has decide (decide.go) say what the desired count should be, and sets it with UpdateService.
package applicationautoscaling

import (
	"context"

	api "slipway.dev/internal/twin/api/applicationautoscaling"
	"slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// principal is who the service acts as, by itself.
const principal = "ecs.application-autoscaling.amazonaws.com"

// Service serves Application Auto Scaling.
type Service struct {
	room.House
	ecs  ecs.Client
	wake room.Signal
}

// Tables are the service's tables.
var Tables = []store.Schema{targets, policies, activities}

// New makes the service.
func New(h room.House) *Service {
	return &Service{House: h, ecs: ecs.Client{Invoker: h.Invoker}, wake: room.NewSignal()}
}

// Room lists what the service serves.
func (s *Service) Room() room.Room {
	return room.Room{
		Service: &operation.Service{API: api.API, Operations: []operation.Operation{
			operation.Of("RegisterScalableTarget", s.RegisterScalableTarget).Without("RoleARN", "SuspendedState.ScheduledScalingSuspended"),
			operation.Of("DescribeScalableTargets", s.DescribeScalableTargets),
			operation.Of("DeregisterScalableTarget", s.DeregisterScalableTarget),
			operation.Of("PutScalingPolicy", s.PutScalingPolicy),
			operation.Of("DescribeScalingPolicies", s.DescribeScalingPolicies),
			operation.Of("DeleteScalingPolicy", s.DeleteScalingPolicy),
			operation.Of("DescribeScalingActivities", s.DescribeScalingActivities).Without("IncludeNotScaledActivities"),
			operation.Of("TagResource", s.TagResource),
			operation.Of("UntagResource", s.UntagResource),
			operation.Of("ListTagsForResource", s.ListTagsForResource),
		}},
		Resources: s.resources(),
		Run:       s.run,
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

func invalid(format string, args ...any) error {
	return wire.Errorf("ValidationException", format, args...)
}
