package ecs

import (
	"testing"
	"time"

	"slipway.dev/internal/engine"
)

func TestUtilisation(t *testing.T) {
	t.Parallel()
	second := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }
	for name, c := range map[string]struct {
		before, now engine.Usage
		cpus        float64
		want        float64
		known       bool
	}{
		"half of a quarter CPU":    {engine.Usage{CPUNanos: 0, ReadAt: second(0)}, engine.Usage{CPUNanos: 1.25e9, ReadAt: second(10)}, 0.25, 50, true},
		"all of two CPUs":          {engine.Usage{CPUNanos: 5e9, ReadAt: second(0)}, engine.Usage{CPUNanos: 25e9, ReadAt: second(10)}, 2, 100, true},
		"a counter that went back": {engine.Usage{CPUNanos: 5e9, ReadAt: second(0)}, engine.Usage{CPUNanos: 1e9, ReadAt: second(10)}, 1, 0, false},
		"no time has passed":       {engine.Usage{CPUNanos: 1e9, ReadAt: second(5)}, engine.Usage{CPUNanos: 2e9, ReadAt: second(5)}, 1, 0, false},
	} {
		if got, known := utilisation(c.before, c.now, c.cpus); got != c.want || known != c.known {
			t.Errorf("%s is %v, %v; want %v, %v", name, got, known, c.want, c.known)
		}
	}
}
