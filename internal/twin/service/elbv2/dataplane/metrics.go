package dataplane

import "time"

// Metrics are counters since the plane started, by load balancer and by target group. A reader that wants a rate takes
// the difference of two snapshots.
type Metrics struct {
	LoadBalancers map[string]LoadBalancerMetrics // by ID
	TargetGroups  map[string]TargetGroupMetrics  // by ID
}

// LoadBalancerMetrics count what reached a load balancer.
type LoadBalancerMetrics struct {
	Requests            uint64    // RequestCount: those for which a target was found
	NewConnections      uint64    // NewConnectionCount, on the listeners' own ports
	ActiveConnections   int64     // ActiveConnectionCount, now
	ELBStatus           [6]uint64 // HTTPCode_ELB_nXX_Count at index n: answers the load balancer gave itself
	FixedResponses      uint64    // HTTP_Fixed_Response_Count
	Redirects           uint64    // HTTP_Redirect_Count
	RejectedHeads       uint64    // requests refused as malformed or ambiguous, within ELBStatus[4]
	ReceivedBytes       uint64    // bytes of requests on the listeners' own ports
	SentBytes           uint64    // bytes of responses on the listeners' own ports
	UpgradedConnections uint64    // WebSocket and other tunnels opened
}

// TargetGroupMetrics count what was sent to the targets of a group.
type TargetGroupMetrics struct {
	Requests         uint64    // RequestCount with the dimension TargetGroup
	Status           [6]uint64 // HTTPCode_Target_nXX_Count at index n
	ConnectionErrors uint64    // TargetConnectionErrorCount
	ResponseTime     Histogram // TargetResponseTime: from the request's last byte sent to the response's head received
}

// LatencyBuckets are the upper bounds of a Histogram's buckets but the last, which has none.
var LatencyBuckets = [...]time.Duration{
	100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
}

// Histogram counts durations by bucket.
type Histogram struct {
	Counts [len(LatencyBuckets) + 1]uint64
	Sum    time.Duration
}
