package ratelimit

import (
	"sync"
	"time"
)

// maxKeys bounds what a process remembers: 10,000 logs or refusals, a few MB. Beyond it the one asked for least recently
// is forgotten, by which an attacker with that many networks gains little: the caps on mail stand in PostgreSQL.
const maxKeys = 10_000

// local counts in this process. It is safe for concurrent use.
type local struct {
	now func() time.Time

	mu   sync.Mutex
	logs *lru[window]
}

func newLocal(now func() time.Time) *local {
	return &local{now: now, logs: newLRU[window](maxKeys)}
}

// reduced is the limit that one instance keeps to while they cannot count together: half of it, rounded up. An instance
// serves one call at a time, so few of them see one client; and half still lets a visitor try again. A call whose cost
// fits the full limit fits the reduced one.
func reduced(limit, cost int) int { return max((limit+1)/2, min(cost, limit)) }

// full is the limit itself.
func full(limit, _ int) int { return limit }

// take decides a call under limit, which is reduced or full. The policies in the answer are the full ones.
func (l *local) take(keys []string, call Call, limit func(limit, cost int) int) Decision {
	l.mu.Lock()
	defer l.mu.Unlock()
	logs, quotas := make([]window, len(keys)), make([]quota, len(keys))
	for i, key := range keys {
		logs[i], _ = l.logs.get(key)
		quotas[i] = quota{limit(call.Policies[i].Limit, call.Cost), call.Policies[i].Window.Microseconds()}
	}
	allowed, at, counts, after := take(logs, quotas, l.now().UnixMicro(), call.Cost)
	for i, key := range keys {
		l.store(key, after[i])
	}
	d := decide(allowed, at, counts, keys, call)
	d.Tier = Local
	return d
}

func (l *local) refund(d Decision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range d.keys {
		log, _ := l.logs.get(key)
		l.store(key, refund(log, d.at, d.cost))
	}
}

// store keeps what is worth keeping: refused calls of new clients leave nothing behind.
func (l *local) store(key string, log window) {
	if len(log) == 0 {
		l.logs.delete(key)
		return
	}
	l.logs.put(key, log)
}
