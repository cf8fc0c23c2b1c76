package applicationautoscaling

import (
	"context"
	"fmt"
	"slices"
	"time"

	api "slipway.dev/internal/twin/api/applicationautoscaling"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
)

// activity is one scaling that was done.
type activity struct {
	ID         string
	ResourceID string
	At         time.Time
	Desired    int
	Cause      string
}

var activities = &store.Table[activity]{Name: "applicationautoscaling_activities", By: func(a activity) string { return a.ResourceID }}

// kept is how long AWS tells of scaling activities.
const kept = 6 * 7 * 24 * time.Hour

// note writes an activity down and forgets those that are too old.
func note(ctx context.Context, tx *store.Tx, a activity) error {
	k := key(ctx, a.ID)
	before, err := activities.ListBy(tx, k.Account, k.Region, a.ResourceID)
	if err != nil {
		return err
	}
	for _, old := range before {
		if a.At.Sub(old.At) > kept {
			if err := activities.Delete(tx, key(ctx, old.ID)); err != nil {
				return err
			}
		}
	}
	return activities.Put(tx, k, a)
}

// DescribeScalingActivities lists what was scaled, newest first.
func (s *Service) DescribeScalingActivities(ctx context.Context, in *api.DescribeScalingActivitiesInput) (*api.DescribeScalingActivitiesOutput, error) {
	all, err := listOf(ctx, s.Store, activities)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(a activity) bool {
		return in.ServiceNamespace != namespace || !meant(in.ScalableDimension, dimension) || !meant(in.ResourceId, a.ResourceID)
	})
	slices.SortStableFunc(all, func(a, b activity) int { return b.At.Compare(a.At) })
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 50, "InvalidNextTokenException")
	if err != nil {
		return nil, err
	}
	out := &api.DescribeScalingActivitiesOutput{ScalingActivities: []api.ScalingActivity{}, NextToken: next}
	for _, a := range all {
		out.ScalingActivities = append(out.ScalingActivities, a.describe())
	}
	return out, nil
}

func (a activity) describe() api.ScalingActivity {
	return api.ScalingActivity{
		ActivityId: a.ID, ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: a.ResourceID, Cause: a.Cause, StartTime: a.At, EndTime: &a.At,
		Description: fmt.Sprintf("Setting desired count to %d.", a.Desired), StatusCode: "Successful",
		StatusMessage: new(fmt.Sprintf("Successfully set desired count to %d. Change successfully fulfilled by ecs.", a.Desired)),
	}
}
