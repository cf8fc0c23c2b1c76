package dataplane

import (
	"math/rand/v2"
	"time"
)

// forward is a forward action made ready.
type forward struct {
	shares     []share
	total      int // sum of the weights
	stickiness time.Duration
}

// share is a target group with its part of the requests.
type share struct {
	group  *group
	weight int
	token  string // what the stickiness cookie calls the group
}

// choose finds the target group: the one the client is bound to, else one by chance and weight.
func (f *forward) choose(headers headerSource) *share {
	if len(f.shares) == 1 {
		return &f.shares[0]
	}
	if f.stickiness > 0 {
		bound := cookie(headers, groupCookie)
		for i := range f.shares {
			if f.shares[i].weight > 0 && f.shares[i].token == bound {
				return &f.shares[i]
			}
		}
	}
	if f.total == 0 {
		return nil
	}
	mark := rand.IntN(f.total)
	for i := range f.shares {
		if mark -= f.shares[i].weight; mark < 0 {
			return &f.shares[i]
		}
	}
	return nil
}

// route is what was decided for one request.
type route struct {
	share  *share
	target *target
	// cookies to set on the response
	bindGroup  time.Duration
	bindTarget time.Duration
	// appCookie, when set, makes bindTarget depend on the target's own response setting that cookie.
	appCookie string
}

// pick chooses the group and the target, which has one more request in flight from then on: the caller must call its
// end method. The target is nil when there is none (503).
func (f *forward) pick(headers headerSource) route {
	s := f.choose(headers)
	if s == nil {
		return route{}
	}
	r := route{share: s}
	if f.stickiness > 0 && len(f.shares) > 1 {
		r.bindGroup = f.stickiness
	}
	s.group.pick(&r, headers)
	return r
}
