package applicationautoscaling

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	api "slipway.dev/internal/twin/api/applicationautoscaling"
	ecsapi "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/service/ecs"
	"slipway.dev/internal/twin/store"
)

// fleet stands in for ECS: a service with a desired count, and the history of it.
type fleet struct {
	lock      sync.Mutex
	desired   int
	deploying bool
	by        string // who scaled last
}

func (f *fleet) Invoke(ctx context.Context, service, name string, in any) (any, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	switch in := in.(type) {
	case *ecsapi.DescribeServicesInput:
		state := "COMPLETED"
		if f.deploying {
			state = "IN_PROGRESS"
		}
		return &ecsapi.DescribeServicesOutput{Services: []ecsapi.Service{{Status: new("ACTIVE"), DesiredCount: new(f.desired),
			Deployments: []ecsapi.Deployment{{Status: new("PRIMARY"), RolloutState: &state}}}}}, nil
	case *ecsapi.UpdateServiceInput:
		f.desired, f.by = *in.DesiredCount, operation.CallerOf(ctx).Service
		return &ecsapi.UpdateServiceOutput{}, nil
	}
	return nil, fmt.Errorf("%s:%s is not expected", service, name)
}

func (f *fleet) set(deploying bool) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.deploying = deploying
}

func (f *fleet) count() int {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.desired
}

// busy lets a service be busy for a while: ECS's own table of samples gets one every ten seconds.
func busy(t *testing.T, s *store.Store, cpu float64, span time.Duration) {
	t.Helper()
	for end := time.Now().Add(span); time.Now().Before(end); {
		time.Sleep(10 * time.Second)
		err := s.Update(t.Context(), func(_ context.Context, tx *store.Tx) error {
			samples, err := ecs.Usage(tx, "1", "r", "shop", "web")
			if err != nil {
				return err
			}
			samples = append(samples, ecs.Sample{At: time.Now(), CPU: cpu, Tasks: 1})
			doc, err := json.Marshal(map[string]any{"Samples": samples[max(0, len(samples)-120):]})
			if err != nil {
				return err
			}
			return tx.Exec(`INSERT OR REPLACE INTO ecs_usage (account, region, id, grp, doc) VALUES ('1', 'r', 'shop/web', '', ?)`, doc)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait()
}

// The clock of a synctest bubble is not the machine's: sleeping in it costs nothing.
func TestAServiceFollowsItsLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		state, err := store.Open(t.TempDir(), append(ecs.Tables, Tables...)...)
		if err != nil {
			t.Fatal(err)
		}
		defer state.Close()
		f := &fleet{desired: 2}
		s := New(room.House{Store: state, Invoker: f, Log: slog.New(slog.DiscardHandler), Changed: room.NewBroadcast()})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.run(ctx) })
		defer running.Wait()
		defer stop()
		caller := operation.WithCaller(ctx, operation.Caller{Account: "1", Region: "r"})
		if _, err := s.RegisterScalableTarget(caller, &api.RegisterScalableTargetInput{ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: "service/shop/web", MinCapacity: new(1), MaxCapacity: new(6)}); err != nil {
			t.Fatal(err)
		}
		p := tracks(cpuMetric)
		if _, err := s.PutScalingPolicy(caller, &api.PutScalingPolicyInput{ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: "service/shop/web", PolicyName: "cpu",
			PolicyType: new("TargetTrackingScaling"), TargetTrackingScalingPolicyConfiguration: &p.Tracking}); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			what string
			cpu  float64
			span time.Duration
			want int
		}{
			{"on target", 50, 5 * time.Minute, 2},
			{"not yet high for three minutes", 100, 170 * time.Second, 2},
			{"high for three minutes", 100, 10 * time.Second, 4},
			{"low, but not yet for a quarter of an hour", 20, 890 * time.Second, 4},
			{"low for a quarter of an hour, of which a minute was not so low", 20, 20 * time.Second, 3},
			{"no more within the cooldown", 20, 280 * time.Second, 3},
			{"after the cooldown", 20, 20 * time.Second, 2},
			{"on target again", 50, 20 * time.Minute, 2},
		} {
			busy(t, state, step.cpu, step.span)
			if got := f.count(); got != step.want {
				t.Fatalf("%s: desired count is %d, want %d", step.what, got, step.want)
			}
		}
		f.set(true)
		busy(t, state, 20, 20*time.Minute)
		if f.count() != 2 {
			t.Errorf("scaled in to %d while a deployment was under way", f.count())
		}
		f.set(false)
		busy(t, state, 20, 30*time.Second)
		if f.count() != 1 || f.by != principal {
			t.Errorf("after the deployment: %d, scaled by %q", f.count(), f.by)
		}
		out, err := s.DescribeScalingActivities(caller, &api.DescribeScalingActivitiesInput{ServiceNamespace: namespace})
		if err != nil || len(out.ScalingActivities) != 4 || out.ScalingActivities[0].Description != "Setting desired count to 1." {
			t.Errorf("%+v, %v", out, err)
		}
	})
}
