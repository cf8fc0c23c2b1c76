package elbv2

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway.dev/internal/twin/network"
	"slipway.dev/internal/twin/service/elbv2/dataplane"
	"slipway.dev/internal/twin/store"
)

// snapshot is everything that is wanted, of all accounts and regions.
type snapshot struct {
	balancers []store.Row[loadBalancer]
	listeners []store.Row[listener]
	rules     []store.Row[rule]
	groups    []store.Row[targetGroup]
	targets   []store.Row[target]
	addresses map[string]string // where targets answer, by account, region and id of their rows
	checks    map[string]string // where their health checks with a port of their own do, likewise
}

func readSnapshot(tx *store.Tx) (snap snapshot, err error) {
	if snap.balancers, err = loadBalancers.All(tx); err != nil {
		return snap, err
	}
	if snap.listeners, err = listeners.All(tx); err != nil {
		return snap, err
	}
	if snap.rules, err = rules.All(tx); err != nil {
		return snap, err
	}
	if snap.groups, err = targetGroups.All(tx); err != nil {
		return snap, err
	}
	if snap.targets, err = targets.All(tx); err != nil {
		return snap, err
	}
	return snap, snap.resolve(tx)
}

// resolve finds where the targets answer: a container's published port, or an address of this machine itself.
func (snap *snapshot) resolve(tx *store.Tx) error {
	snap.addresses, snap.checks = map[string]string{}, map[string]string{}
	groups := map[string]targetGroup{}
	for _, g := range snap.groups {
		groups[g.Value.ARN] = g.Value
	}
	for _, row := range snap.targets {
		g, t := groups[row.Value.Group], row.Value
		address, err := resolve(tx, row.Key, g.VPC, t.ID, t.Port)
		if err != nil {
			return err
		}
		snap.addresses[t.id()] = address
		if port, err := strconv.Atoi(g.Check.Port); err == nil && port != t.Port {
			if snap.checks[t.id()], err = resolve(tx, row.Key, g.VPC, t.ID, port); err != nil {
				return err
			}
		}
	}
	return nil
}

// resolve is "" where nothing on this machine is known to answer for a target.
func resolve(tx *store.Tx, row store.Key, vpc, id string, port int) (string, error) {
	address, ok, err := network.Lookup(tx, row.Account, row.Region, vpc, id, port)
	if err != nil || ok {
		return address, err
	}
	if ip, err := netip.ParseAddr(id); err == nil && ip.IsLoopback() {
		return net.JoinHostPort(id, strconv.Itoa(port)), nil
	}
	return "", nil
}

// config is the snapshot as the data plane wants it.
func (snap snapshot) config() dataplane.Config {
	config := dataplane.Config{}
	for _, row := range snap.groups {
		config.TargetGroups = append(config.TargetGroups, snap.group(row.Value))
	}
	names := map[string]int{}
	for _, row := range snap.balancers {
		names[strings.ToLower(row.Value.Name)]++
	}
	for _, row := range snap.balancers {
		lb := row.Value
		served := dataplane.LoadBalancer{ID: lb.ARN, Name: lb.Name, DNSName: lb.DNSName, Attributes: servedAttributes(lb.Attributes), Listeners: snap.listenersOf(lb.ARN)}
		if names[strings.ToLower(lb.Name)] == 1 {
			served.Aliases = []string{lb.Name + domain}
		}
		config.LoadBalancers = append(config.LoadBalancers, served)
	}
	return config
}

func (snap snapshot) listenersOf(loadBalancer string) (served []dataplane.Listener) {
	for _, row := range snap.listeners {
		if l := row.Value; l.LoadBalancer == loadBalancer {
			served = append(served, dataplane.Listener{ID: l.ARN, Port: l.Port, Protocol: l.Protocol, Bind: ownAddress(l), Rules: snap.rulesOf(l.ARN)})
		}
	}
	return served
}

func (snap snapshot) rulesOf(listener string) (out []dataplane.Rule) {
	var its []rule
	for _, row := range snap.rules {
		if row.Value.Listener == listener {
			its = append(its, row.Value)
		}
	}
	slices.SortFunc(its, byPriority)
	for _, r := range its {
		out = append(out, dataplane.Rule{ID: r.ARN, Priority: r.Priority, Conditions: servedConditions(r.Conditions), Actions: served(r.Actions)})
	}
	return out
}

func (snap snapshot) group(g targetGroup) dataplane.TargetGroup {
	value := func(key string) string { return targetGroupAttributes.value(g.Attributes, key) }
	out := dataplane.TargetGroup{
		ID: g.ARN, Name: g.Name, Protocol: g.Protocol, ProtocolVersion: g.ProtocolVersion, Algorithm: value("load_balancing.algorithm.type"),
		DeregistrationDelay: seconds(value("deregistration_delay.timeout_seconds")), SlowStart: seconds(value("slow_start.duration_seconds")),
		Stickiness: servedStickiness(value), HealthCheck: g.Check.served(),
	}
	for _, row := range snap.targets {
		t := row.Value
		if t.Group != g.ARN {
			continue
		}
		out.Targets = append(out.Targets, dataplane.Target{
			ID: t.ID, Port: t.Port, Address: snap.addresses[t.id()], Zone: t.Zone, Draining: !t.registered(), HealthAddress: snap.checks[t.id()],
		})
	}
	return out
}

func servedStickiness(value func(string) string) dataplane.Stickiness {
	st := dataplane.Stickiness{Enabled: value("stickiness.enabled") == "true", Type: value("stickiness.type"), CookieName: value("stickiness.app_cookie.cookie_name")}
	st.Duration = seconds(value("stickiness." + st.Type + ".duration_seconds"))
	return st
}

func (c healthCheck) served() dataplane.HealthCheck {
	return dataplane.HealthCheck{
		Protocol: c.Protocol, Port: c.Port, Path: c.Path, Matcher: c.Matcher, Interval: time.Duration(c.Interval) * time.Second,
		Timeout: time.Duration(c.Timeout) * time.Second, HealthyThreshold: c.Healthy, UnhealthyThreshold: c.Unhealthy,
	}
}

func servedAttributes(set map[string]string) dataplane.Attributes {
	value := func(key string) string { return loadBalancerAttributes.value(set, key) }
	on := func(key string) bool { return value(key) == "true" }
	return dataplane.Attributes{
		IdleTimeout: seconds(value("idle_timeout.timeout_seconds")), ClientKeepAlive: seconds(value("client_keep_alive.seconds")),
		DropInvalidHeaderFields:  on("routing.http.drop_invalid_header_fields.enabled"),
		PreserveHostHeader:       on("routing.http.preserve_host_header.enabled"),
		XFFClientPort:            on("routing.http.xff_client_port.enabled"),
		XFFMode:                  dataplane.XFFMode(value("routing.http.xff_header_processing.mode")),
		DesyncMitigation:         dataplane.DesyncMode(value("routing.http.desync_mitigation_mode")),
		HTTP2Disabled:            !on("routing.http2.enabled"),
		TLSVersionAndCipherAdded: on("routing.http.x_amzn_tls_version_and_cipher_suite.enabled"),
	}
}

// seconds reads an attribute that was checked when it was set.
func seconds(text string) time.Duration {
	n, _ := strconv.Atoi(text)
	return time.Duration(n) * time.Second
}

func ownAddress(l listener) string { return fmt.Sprintf("127.0.0.1:%d", l.Own) }
