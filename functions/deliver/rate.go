package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

const (
	// paceWait is how long a mail above the pace waits before it is looked at again.
	rateWait = 5 * time.Second
	// pausedWait is how long what an operator has to release waits before it is looked at again.
	pausedWait = time.Minute
)

// allowed passes on what may be delivered now and puts the rest off: what is paused, and mails above the pace of all. The
// pace is counted in the database, so it holds for all workers and whatever happens to Redis.
func (r *run) limitRate(ctx context.Context, claimed []outbox.Delivery) []outbox.Delivery {
	traffic, err := r.queue.Traffic(ctx)
	if err != nil {
		r.report(ctx, err)
		r.release(ctx, 0, claimed...)
		return nil
	}
	room := len(claimed)
	if r.config.PerMinute > 0 {
		room = max(0, r.config.PerMinute-traffic.Sent)
	}
	var now, paused, later []outbox.Delivery
	for _, d := range claimed {
		_, isPaused := traffic.Paused[destinationOf(d)]
		switch {
		case isPaused:
			paused = append(paused, d)
		case d.Kind.IsEmail() && room == 0:
			later = append(later, d)
		default:
			now = append(now, d)
			if d.Kind.IsEmail() {
				room--
			}
		}
	}
	r.release(ctx, pausedWait, paused...)
	r.release(ctx, rateWait, later...)
	r.countIfAny("paused", len(paused))
	r.countIfAny("paced", len(later))
	return now
}

// put counts an outcome unless there was none.
func (r *run) countIfAny(outcome string, n int) {
	if n > 0 {
		r.count(outcome, n)
	}
}

// pacer bounds the mails to one registrable domain in each minute, so that a small mail server is not flooded by us. Large providers
// are not counted: the pace of all bounds them. It is safe for concurrent use and belongs to one environment, of which
// there are two at most while one run overlaps the next.
type domainLimiter struct {
	limit int // 0 for none
	now   func() time.Time

	mu     sync.Mutex
	minute time.Time
	sent   map[string]int
}

// take counts a mail to an address, or says how long it has to wait.
func (p *domainLimiter) take(mailbox string) (wait time.Duration) {
	domain := strings.ToLower(mailbox[strings.LastIndexByte(mailbox, '@')+1:])
	if p.limit == 0 || subscription.Provider(domain) != "other" {
		return 0
	}
	domain = subscription.RegistrableDomain(domain)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now() // under the lock, so that no minute comes back
	if minute := now.Truncate(time.Minute); !minute.Equal(p.minute) {
		p.minute, p.sent = minute, map[string]int{}
	}
	if p.sent[domain] >= p.limit {
		return p.minute.Add(time.Minute).Sub(now)
	}
	p.sent[domain]++
	return 0
}
