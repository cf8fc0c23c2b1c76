package main

import (
	"context"
	"os"
	"os/signal"
	"time"

	"slipway.dev/internal/twin/service/elbv2/dataplane"
)

// interrupted serves until the program is told to end.
func interrupted(p *dataplane.Plane) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return p.Close(ctx)
}
