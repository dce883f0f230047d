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

// breaker keeps calls from a Redis that does not answer. After a pause one call tries again; its success closes it.
type breaker struct {
	now func() time.Time

	mu       sync.Mutex
	failures int
	until    time.Time // open until then; zero: closed
	probing  bool
}

func newBreaker(now func() time.Time) *breaker { return &breaker{now: now} }

// allow says whether Redis may be asked. Whoever is allowed must report.
func (b *breaker) allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.until.IsZero():
		return true
	case b.probing || b.now().Before(b.until):
		return false
	}
	b.probing = true
	return true
}

func (b *breaker) report(ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	if ok {
		b.failures, b.until = 0, time.Time{}
		return
	}
	if b.failures++; b.failures >= breakerFailures {
		b.until = b.now().Add(breakerMin + rand.N(breakerMax-breakerMin))
	}
}

func (b *breaker) closed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.until.IsZero()
}
