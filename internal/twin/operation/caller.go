package operation

import (
	"context"
	"fmt"
)

// Caller is who makes a request, and where it is to happen.
type Caller struct {
	Account     string // twelve digits
	Region      string // "us-east-1"
	ARN         string // arn:aws:iam::…:root, …:user/x, arn:aws:sts::…:assumed-role/r/s
	UserID      string // unique id: AIDA…, AROA…:session, or the account for root
	AccessKeyID string
	SourceIP    string
	Endpoint    string // base URL of the twin as this caller reached it, "http://127.0.0.1:4566"
	RequestID   string
	// Service is set when a service of the twin acts by itself or for a user: "cloudformation.amazonaws.com".
	Service string
}

// Root reports whether the caller is the account's root user.
func (c Caller) Root() bool { return c.ARN == fmt.Sprintf("arn:aws:iam::%s:root", c.Account) }

type callerKey struct{}

// WithCaller returns a context that carries the caller.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns the caller that ctx carries; a zero Caller where there is none.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// AsService returns a context in which a service of the twin acts by itself in an account and region.
func AsService(ctx context.Context, principal, account, region string) context.Context {
	return WithCaller(ctx, Caller{
		Account: account, Region: region, Service: principal,
		ARN:    fmt.Sprintf("arn:aws:iam::%s:role/aws-service-role/%s", account, principal),
		UserID: principal,
	})
}

// ARN builds an Amazon Resource Name in the caller's account and region.
func ARN(ctx context.Context, service, resource string) string {
	c := CallerOf(ctx)
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, c.Region, c.Account, resource)
}
