package captcha

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// breakerFailures in a row open the breaker.
	breakerFailures = 3
	// breakerMin and breakerMax bound the random time for which it stays open, so that instances do not retry at once.
	breakerMin = 5 * time.Second
	breakerMax = 10 * time.Second
)

// breaker is a circuit breaker for a provider that does not respond. After a pause one request probes the provider. It
// is safe for concurrent use.
type breaker struct {
	now func() time.Time

	mu       sync.Mutex
	failures int
	until    time.Time // no request before this time; zero while closed
}

// allow reports whether a request may be sent. After the pause it allows one probe and starts another pause.
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
