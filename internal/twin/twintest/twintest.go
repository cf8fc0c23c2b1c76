// Package twintest runs a whole twin for a test: real sockets, a real state file, every service.
package twintest

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"slipway.dev/internal/engine"
	"slipway.dev/internal/twin"
	"slipway.dev/internal/twin/operation"
)

// Twin is a running twin and a context in which its root user calls operations in us-east-1.
type Twin struct {
	*twin.Twin
	Invoker operation.Invoker
	Context context.Context
	Dir     string
	stop    context.CancelFunc
	done    chan error
}

// Start runs a twin until the test ends.
func Start(t testing.TB) *Twin { return StartIn(t, t.TempDir()) }

// StartIn runs a twin on the state in dir.
func StartIn(t testing.TB, dir string) *Twin {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("SLIPWAY_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	opened, err := twin.Open(twin.Options{Dir: dir, Address: "127.0.0.1:0", Region: "us-east-1", Engine: engine.Find, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	w := &Twin{Twin: opened, Invoker: opened.Gateway(), Dir: dir, stop: stop, done: make(chan error, 1)}
	w.Context = As(context.Background(), twin.Account, "us-east-1")
	go func() { w.done <- opened.Run(ctx) }()
	t.Cleanup(func() { w.Stop(t) })
	return w
}

// Stop ends the twin; the state stays. Stopping twice is allowed.
func (w *Twin) Stop(t testing.TB) {
	t.Helper()
	if w.done == nil {
		return
	}
	w.stop()
	if err := <-w.done; err != nil {
		t.Errorf("twin ended with: %v", err)
	}
	w.done = nil
}

// Env is what a program needs in its environment to talk to the twin as its root user: the AWS CLI, the SDKs, Terraform.
func (w *Twin) Env() []string {
	id, secret := w.RootKey()
	return []string{
		"AWS_ENDPOINT_URL=http://" + w.Address(), "AWS_ACCESS_KEY_ID=" + id, "AWS_SECRET_ACCESS_KEY=" + secret,
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_DISABLE_HOST_PREFIX_INJECTION=true", // a live tail would go to streaming-127.0.0.1
	}
}

// As returns a context in which the root user of an account acts in a region.
func As(ctx context.Context, account, region string) context.Context {
	return operation.WithCaller(ctx, operation.Caller{
		Account: account, Region: region, ARN: "arn:aws:iam::" + account + ":root", UserID: account, Endpoint: "http://127.0.0.1:4566",
	})
}
