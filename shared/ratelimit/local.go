package ratelimit

import (
	"container/list"
	"sync"
	"time"
)

// localKeys bounds the logs that a process keeps: 10,000 clients, a few MB. Beyond it the one asked least recently is
// forgotten, which an attacker with that many networks gains little by: the caps on mail stand in PostgreSQL.
const localKeys = 10_000

// local counts in this process.
type local struct {
	now func() time.Time

	mu   sync.Mutex
	logs map[string]*list.Element // of entry
	lru  *list.List               // the last asked in front
}

type entry struct {
	key string
	log window
}

func newLocal(now func() time.Time) *local {
	return &local{now: now, logs: make(map[string]*list.Element), lru: list.New()}
}

// reduced is the limit that one of several instances keeps to when they cannot count together. Half, because a lost
// Redis is met by few instances at a low load, and one instance must still let a visitor try again.
func reduced(limit int) int { return (limit + 1) / 2 }

// take decides with reduced limits. The policies in the answer are the full ones, so that the answer does not tell the
// client which tier decided.
func (l *local) take(keys []string, call Call, reason string) Decision {
	d := l.count(keys, call, reduced)
	d.Tier, d.Reason = Local, reason
	return d
}

func (l *local) count(keys []string, call Call, limit func(int) int) Decision {
	l.mu.Lock()
	defer l.mu.Unlock()
	logs, quotas := make([]window, len(keys)), make([]quota, len(keys))
	for i, key := range keys {
		logs[i] = l.entry(key).log
		quotas[i] = quota{limit(call.Policies[i].Limit), call.Policies[i].Window.Microseconds()}
	}
	allowed, at, counts, after := take(logs, quotas, micros(l.now()), call.Cost)
	for i, key := range keys {
		l.entry(key).log = after[i]
	}
	l.forget()
	return decide(allowed, at, counts, keys, call)
}

func (l *local) refund(d Decision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range d.keys {
		e := l.entry(key)
		e.log = refund(e.log, d.at, d.cost)
	}
}

func (l *local) entry(key string) *entry {
	if element, found := l.logs[key]; found {
		l.lru.MoveToFront(element)
		return element.Value.(*entry)
	}
	e := &entry{key: key}
	l.logs[key] = l.lru.PushFront(e)
	return e
}

func (l *local) forget() {
	for l.lru.Len() > localKeys {
		last := l.lru.Back()
		l.lru.Remove(last)
		delete(l.logs, last.Value.(*entry).key)
	}
}

// blocklist remembers until when Redis refuses a client, so that an attacker costs Redis nothing.
type blocklist struct {
	now func() time.Time

	mu    sync.Mutex
	until map[string]blockade // by the call's first key
}

type blockade struct {
	until  time.Time
	states []State
}

func newBlocklist(now func() time.Time) *blocklist {
	return &blocklist{now: now, until: make(map[string]blockade)}
}

// remember notes a refusal, until the exact time at which the call would be allowed again.
func (b *blocklist) remember(keys []string, d Decision) {
	if d.Allowed || d.RetryAfter <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if len(b.until) >= localKeys {
		for key, blocked := range b.until {
			if !blocked.until.After(now) {
				delete(b.until, key)
			}
		}
		if len(b.until) >= localKeys {
			clear(b.until) // they are asked of Redis again
		}
	}
	b.until[blockKey(keys, d.cost)] = blockade{now.Add(d.RetryAfter), d.States}
}

// decision answers a call that is known to be refused.
func (b *blocklist) decision(keys []string, call Call) (Decision, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := blockKey(keys, call.Cost)
	blocked, found := b.until[key]
	now := b.now()
	if !found || !blocked.until.After(now) {
		delete(b.until, key)
		return Decision{}, false
	}
	left := blocked.until.Sub(now)
	d := Decision{Tier: Memory, Reason: "blocked", RetryAfter: left, keys: keys, cost: call.Cost}
	for _, s := range blocked.states {
		if s.Violated {
			s.Reset = left
		}
		d.States = append(d.States, s)
	}
	return d, true
}

func (b *blocklist) forget(keys []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.until, blockKey(keys, 1))
}

// blockKey tells blocked calls apart: by all their logs, because hosts of one site differ in one of them, and by cost.
func blockKey(keys []string, cost int) string {
	key := string(rune(cost))
	for _, k := range keys {
		key += "\n" + k
	}
	return key
}
