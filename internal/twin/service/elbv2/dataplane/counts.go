package dataplane

import (
	"sync/atomic"
	"time"
)

type balancerCounts struct {
	requests, newConnections, fixed, redirects, rejected, receivedBytes, sentBytes, upgraded atomic.Uint64

	activeConnections atomic.Int64
	status            [6]atomic.Uint64
}

func (c *balancerCounts) own(status int) { c.status[min(status/100, 5)].Add(1) }

func (c *balancerCounts) refused(status int) {
	c.rejected.Add(1)
	c.own(status)
}

func (c *balancerCounts) snapshot() LoadBalancerMetrics {
	m := LoadBalancerMetrics{
		Requests: c.requests.Load(), NewConnections: c.newConnections.Load(),
		ActiveConnections: c.activeConnections.Load(), FixedResponses: c.fixed.Load(), Redirects: c.redirects.Load(),
		RejectedHeads: c.rejected.Load(), ReceivedBytes: c.receivedBytes.Load(), SentBytes: c.sentBytes.Load(),
		UpgradedConnections: c.upgraded.Load(),
	}
	for i := range c.status {
		m.ELBStatus[i] = c.status[i].Load()
	}
	return m
}

type groupCounts struct {
	requests, connectionErrors atomic.Uint64

	status  [6]atomic.Uint64
	buckets [len(LatencyBuckets) + 1]atomic.Uint64
	sum     atomic.Int64
}

// answered counts a response of a target.
func (c *groupCounts) answered(status int, took time.Duration) {
	c.status[min(status/100, 5)].Add(1)
	c.sum.Add(int64(took))
	i := 0
	for i < len(LatencyBuckets) && took > LatencyBuckets[i] {
		i++
	}
	c.buckets[i].Add(1)
}

func (c *groupCounts) snapshot() TargetGroupMetrics {
	m := TargetGroupMetrics{Requests: c.requests.Load(), ConnectionErrors: c.connectionErrors.Load()}
	for i := range c.status {
		m.Status[i] = c.status[i].Load()
	}
	for i := range c.buckets {
		m.ResponseTime.Counts[i] = c.buckets[i].Load()
	}
	m.ResponseTime.Sum = time.Duration(c.sum.Load())
	return m
}

// Metrics is a snapshot of the counters. They only ever grow while the plane runs.
func (p *Plane) Metrics() Metrics {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := Metrics{
		LoadBalancers: make(map[string]LoadBalancerMetrics, len(p.balancers)),
		TargetGroups:  make(map[string]TargetGroupMetrics, len(p.groups)),
	}
	for id, b := range p.balancers {
		m.LoadBalancers[id] = b.counts.snapshot()
	}
	for id, g := range p.groups {
		m.TargetGroups[id] = g.counts.snapshot()
	}
	return m
}
