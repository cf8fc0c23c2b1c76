package delivery

import "sync/atomic"

// changes remembers whether any stack was created, updated or deleted.
type changes struct{ any atomic.Bool }

func (c *changes) note(e Event) {
	if e.Kind == EventStackFinished && (e.Outcome == Created || e.Outcome == Updated || e.Outcome == Deleted) {
		c.any.Store(true)
	}
}
