package burst

import (
	"sync"
	"time"
)

const (
	// minReach is how short the reach gets.
	minReach = time.Minute
	// steady is for how long the reach stays before it grows again.
	steady = 5 * time.Minute
)

// reach is how far back sign-ups are compared: an hour, and less while more come in that time than the service tells.
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

// shorten halves the reach after the service did not tell all of it; once for all that asked side by side.
func (r *reach) shorten(from time.Duration, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.back == from {
		r.back, r.changed = max(from/2, minReach), now
	}
}

// lengthen doubles the reach when so little was told that the double will be, too.
func (r *reach) lengthen(from time.Duration, told int, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.back == from && told < topK/4 && now.Sub(r.changed) > steady {
		r.back, r.changed = min(2*from, window), now
	}
}
