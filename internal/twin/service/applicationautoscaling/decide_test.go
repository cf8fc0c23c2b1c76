package applicationautoscaling

import (
	"math"
	"slices"
	"testing"
	"time"

	api "slipway.dev/internal/twin/api/applicationautoscaling"
	"slipway.dev/internal/twin/service/ecs"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// tracks is a policy that keeps a metric at 50 %, with cooldowns of a minute out and five in.
func tracks(metric string, change ...func(*api.TargetTrackingScalingPolicyConfiguration)) policy {
	p := policy{Name: metric, Tracking: api.TargetTrackingScalingPolicyConfiguration{
		TargetValue: 50, ScaleOutCooldown: new(60), ScaleInCooldown: new(300),
		PredefinedMetricSpecification: &api.PredefinedMetricSpecification{PredefinedMetricType: metric},
	}}
	for _, f := range change {
		f(&p.Tracking)
	}
	return p
}

// flat is a quarter of an hour of one value.
func flat(value float64) []float64 { return slices.Repeat([]float64{value}, lowMinutes) }

// ending is a quarter of an hour of the target that ends with other minutes.
func ending(values ...float64) []float64 { return append(flat(50)[:lowMinutes-len(values)], values...) }

func TestDecide(t *testing.T) {
	t.Parallel()
	gap := math.NaN()
	cpu := []policy{tracks(cpuMetric)}
	both := []policy{tracks(cpuMetric), tracks(memoryMetric)}
	stays := func(p *api.TargetTrackingScalingPolicyConfiguration) { p.DisableScaleIn = new(true) }
	for name, c := range map[string]struct {
		desired     int
		cpu, memory []float64
		policies    []policy
		change      func(*situation)
		want        int
	}{
		"on target":                            {4, flat(50), nil, cpu, nil, 4},
		"high for two minutes":                 {4, ending(90, 90), nil, cpu, nil, 4},
		"high for three minutes":               {4, ending(90, 90, 75), nil, cpu, nil, 6},
		"a little high adds one":               {4, ending(51, 51, 50.5), nil, cpu, nil, 5},
		"a minute without data":                {4, ending(90, gap, 90), nil, cpu, nil, 4},
		"no data at all":                       {4, nil, nil, cpu, nil, 4},
		"never beyond the maximum":             {4, ending(400, 400, 400), nil, cpu, nil, 10},
		"above the maximum by hand, high":      {12, flat(90), nil, cpu, nil, 12},
		"above the maximum by hand, low":       {12, flat(40), nil, cpu, nil, 10},
		"below the minimum by hand, high":      {1, flat(60), nil, cpu, nil, 2},
		"below the minimum by hand, low":       {1, flat(10), nil, cpu, nil, 1},
		"low for a quarter of an hour":         {4, flat(20), nil, cpu, nil, 2},
		"low for fourteen minutes":             {4, append([]float64{50}, flat(20)[1:]...), nil, cpu, nil, 4},
		"low with a gap":                       {4, append([]float64{gap}, flat(20)[1:]...), nil, cpu, nil, 4},
		"not below nine tenths":                {4, flat(46), nil, cpu, nil, 4},
		"low, but one fewer would be too few":  {4, flat(44), nil, cpu, nil, 4},
		"never below the minimum":              {3, flat(1), nil, cpu, nil, 2},
		"low while a deployment is under way":  {4, flat(20), nil, cpu, func(s *situation) { s.Deploying = true }, 4},
		"high while a deployment is under way": {4, flat(75), nil, cpu, func(s *situation) { s.Deploying = true }, 6},
		"in within the cooldown of an in":      {4, flat(20), nil, cpu, func(s *situation) { s.Target.In = noon.Add(-299 * time.Second) }, 4},
		"in after the cooldown of an in":       {4, flat(20), nil, cpu, func(s *situation) { s.Target.In = noon.Add(-300 * time.Second) }, 2},
		"out within the cooldown of an in":     {4, flat(75), nil, cpu, func(s *situation) { s.Target.In = noon.Add(-time.Second) }, 6},
		"out within the cooldown of an out":    {6, flat(75), nil, cpu, func(s *situation) { s.Target.Out = scaling{noon.Add(-59 * time.Second), 4} }, 6},
		"more out within the cooldown":         {6, flat(100), nil, cpu, func(s *situation) { s.Target.Out = scaling{noon.Add(-59 * time.Second), 4} }, 8},
		"out after the cooldown of an out":     {6, flat(75), nil, cpu, func(s *situation) { s.Target.Out = scaling{noon.Add(-60 * time.Second), 4} }, 9},
		"scaling out suspended":                {4, flat(75), nil, cpu, func(s *situation) { s.Target.Suspended.DynamicScalingOutSuspended = new(true) }, 4},
		"scaling in suspended":                 {4, flat(20), nil, cpu, func(s *situation) { s.Target.Suspended.DynamicScalingInSuspended = new(true) }, 4},
		"one policy out is enough":             {4, flat(20), flat(75), both, nil, 6},
		"the larger count out":                 {4, flat(100), flat(75), both, nil, 8},
		"in only if all agree":                 {4, flat(20), flat(50), both, nil, 4},
		"the larger count in":                  {8, flat(10), flat(25), both, nil, 4},
		"one without data is against it":       {4, flat(20), nil, both, nil, 4},
		"one that never scales in":             {4, flat(20), nil, []policy{tracks(cpuMetric), tracks(memoryMetric, stays)}, nil, 2},
		"none that scales in":                  {4, flat(20), nil, []policy{tracks(cpuMetric, stays)}, nil, 4},
		"no policy":                            {4, flat(90), nil, nil, nil, 4},
		"new bounds raise":                     {0, nil, nil, nil, func(s *situation) { s.Target.BoundsSet = true }, 2},
		"new bounds lower":                     {12, nil, nil, nil, func(s *situation) { s.Target.BoundsSet = true }, 10},
		"new bounds hold":                      {4, nil, nil, nil, func(s *situation) { s.Target.BoundsSet = true }, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := situation{Now: noon, Target: target{Min: 2, Max: 10}, Desired: c.desired, Policies: c.policies, Minutes: map[string][]float64{cpuMetric: c.cpu, memoryMetric: c.memory}}
			if c.change != nil {
				c.change(&s)
			}
			d := decide(s)
			if d.Desired != c.want {
				t.Errorf("decided %d (%s), want %d", d.Desired, d.Cause, c.want)
			}
			if d.Desired != c.desired && d.Cause == "" {
				t.Error("scaled without saying why")
			}
		})
	}
}

func TestMinutesAreFullOnes(t *testing.T) {
	t.Parallel()
	samples := []ecs.Sample{
		{At: noon.Add(-16 * time.Minute), CPU: 1000}, {At: noon.Add(-15 * time.Minute), CPU: 10}, {At: noon.Add(-90 * time.Second), CPU: 20},
		{At: noon.Add(-61 * time.Second), CPU: 40}, {At: noon.Add(5 * time.Second), CPU: 1000},
	}
	got := minutes(samples, noon.Add(20*time.Second), func(s ecs.Sample) float64 { return s.CPU })
	if len(got) != lowMinutes || got[0] != 10 || got[lowMinutes-2] != 30 || !math.IsNaN(got[lowMinutes-1]) {
		t.Errorf("%v", got)
	}
}
