package ratelimit

import (
	"slices"
	"sync"
	"time"
)

// blocklist remembers until when Redis refuses a call, so that repeated calls of a client do not reach Redis. It
// refuses no call that fits: a refused call does not fit before a known time, unless another instance refunds a call.
// It is safe for concurrent use.
type blocklist struct {
	now func() time.Time

	mu    sync.Mutex
	calls *lru[blockedCall, refusal]
}

// blockedCall identifies a call.
type blockedCall struct {
	counterKey
	cost int
}

type refusal struct {
	asked    time.Time // before the call to Redis, so that its answer is never kept too long
	decision Decision
}

func newBlocklist(now func() time.Time) *blocklist {
	return &blocklist{now: now, calls: newLRU[blockedCall, refusal](maxKeys)}
}

// remember stores a refusal of a call made at a time.
func (b *blocklist) remember(asked time.Time, d Decision) {
	if d.Allowed {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls.put(blockedCall{d.counter, d.cost}, refusal{asked, d})
}

// decision returns the refusal of a call that is still known to be refused.
func (b *blocklist) decision(where counterKey, call Call) (Decision, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := blockedCall{where, call.Cost}
	known, found := b.calls.get(id)
	if !found || !known.decision.by(call.Policies) {
		return Decision{}, false
	}
	passed := elapsed(known.asked, b.now())
	if passed < 0 || passed >= known.decision.RetryAfter { // negative: the clock stepped back, so nothing is known
		b.calls.delete(id)
		return Decision{}, false
	}
	d := known.decision
	d.Backend, d.Reason = Memory, reasonBlocked
	d.RetryAfter -= passed
	d.States = slices.Clone(d.States)
	for i := range d.States {
		s := &d.States[i]
		s.Reset = max(0, s.Reset-passed)
		s.Violated = s.Violated && s.Reset > 0
	}
	return d, true
}

// forget removes the refusals of a log, because one of its calls was refunded.
func (b *blocklist) forget(log string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls.deleteIf(func(r refusal) bool { return r.decision.counter.log == log })
}

// elapsed returns the time between two readings of a clock. The monotonic clock of a process frozen between calls may
// have stopped, and the wall clock can be set back: the larger difference counts.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}
