package applicationautoscaling

import (
	"context"
	"errors"
	"math"
	"time"

	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/service/ecs"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// lookEvery is how often the loop looks: as often as ECS samples its services.
const lookEvery = 10 * time.Second

// run scales until ctx ends.
func (s *Service) run(ctx context.Context) error {
	for {
		some, err := s.round(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("application auto scaling", "error", err)
		}
		var tick <-chan time.Time
		if some || err != nil {
			tick = s.Clock.After(lookEvery)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-tick:
		}
	}
}

// round looks at every scalable target, and tells whether there is one.
func (s *Service) round(ctx context.Context) (some bool, err error) {
	var rows []store.Row[target]
	err = s.Store.View(ctx, func(_ context.Context, tx *store.Tx) (err error) {
		rows, err = targets.All(tx)
		return err
	})
	var failed []error
	for _, row := range rows {
		failed = append(failed, s.look(operation.AsService(ctx, principal, row.Account, row.Region), row.ID))
	}
	return len(rows) > 0, errors.Join(append(failed, err)...)
}

// look scales one target where that is due. It looks without a lock first: mostly there is nothing to do.
func (s *Service) look(ctx context.Context, id string) error {
	due := false
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		now, d, err := s.consider(ctx, tx, id)
		due = err == nil && (now.Target.BoundsSet || d.Desired != now.Desired)
		return err
	})
	if err != nil || !due {
		return err
	}
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		now, d, err := s.consider(ctx, tx, id)
		if err != nil {
			return err
		}
		return s.scale(ctx, tx, now, d)
	})
}

// consider reads a target's situation and decides. A target that is gone, or whose service is, stays as it is.
func (s *Service) consider(ctx context.Context, tx *store.Tx, id string) (now situation, d decision, err error) {
	k := key(ctx, id)
	t, err := targets.Get(tx, k)
	if errors.Is(err, store.ErrNotFound) {
		return now, d, nil
	}
	if err != nil {
		return now, d, err
	}
	service, err := s.find(ctx, t)
	if err != nil || service == nil {
		return now, d, err
	}
	now = situation{Now: s.Clock.Now(), Target: t, Desired: wire.Value(service.DesiredCount), Deploying: deploying(service)}
	if now.Policies, err = policies.ListBy(tx, k.Account, k.Region, id); err != nil {
		return now, d, err
	}
	samples, err := ecs.Usage(tx, k.Account, k.Region, t.cluster(), t.service())
	now.Minutes = map[string][]float64{
		cpuMetric:    minutes(samples, now.Now, func(u ecs.Sample) float64 { return u.CPU }),
		memoryMetric: minutes(samples, now.Now, func(u ecs.Sample) float64 { return u.Memory }),
	}
	return now, decide(now), err
}

func deploying(service *api.Service) bool {
	for _, d := range service.Deployments {
		if wire.Value(d.Status) != "PRIMARY" || wire.Value(d.RolloutState) == "IN_PROGRESS" {
			return true
		}
	}
	return false
}

// minutes averages samples by full minute, the newest last, as far back as a decision looks; NaN where there is none.
func minutes(samples []ecs.Sample, now time.Time, of func(ecs.Sample) float64) []float64 {
	begin := now.Truncate(time.Minute).Add(-lowMinutes * time.Minute)
	var sums, counts [lowMinutes]float64
	for _, sample := range samples {
		if sample.At.Before(begin) {
			continue
		}
		if i := int(sample.At.Sub(begin) / time.Minute); i < lowMinutes {
			sums[i] += of(sample)
			counts[i]++
		}
	}
	averages := make([]float64, lowMinutes)
	for i := range averages {
		averages[i] = math.NaN()
		if counts[i] > 0 {
			averages[i] = sums[i] / counts[i]
		}
	}
	return averages
}

// scale sets the desired count and remembers it, in one step.
func (s *Service) scale(ctx context.Context, tx *store.Tx, now situation, d decision) error {
	t := now.Target
	if t.ResourceID == "" { // gone meanwhile
		return nil
	}
	t.BoundsSet = false
	if d.Desired != now.Desired {
		_, err := s.ecs.UpdateService(ctx, &api.UpdateServiceInput{Cluster: new(t.cluster()), Service: t.service(), DesiredCount: &d.Desired})
		if err != nil {
			return err
		}
		if err := note(ctx, tx, activity{ID: random(16), ResourceID: t.ResourceID, At: now.Now, Desired: d.Desired, Cause: d.Cause}); err != nil {
			return err
		}
		t.remember(now, d)
	}
	tx.AfterCommit(s.Changed.Notify)
	return targets.Put(tx, key(ctx, t.ResourceID), t)
}

// remember begins the cooldown. A scaling out ends that of the last scaling in.
func (t *target) remember(now situation, d decision) {
	if d.Desired < now.Desired {
		t.In = now.Now
		return
	}
	t.Out, t.In = scaling{At: now.Now, From: now.Desired}, time.Time{}
}
