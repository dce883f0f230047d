package ratelimit

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// blocklist remembers until when Redis refuses a call, so that a client who hammers costs Redis nothing. It refuses none
// that would fit: a refused call does not before a known time, unless another instance refunds one. It is safe for
// concurrent use.
type blocklist struct {
	now func() time.Time

	mu    sync.Mutex
	calls *lru[refusal] // by what tells calls apart
}

type refusal struct {
	asked    time.Time // before Redis was, so that its answer is never kept for too long
	decision Decision
}

func newBlocklist(now func() time.Time) *blocklist {
	return &blocklist{now: now, calls: newLRU[refusal](maxKeys)}
}

// remember notes a refusal that was asked for at a time.
func (b *blocklist) remember(asked time.Time, d Decision) {
	if d.Allowed {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls.put(callID(d.keys, d.cost), refusal{asked, d})
}

// decision answers a call that is known to be refused still.
func (b *blocklist) decision(keys []string, cost int) (Decision, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := callID(keys, cost)
	known, found := b.calls.get(id)
	if !found {
		return Decision{}, false
	}
	passed := elapsed(known.asked, b.now())
	if passed < 0 || passed >= known.decision.RetryAfter { // less than 0: the clock stepped back, so nothing is known
		b.calls.delete(id)
		return Decision{}, false
	}
	d := known.decision
	d.Tier, d.Reason = Memory, reasonBlocked
	d.RetryAfter -= passed
	d.States = slices.Clone(d.States)
	for i := range d.States {
		s := &d.States[i]
		s.Reset = max(0, s.Reset-passed)
		s.Violated = s.Violated && s.Reset > 0
	}
	return d, true
}

// forget drops what is known about calls that share a log: one of them was refunded.
func (b *blocklist) forget(keys []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls.deleteIf(func(r refusal) bool {
		return slices.ContainsFunc(r.decision.keys, func(key string) bool { return slices.Contains(keys, key) })
	})
}

// callID tells calls apart: by all their logs, because hosts of one site differ in one of them, and by cost.
func callID(keys []string, cost int) string {
	return strconv.Itoa(cost) + " " + strings.Join(keys, " ")
}

// elapsed is the time between two readings of a clock. A process that is frozen between calls may have stopped its
// monotonic clock, and the other one can be set back: the larger difference counts.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}
