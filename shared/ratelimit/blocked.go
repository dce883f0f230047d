package ratelimit

import (
	"slices"
	"sync"
	"time"
)

// blocklist remembers until when Redis refuses a call, so that a client who hammers costs Redis nothing. It refuses none
// that would fit: a refused call does not before a known time, unless another instance refunds one. It is safe for
// concurrent use.
type blocklist struct {
	now func() time.Time

	mu    sync.Mutex
	calls *lru[blockedCall, refusal]
}

// blockedCall tells calls apart.
type blockedCall struct {
	counterKey
	cost int
}

type refusal struct {
	asked    time.Time // before Redis was, so that its answer is never kept for too long
	decision Decision
}

func newBlocklist(now func() time.Time) *blocklist {
	return &blocklist{now: now, calls: newLRU[blockedCall, refusal](maxKeys)}
}

// remember notes a refusal that was asked for at a time.
func (b *blocklist) remember(asked time.Time, d Decision) {
	if d.Allowed {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls.put(blockedCall{d.counter, d.cost}, refusal{asked, d})
}

// decision answers a call that is known to be refused still.
func (b *blocklist) decision(where counterKey, call Call) (Decision, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := blockedCall{where, call.Cost}
	known, found := b.calls.get(id)
	if !found || !known.decision.by(call.Policies) {
		return Decision{}, false
	}
	passed := elapsed(known.asked, b.now())
	if passed < 0 || passed >= known.decision.RetryAfter { // less than 0: the clock stepped back, so nothing is known
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

// forget drops what is known about the calls in a log: one of them was refunded.
func (b *blocklist) forget(log string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls.deleteIf(func(r refusal) bool { return r.decision.counter.log == log })
}

// elapsed is the time between two readings of a clock. A process that is frozen between calls may have stopped its
// monotonic clock, and the other one can be set back: the larger difference counts.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}
