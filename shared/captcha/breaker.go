package captcha

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

// breaker keeps questions from a provider that does not answer. After a pause one question probes. It is safe for
// concurrent use.
type breaker struct {
	now func() time.Time

	mu       sync.Mutex
	failures int
	until    time.Time // no question before; zero while closed
}

// allow says whether the provider may be asked. Who may while the breaker is open is its probe, and the only one for
// another pause.
func (b *breaker) allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until.IsZero() {
		return true
	}
	if b.now().Before(b.until) {
		return false
	}
	b.open()
	return true
}

func (b *breaker) report(ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ok {
		b.failures, b.until = 0, time.Time{}
		return
	}
	if b.failures++; b.failures >= breakerFailures {
		b.open()
	}
}

func (b *breaker) open() { b.until = b.now().Add(breakerMin + rand.N(breakerMax-breakerMin)) }
