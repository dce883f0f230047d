package burst

import (
	"sync"
	"time"
)

const (
	// minReach is the shortest reach.
	minReach = time.Minute
	// steady is how long the reach stays unchanged before it grows again.
	steady = 5 * time.Minute
)

// A reach is how far back sign-ups are compared: an hour, and less while the service cannot return all sign-ups of that
// time.
type reach struct {
	mu      sync.Mutex
	back    time.Duration
	changed time.Time
}

func (r *reach) get() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.back
}

// shorten sets the reach to half after an incomplete answer of the service, once for all concurrent queries.
func (r *reach) shorten(from time.Duration, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.back == from {
		r.back, r.changed = max(from/2, minReach), now
	}
}

// lengthen sets the reach to its double when the answer was so small that an answer for the double will be complete.
func (r *reach) lengthen(from time.Duration, found int, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.back == from && found < topK/4 && now.Sub(r.changed) > steady {
		r.back, r.changed = min(2*from, window), now
	}
}
