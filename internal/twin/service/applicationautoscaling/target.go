package applicationautoscaling

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/applicationautoscaling"
	"slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// The one dimension that can be scaled here.
const (
	namespace = "ecs"
	dimension = "ecs:service:DesiredCount"
)

// target is a scalable target: an ECS service and the bounds of its desired count.
type target struct {
	ResourceID string // service/CLUSTER/NAME
	ARN        string
	Min, Max   int
	Suspended  api.SuspendedState
	Created    time.Time
	Tags       map[string]string

	BoundsSet bool      // the bounds were set and the service has not been brought within them yet
	Out       scaling   // the last scaling out, whose cooldown may still hold
	In        time.Time // the last scaling in, likewise; zero once a scaling out has ended its cooldown
}

// scaling is when a service was scaled, and from how many tasks.
type scaling struct {
	At   time.Time
	From int
}

var targets = &store.Table[target]{Name: "applicationautoscaling_targets"}

func (t target) cluster() string { return strings.Split(t.ResourceID, "/")[1] }
func (t target) service() string { return strings.Split(t.ResourceID, "/")[2] }

// checkDimension refuses what cannot be scaled here.
func checkDimension(service, scalable string) error {
	if service != namespace {
		return invalid("Scalable targets of service namespace %s are not supported yet by the twin: ecs is", service)
	}
	if scalable != dimension {
		return invalid("Unsupported service namespace, resource type or scalable dimension: %s, %s", service, scalable)
	}
	return nil
}

func checkResource(id string) error {
	parts := strings.Split(id, "/")
	if len(parts) != 3 || parts[0] != "service" || parts[1] == "" || parts[2] == "" {
		return invalid("Unsupported service namespace, resource type or scalable dimension: the resource ID of an ECS service is service/CLUSTER/NAME, found %s", id)
	}
	return nil
}

func checkTarget(service, id, scalable string) error {
	return cmp.Or(checkDimension(service, scalable), checkResource(id))
}

// missing is the error for a service that is not registered.
func missing(id string) error {
	return wire.Errorf("ObjectNotFoundException", "No scalable target found for service namespace: %s, resource ID: %s, scalable dimension: %s", namespace, id, dimension)
}

func get(ctx context.Context, tx *store.Tx, id string) (target, error) {
	t, err := targets.Get(tx, key(ctx, id))
	if errors.Is(err, store.ErrNotFound) {
		return t, missing(id)
	}
	return t, err
}

// RegisterScalableTarget sets the bounds of a service's desired count; the service is brought within them.
func (s *Service) RegisterScalableTarget(ctx context.Context, in *api.RegisterScalableTargetInput) (*api.RegisterScalableTargetOutput, error) {
	if err := checkTarget(in.ServiceNamespace, in.ResourceId, in.ScalableDimension); err != nil {
		return nil, err
	}
	var t target
	err := s.change(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		t, err = targets.Get(tx, key(ctx, in.ResourceId))
		switch {
		case errors.Is(err, store.ErrNotFound):
			t, err = s.newTarget(ctx, in)
		case err == nil && len(in.Tags) > 0:
			err = invalid("Tags cannot be updated with RegisterScalableTarget; use TagResource")
		}
		if err != nil {
			return err
		}
		if err := t.bound(in); err != nil {
			return err
		}
		return targets.Put(tx, key(ctx, t.ResourceID), t)
	})
	return &api.RegisterScalableTargetOutput{ScalableTargetARN: &t.ARN}, err
}

func (s *Service) newTarget(ctx context.Context, in *api.RegisterScalableTargetInput) (target, error) {
	t := target{ResourceID: in.ResourceId, Created: s.Clock.Now(), Tags: maps.Clone(in.Tags), ARN: operation.ARN(ctx, "application-autoscaling", "scalable-target/0ec5"+random(16))}
	if in.MinCapacity == nil || in.MaxCapacity == nil {
		return t, invalid("Both the minimum and the maximum capacity are required when registering a new scalable target")
	}
	found, err := s.find(ctx, t)
	if err == nil && found == nil {
		err = invalid("ECS service doesn't exist: %s", t.ResourceID)
	}
	return t, err
}

func random(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// bound takes over the bounds that are given.
func (t *target) bound(in *api.RegisterScalableTargetInput) error {
	if in.MinCapacity != nil {
		t.Min = *in.MinCapacity
	}
	if in.MaxCapacity != nil {
		t.Max = *in.MaxCapacity
	}
	if in.SuspendedState != nil {
		t.Suspended = *in.SuspendedState
	}
	t.BoundsSet = t.BoundsSet || in.MinCapacity != nil || in.MaxCapacity != nil
	switch {
	case t.Min < 0 || t.Max < 0:
		return invalid("Capacities cannot be negative")
	case t.Min > t.Max:
		return invalid("Maximum capacity cannot be less than minimum capacity")
	}
	return nil
}

// find returns the service, nil where there is no active one.
func (s *Service) find(ctx context.Context, t target) (*ecs.Service, error) {
	out, err := s.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: new(t.cluster()), Services: []string{t.service()}})
	if wire.HasCode(err, "ClusterNotFoundException") {
		return nil, nil
	}
	if err != nil || len(out.Services) == 0 || wire.Value(out.Services[0].Status) != "ACTIVE" {
		return nil, err
	}
	return &out.Services[0], nil
}

// DescribeScalableTargets lists scalable targets.
func (s *Service) DescribeScalableTargets(ctx context.Context, in *api.DescribeScalableTargetsInput) (*api.DescribeScalableTargetsOutput, error) {
	all, err := listOf(ctx, s.Store, targets)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(t target) bool {
		return in.ServiceNamespace != namespace || !meant(in.ScalableDimension, dimension) || len(in.ResourceIds) > 0 && !slices.Contains(in.ResourceIds, t.ResourceID)
	})
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 50, "InvalidNextTokenException")
	if err != nil {
		return nil, err
	}
	out := &api.DescribeScalableTargetsOutput{ScalableTargets: []api.ScalableTarget{}, NextToken: next}
	for _, t := range all {
		out.ScalableTargets = append(out.ScalableTargets, t.describe(ctx))
	}
	return out, nil
}

func (t target) describe(ctx context.Context) api.ScalableTarget {
	return api.ScalableTarget{
		ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: t.ResourceID, ScalableTargetARN: &t.ARN, MinCapacity: t.Min, MaxCapacity: t.Max,
		CreationTime: t.Created, RoleARN: role(ctx),
		SuspendedState: &api.SuspendedState{
			DynamicScalingInSuspended:  new(wire.Value(t.Suspended.DynamicScalingInSuspended)),
			DynamicScalingOutSuspended: new(wire.Value(t.Suspended.DynamicScalingOutSuspended)),
			ScheduledScalingSuspended:  new(wire.Value(t.Suspended.ScheduledScalingSuspended)),
		},
	}
}

// role is the service-linked role, which scales whatever role a request names.
func role(ctx context.Context) string {
	return fmt.Sprintf("arn:aws:iam::%s:role/aws-service-role/%s/AWSServiceRoleForApplicationAutoScaling_ECSService", operation.CallerOf(ctx).Account, principal)
}

// meant says whether an optional filter lets a value through.
func meant(filter *string, value string) bool { return filter == nil || *filter == value }

func listOf[T any](ctx context.Context, s *store.Store, table *store.Table[T]) (all []T, err error) {
	err = s.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		c := operation.CallerOf(ctx)
		all, err = table.List(tx, c.Account, c.Region)
		return err
	})
	return all, err
}

// DeregisterScalableTarget removes a scalable target and its policies; the service stays as it is.
func (s *Service) DeregisterScalableTarget(ctx context.Context, in *api.DeregisterScalableTargetInput) (*api.DeregisterScalableTargetOutput, error) {
	if err := checkTarget(in.ServiceNamespace, in.ResourceId, in.ScalableDimension); err != nil {
		return nil, err
	}
	return &api.DeregisterScalableTargetOutput{}, s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		t, err := get(ctx, tx, in.ResourceId)
		if err != nil {
			return err
		}
		k := key(ctx, t.ResourceID)
		if err := policies.DeleteBy(tx, k.Account, k.Region, t.ResourceID); err != nil {
			return err
		}
		return targets.Delete(tx, k)
	})
}

// TagResource adds or changes tags of a scalable target.
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	return &api.TagResourceOutput{}, s.onTags(ctx, in.ResourceARN, func(tags map[string]string) { maps.Copy(tags, in.Tags) })
}

// UntagResource removes tags of a scalable target.
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return &api.UntagResourceOutput{}, s.onTags(ctx, in.ResourceARN, func(tags map[string]string) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
	})
}

// ListTagsForResource lists the tags of a scalable target.
func (s *Service) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	t, err := s.byARN(ctx, in.ResourceARN)
	if t.Tags == nil {
		t.Tags = map[string]string{}
	}
	return &api.ListTagsForResourceOutput{Tags: t.Tags}, err
}

func (s *Service) byARN(ctx context.Context, arn string) (target, error) {
	all, err := listOf(ctx, s.Store, targets)
	if err != nil {
		return target{}, err
	}
	if i := slices.IndexFunc(all, func(t target) bool { return t.ARN == arn }); i >= 0 {
		return all[i], nil
	}
	return target{}, &wire.Error{Code: "ResourceNotFoundException", Message: "Resource " + arn + " not found", Fields: map[string]any{"ResourceName": arn}}
}

func (s *Service) onTags(ctx context.Context, arn string, f func(tags map[string]string)) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		t, err := s.byARN(ctx, arn)
		if err != nil {
			return err
		}
		if t.Tags == nil {
			t.Tags = map[string]string{}
		}
		f(t.Tags)
		if len(t.Tags) > 50 {
			return wire.Errorf("TooManyTagsException", "The number of tags exceeds 50")
		}
		return targets.Put(tx, key(ctx, t.ResourceID), t)
	})
}
