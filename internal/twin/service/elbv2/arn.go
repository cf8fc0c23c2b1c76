package elbv2

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"

	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// identifier is the last part of an ARN: 16 hexadecimal digits.
func identifier() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// digits is what follows the name in a DNS name: ten decimal digits, the first of which is not 0.
func digits() string {
	n, err := rand.Int(rand.Reader, big.NewInt(9_000_000_000))
	if err != nil { // crypto/rand does not fail on the systems Go knows
		n = big.NewInt(0)
	}
	return n.Add(n, big.NewInt(1_000_000_000)).String()
}

// The ARNs of Elastic Load Balancing, one within the other:
//
//	…:loadbalancer/app/NAME/ID
//	…:listener/app/NAME/ID/LISTENER
//	…:listener-rule/app/NAME/ID/LISTENER/RULE
//	…:targetgroup/NAME/ID
func loadBalancerARN(ctx context.Context, name string) string {
	return operation.ARN(ctx, "elasticloadbalancing", "loadbalancer/app/"+name+"/"+identifier())
}

func listenerARN(loadBalancer string) string {
	return strings.Replace(loadBalancer, ":loadbalancer/", ":listener/", 1) + "/" + identifier()
}

func ruleARN(listener string) string {
	return strings.Replace(listener, ":listener/", ":listener-rule/", 1) + "/" + identifier()
}

func targetGroupARN(ctx context.Context, name string) string {
	return operation.ARN(ctx, "elasticloadbalancing", "targetgroup/"+name+"/"+identifier())
}

// fullName is what metrics and CloudFormation call a load balancer or a target group: "app/web/50dc6c495c0c9188",
// "targetgroup/web/73e2d6bc24d8a067".
func fullName(arn string) string {
	_, name, _ := strings.Cut(arn, ":loadbalancer/")
	if i := strings.Index(arn, ":targetgroup/"); i >= 0 {
		name = arn[i+1:]
	}
	return name
}

// kind is one of the things that have ARNs here, in AWS's words.
type kind struct {
	noun   string // "load balancer"
	prefix string // of the resource part: "loadbalancer/app/"
	code   string // of the error when it does not exist
}

var (
	kindLoadBalancer = kind{"load balancer", "loadbalancer/", "LoadBalancerNotFound"}
	kindListener     = kind{"listener", "listener/", "ListenerNotFound"}
	kindRule         = kind{"rule", "listener-rule/", "RuleNotFound"}
	kindTargetGroup  = kind{"target group", "targetgroup/", "TargetGroupNotFound"}
)

func (k kind) missing() error { return wire.Errorf(k.code, "One or more %ss not found", k.noun) }

// check refuses what is no ARN of that kind.
func (k kind) check(arn string) error {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "elasticloadbalancing" || !strings.HasPrefix(parts[5], k.prefix) {
		return wire.Errorf("ValidationError", "'%s' is not a valid %s ARN", arn, k.noun)
	}
	return nil
}

// find reads a row by its ARN.
func find[T any](ctx context.Context, tx *store.Tx, table *store.Table[T], k kind, arn string) (row T, err error) {
	if err := k.check(arn); err != nil {
		return row, err
	}
	row, err = table.Get(tx, key(ctx, arn))
	if errors.Is(err, store.ErrNotFound) {
		return row, k.missing()
	}
	return row, err
}

// list reads the rows of the caller's account and region.
func list[T any](ctx context.Context, tx *store.Tx, table *store.Table[T]) ([]T, error) {
	c := operation.CallerOf(ctx)
	return table.List(tx, c.Account, c.Region)
}

// listBy reads the rows of a group in the caller's account and region.
func listBy[T any](ctx context.Context, tx *store.Tx, table *store.Table[T], group string) ([]T, error) {
	c := operation.CallerOf(ctx)
	return table.ListBy(tx, c.Account, c.Region, group)
}

// invalid is AWS's error for what a request may not say.
func invalid(format string, args ...any) error {
	return wire.Errorf("ValidationError", format, args...)
}

// later is the error for what a coming release brings.
func later(what, release string) error {
	return wire.Errorf("UnsupportedFeature", "%s not supported yet by the twin; %s", what, release)
}
