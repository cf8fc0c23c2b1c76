package elbv2

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"time"

	api "slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/service/elbv2/dataplane"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// target is a registered target. One that was deregistered stays, draining, until what was under way to it is done or the
// deregistration delay is over. Its health is the data plane's to tell.
type target struct {
	Group    string
	ID       string // an instance id or an address
	Port     int
	Zone     string    // as given: an Availability Zone or "all"
	Draining time.Time // when it was deregistered; zero for a registered one
}

var targets = &store.Table[target]{Name: "elbv2_targets", By: func(t target) string { return t.Group }}

func (t target) id() string { return fmt.Sprintf("%s|%s|%d", t.Group, t.ID, t.Port) }

func (t target) registered() bool { return t.Draining.IsZero() }

// RegisterTargets adds targets to a target group; those that are in it already stay.
func (s *Service) RegisterTargets(ctx context.Context, in *api.RegisterTargetsInput) (*api.RegisterTargetsOutput, error) {
	return &api.RegisterTargetsOutput{}, s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := find(ctx, tx, targetGroups, kindTargetGroup, in.TargetGroupArn)
		if err != nil {
			return err
		}
		its, err := listBy(ctx, tx, targets, g.ARN)
		if err != nil {
			return err
		}
		if len(its)+len(in.Targets) > mostTargets {
			return wire.Errorf("TooManyTargets", "The maximum number of targets for target group '%s' has been reached", g.ARN)
		}
		for _, d := range in.Targets {
			t := target{Group: g.ARN, ID: d.Id, Port: portOf(d, g), Zone: wire.Value(d.AvailabilityZone)}
			if err := t.check(g); err != nil {
				return err
			}
			if err := targets.Put(tx, key(ctx, t.id()), t); err != nil {
				return err
			}
		}
		return nil
	})
}

func portOf(d api.TargetDescription, g targetGroup) int {
	if d.Port != nil {
		return *d.Port
	}
	return g.Port
}

var instanceID = regexp.MustCompile(`^m?i-[0-9a-f]{8,17}$`)

// check holds what a target group of that type takes. Loopback addresses are this twin's own: a program of this machine.
func (t target) check(g targetGroup) error {
	if t.Port < 1 || t.Port > 65535 {
		return invalid("Port '%d' of target '%s' must be between 1 and 65535", t.Port, t.ID)
	}
	if g.TargetType == "instance" {
		if !instanceID.MatchString(t.ID) {
			return wire.Errorf("InvalidTarget", "The following targets are not valid instance IDs: '%s'", t.ID)
		}
		return nil
	}
	address, err := netip.ParseAddr(t.ID)
	switch {
	case err != nil || address.Is4() != (g.IPAddressType == "ipv4"):
		return invalid("The IP address '%s' is not a valid %s address", t.ID, g.IPAddressType)
	case !address.IsPrivate() && !address.IsLoopback() && !sharedRange.Contains(address):
		return invalid("The IP address '%s' is not within a private range or the VPC of the target group", t.ID)
	}
	return nil
}

// sharedRange is the address space of RFC 6598, which targets may have too.
var sharedRange = netip.MustParsePrefix("100.64.0.0/10")

// DeregisterTargets begins to drain targets. A description without a port means every port of that target; a target that is
// not registered is no error.
func (s *Service) DeregisterTargets(ctx context.Context, in *api.DeregisterTargetsInput) (*api.DeregisterTargetsOutput, error) {
	return &api.DeregisterTargetsOutput{}, s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := find(ctx, tx, targetGroups, kindTargetGroup, in.TargetGroupArn)
		if err != nil {
			return err
		}
		its, err := listBy(ctx, tx, targets, g.ARN)
		if err != nil {
			return err
		}
		for _, t := range its {
			if !t.registered() || !slices.ContainsFunc(in.Targets, t.isMeant) {
				continue
			}
			t.Draining = s.Clock.Now()
			if err := targets.Put(tx, key(ctx, t.id()), t); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t target) isMeant(d api.TargetDescription) bool {
	return t.ID == d.Id && (d.Port == nil || *d.Port == t.Port)
}

// DescribeTargetHealth tells the health of all targets of a group, draining ones included, or of those that are named.
func (s *Service) DescribeTargetHealth(ctx context.Context, in *api.DescribeTargetHealthInput) (*api.DescribeTargetHealthOutput, error) {
	var g targetGroup
	var its []target
	var used bool
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if g, err = find(ctx, tx, targetGroups, kindTargetGroup, in.TargetGroupArn); err != nil {
			return err
		}
		users, err := usersOf(ctx, tx)
		if err != nil {
			return err
		}
		used = len(users[g.ARN]) > 0
		its, err = listBy(ctx, tx, targets, g.ARN)
		return err
	})
	if err != nil {
		return nil, err
	}
	seen := s.plane.Health(g.ARN)
	out := &api.DescribeTargetHealthOutput{TargetHealthDescriptions: []api.TargetHealthDescription{}}
	for _, t := range its {
		if len(in.Targets) == 0 || slices.ContainsFunc(in.Targets, t.isMeant) {
			out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, t.describe(g, t.health(seen, used), in.Include))
		}
	}
	for _, d := range in.Targets {
		if !slices.ContainsFunc(its, func(t target) bool { return t.isMeant(d) }) {
			t := target{Group: g.ARN, ID: d.Id, Port: portOf(d, g)}
			out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, t.describe(g, notRegistered, nil))
		}
	}
	return out, nil
}

var notRegistered = dataplane.TargetHealth{
	State: dataplane.StateUnused, Reason: dataplane.ReasonNotRegistered, Description: "Target is not registered to the target group",
}

// health is what the plane sees of a target; it sees one a moment after it was registered.
func (t target) health(seen []dataplane.TargetHealth, used bool) dataplane.TargetHealth {
	i := slices.IndexFunc(seen, t.isSeen)
	switch {
	case !t.registered():
		return dataplane.TargetHealth{State: dataplane.StateDraining, Reason: dataplane.ReasonDeregistrationInProgress, Description: "Target deregistration is in progress"}
	case !used:
		return dataplane.TargetHealth{State: dataplane.StateUnused, Reason: dataplane.ReasonNotInUse, Description: "Target group is not configured to receive traffic from the load balancer"}
	case i < 0 || seen[i].State == dataplane.StateDraining || seen[i].State == dataplane.StateUnused:
		return dataplane.TargetHealth{State: dataplane.StateInitial, Reason: dataplane.ReasonRegistrationInProgress, Description: "Target registration is in progress"}
	case seen[i].Target.Address == "" && seen[i].State == dataplane.StateUnhealthy:
		seen[i].Description = fmt.Sprintf("Health checks failed: on this machine nothing is known to answer for %s port %d", t.ID, t.Port)
	}
	return seen[i]
}

func (t target) isSeen(h dataplane.TargetHealth) bool {
	return h.Target.ID == t.ID && h.Target.Port == t.Port
}

func (t target) describe(g targetGroup, h dataplane.TargetHealth, include []string) api.TargetHealthDescription {
	checked := g.Check.Port
	if checked == "traffic-port" {
		checked = strconv.Itoa(t.Port)
	}
	out := api.TargetHealthDescription{
		Target:          &api.TargetDescription{Id: t.ID, Port: &t.Port, AvailabilityZone: wire.Maybe(t.Zone)},
		HealthCheckPort: &checked,
		TargetHealth:    &api.TargetHealth{State: new(string(h.State)), Reason: wire.Maybe(string(h.Reason)), Description: wire.Maybe(h.Description)},
	}
	if slices.Contains(include, "AnomalyDetection") || slices.Contains(include, "All") {
		out.AnomalyDetection = &api.AnomalyDetection{Result: new("normal"), MitigationInEffect: new("no")}
	}
	return out
}
