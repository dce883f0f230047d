package ratelimit

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// breakerFailures in a row open the breaker.
	breakerFailures = 3
	// breakerMin and breakerMax bound the random time for which it stays open, so that instances do not come back together.
	breakerMin = 5 * time.Second
	breakerMax = 10 * time.Second
)

// breaker keeps calls from a Redis that does not answer. After a pause one call tries again, and its success closes the
// breaker. It is safe for concurrent use.
type breaker struct {
	now func() time.Time

	mu       sync.Mutex
	failures int
	opened   time.Time
	pause    time.Duration // from opened on; 0: closed
}

func newBreaker(now func() time.Time) *breaker { return &breaker{now: now} }

// allow says whether Redis may be asked. Who is allowed while the breaker is open is its probe: the next one is only
// after another pause, should this one never report.
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
