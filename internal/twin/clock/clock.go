// Package clock is the one source of time in the twin. Tests run it inside testing/synctest, where waiting costs nothing.
package clock

import (
	"context"
	"time"
)

// Clock tells the time and waits. The zero Clock is the machine's.
type Clock struct{}

// Now is the present time, UTC, to the millisecond: AWS's APIs know nothing finer.
func (Clock) Now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// Sleep waits for d, or until ctx ends, whose error it then returns.
func (Clock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// After returns a channel that receives once d has passed.
func (Clock) After(d time.Duration) <-chan time.Time { return time.After(d) }
