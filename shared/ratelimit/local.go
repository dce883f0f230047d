package ratelimit

import (
	"sync"
	"time"
)

// maxKeys limits the memory of a process: 10,000 logs or refusals, a few MB, or about 50 MB if every log were full
// under the default limits. Beyond that the least recently used one is dropped. An attacker with that many networks
// gains little, because the budgets for email are in PostgreSQL.
const maxKeys = 10_000

// local counts in this process. It is safe for concurrent use.
type local struct {
	now func() time.Time

	mu   sync.Mutex
	logs *lru[string, history]
}

func newLocal(now func() time.Time) *local {
	return &local{now: now, logs: newLRU[string, history](maxKeys)}
}

// reduced returns the limit of one instance while instances cannot count together: half, rounded up. An instance serves
// one call at a time, so few instances see one client; and half still lets a visitor try again. A call whose cost fits
// the full limit fits the reduced one.
func reduced(limit, cost int) int { return max((limit+1)/2, min(cost, limit)) }

// full returns the limit itself.
func full(limit, _ int) int { return limit }

// take decides a call under limit, which is reduced or full. The policies in the Decision are the full ones.
func (l *local) take(where counterKey, call Call, limit func(limit, cost int) int) Decision {
	l.mu.Lock()
	defer l.mu.Unlock()
	log, _ := l.logs.get(where.log)
	quotas := call.Policies.quotas()
	for i := range quotas {
		quotas[i].limit = limit(quotas[i].limit, call.Cost)
	}
	allowed, at, counts, after := take(log, quotas, where.host, l.now().UnixMicro(), call.Cost)
	l.store(where.log, after)
	d := decide(allowed, at, counts, where, call)
	d.Backend = Local
	return d
}

func (l *local) refund(d Decision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	log, _ := l.logs.get(d.counter.log)
	l.store(d.counter.log, log.refund(entry{d.at, d.counter.host}, d.cost))
}

// store stores a log that is not empty: refused calls of new clients use no memory.
func (l *local) store(name string, log history) {
	if len(log) == 0 {
		l.logs.delete(name)
		return
	}
	l.logs.put(name, log)
}
