package burst

import (
	"sync"
	"time"
)

const (
	// minLookback is the shortest lookback.
	minLookback = time.Minute
	// growInterval is the time between a change of the lookback and its growth.
	growInterval = 5 * time.Minute
)

// A lookback is how far back sign-ups are compared: an hour, and less while the service cannot return all sign-ups of
// that time.
type lookback struct {
	mu       sync.Mutex
	duration time.Duration
	changed  time.Time
}

func (l *lookback) get() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.duration
}

// shorten sets the lookback to half after an incomplete response of the service, once for all concurrent queries.
func (l *lookback) shorten(from time.Duration, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.duration == from {
		l.duration, l.changed = max(from/2, minLookback), now
	}
}

// lengthen sets the lookback to its double if a response was so small that one for the double will be complete.
func (l *lookback) lengthen(from time.Duration, found int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.duration == from && found < topK/4 && now.Sub(l.changed) > growInterval {
		l.duration, l.changed = min(2*from, maxLookback), now
	}
}
