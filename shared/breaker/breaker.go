// Package breaker stops calls to a service that does not respond, so that not every request waits for it.
//
// Invariants: a breaker opens after its number of consecutive failures. While it is open, one call per pause is let
// through as a probe; a success closes it. A probe that never reports does not keep it open forever.
package breaker

import (
	"math/rand/v2"
	"sync"
	"time"
)

// A Breaker guards the calls to one service. It is safe for concurrent use.
type Breaker struct {
	limit int
	pause time.Duration
	now   func() time.Time

	mu       sync.Mutex
	failures int
	opened   time.Time
	wait     time.Duration // from opened on; 0 while closed
}

// New returns a closed Breaker that opens after limit consecutive failures. Each time it stays open for a random time
// between half of pause and pause, so that instances do not return together.
func New(limit int, pause time.Duration, now func() time.Time) *Breaker {
	return &Breaker{limit: limit, pause: pause, now: now}
}

// Allow reports whether the service may be called. A call that is allowed must be followed by Report, unless it was
// stopped for a reason of its own.
func (b *Breaker) Allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wait == 0 {
		return true
	}
	// The monotonic clock stops while Lambda freezes the environment, and the wall clock may be set back.
	now := b.now()
	if max(now.Sub(b.opened), now.Round(0).Sub(b.opened.Round(0))) < b.wait {
		return false
	}
	b.open()
	return true
}

// Report records whether the service responded to an allowed call.
func (b *Breaker) Report(ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ok {
		b.failures, b.wait = 0, 0
		return
	}
	if b.failures++; b.failures >= b.limit {
		b.open()
	}
}

func (b *Breaker) open() {
	b.opened, b.wait = b.now(), b.pause/2+rand.N(b.pause/2)
}
