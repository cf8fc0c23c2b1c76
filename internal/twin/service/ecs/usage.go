package ecs

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"slipway.dev/internal/engine"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
)

// Sample is how busy a service was at one moment: the mean over its running tasks, in percent of what a task reserves, as the
// metrics CPUUtilization and MemoryUtilization of AWS/ECS have it.
type Sample struct {
	At          time.Time
	CPU, Memory float64
	Tasks       int
}

// busy is the recent samples of a service, oldest first.
type busy struct{ Samples []Sample }

var usages = &store.Table[busy]{Name: "ecs_usage"}

// sampleEvery and keptSamples make a window of twenty minutes: longer than an alarm of target tracking looks back.
const (
	sampleEvery = 10 * time.Second
	keptSamples = 120
)

// Usage returns the recent samples of a service, oldest first, ten seconds apart; none where it has no running task.
// Application Auto Scaling reads it, as the alarms of target tracking read CloudWatch.
func Usage(tx *store.Tx, account, region, cluster, service string) ([]Sample, error) {
	b, err := usages.Get(tx, store.Key{Account: account, Region: region, ID: cluster + "/" + service})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return b.Samples, err
}

// sampler remembers each container's last reading: two of them give a utilisation.
type sampler map[string]engine.Usage

func (s *Service) runUsage(ctx context.Context) {
	last := sampler{}
	for s.Clock.Sleep(ctx, sampleEvery) == nil {
		if !s.anyTask(ctx) {
			continue
		}
		if err := s.sample(ctx, last); err != nil && ctx.Err() == nil {
			s.Log.Warn("usage of services not sampled", "error", err)
		}
	}
}

// load is a running task of a service, with the key of the service.
type load struct {
	key  store.Key
	task task
	size definition
}

func (s *Service) loads(ctx context.Context) (running []load, err error) {
	err = s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		rows, err := taskRows.All(tx)
		if err != nil {
			return err
		}
		for _, row := range rows {
			t := row.Value
			if t.Last != taskRunning || t.Service == "" {
				continue
			}
			d, err := s.definitionOf(operation.AsService(ctx, principal, row.Account, row.Region), tx, t)
			if err != nil {
				return err
			}
			running = append(running, load{store.Key{Account: row.Account, Region: row.Region, ID: t.Cluster + "/" + t.Service}, t, d})
		}
		return nil
	})
	return running, err
}

func (s *Service) sample(ctx context.Context, last sampler) error {
	docker, err := s.docker(ctx)
	if err != nil {
		return err
	}
	running, err := s.loads(ctx)
	if err != nil {
		return err
	}
	sums := map[store.Key]Sample{}
	current := map[string]bool{}
	for _, l := range running {
		for _, c := range l.task.Containers {
			current[c.ARN] = true
		}
		if cpu, memory, known := s.measure(ctx, docker, last, l.task, l.size); known {
			sum := sums[l.key]
			sums[l.key] = Sample{CPU: sum.CPU + cpu, Memory: sum.Memory + memory, Tasks: sum.Tasks + 1}
		}
	}
	maps.DeleteFunc(last, func(arn string, _ engine.Usage) bool { return !current[arn] })
	return s.keepSamples(ctx, sums)
}

// measure is a task's utilisation since its last measuring, in percent: that of its containers together.
func (s *Service) measure(ctx context.Context, docker *engine.Engine, last sampler, t task, d definition) (cpu, memory float64, known bool) {
	cpus := float64(d.cpu()) / 1024
	if machine := float64(s.found.info.NCPU); cpus == 0 || cpus > machine {
		cpus = machine // a task cannot use more than the machine has
	}
	for _, c := range t.Containers {
		now, err := docker.Stats(ctx, s.containerName(t, c.Name))
		if err != nil { // it does not run
			delete(last, c.ARN)
			continue
		}
		if before, has := last[c.ARN]; has {
			share, ok := utilisation(before, now, cpus)
			cpu, known = cpu+share, known || ok
		}
		last[c.ARN] = now
		if size := d.memory(); size > 0 {
			memory += 100 * float64(now.MemoryBytes) / float64(size<<20)
		}
	}
	return cpu, memory, known
}

// utilisation is the CPU time between two readings in percent of what the CPUs had; not known where the two cannot be compared.
func utilisation(before, now engine.Usage, cpus float64) (percent float64, known bool) {
	span := now.ReadAt.Sub(before.ReadAt)
	if span <= 0 || now.CPUNanos < before.CPUNanos {
		return 0, false
	}
	return 100 * float64(now.CPUNanos-before.CPUNanos) / float64(span) / cpus, true
}

func (s *Service) keepSamples(ctx context.Context, sums map[store.Key]Sample) error {
	if len(sums) == 0 {
		return nil
	}
	return s.Store.Update(ctx, func(_ context.Context, tx *store.Tx) error {
		for k, sum := range sums {
			b, err := usages.Get(tx, k)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			n := float64(sum.Tasks)
			b.Samples = append(b.Samples, Sample{At: s.Clock.Now(), CPU: sum.CPU / n, Memory: sum.Memory / n, Tasks: sum.Tasks})
			b.Samples = slices.Clone(b.Samples[max(0, len(b.Samples)-keptSamples):])
			if err := usages.Put(tx, k, b); err != nil {
				return err
			}
		}
		return nil
	})
}
