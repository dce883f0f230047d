package ratelimit

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// breakerFailures consecutive failures open the breaker.
	breakerFailures = 3
	// breakerMin and breakerMax limit the random time for which it stays open, so that instances do not return
	// together.
	breakerMin = 5 * time.Second
	breakerMax = 10 * time.Second
)

// breaker stops calls to a Redis that does not answer. After a pause one call probes it, and its success closes the
// breaker. It is safe for concurrent use.
type breaker struct {
	now func() time.Time

	mu       sync.Mutex
	failures int
	opened   time.Time
	pause    time.Duration // from opened on; 0: closed
}

func newBreaker(now func() time.Time) *breaker { return &breaker{now: now} }

// allow reports whether Redis may be called. While the breaker is open, one call per pause is let through as a probe,
// even if the previous probe never reported.
func (b *breaker) allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pause == 0 {
		return true
	}
	if elapsed(b.opened, b.now()) < b.pause {
		return false
	}
	b.open()
	return true
}

func (b *breaker) report(ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ok {
		b.failures, b.pause = 0, 0
		return
	}
	if b.failures++; b.failures >= breakerFailures {
		b.open()
	}
}

func (b *breaker) open() {
	b.opened, b.pause = b.now(), breakerMin+rand.N(breakerMax-breakerMin)
}
