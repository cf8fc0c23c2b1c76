// Package dataplane is the data plane of an Application Load Balancer: it accepts connections, chooses a rule and a
// target for each request, forwards it, and checks the health of the targets. It is a library that knows no store and
// no AWS API: it gets a Config, a snapshot of everything, by Plane.Apply, and tells what it sees by Plane.Health,
// Plane.Watch and Plane.Metrics.
//
// Requests come in two ways. A listener with a Bind address has a port of its own, served by a connection loop made
// for speed: heads are parsed in place, rewritten by slices and sent in one write over pooled connections. Requests that
// arrived at another net/http server come through Plane.ServeHTTP or Plane.Handler. Both share rules, balancing, health,
// stickiness and metrics.
package dataplane
