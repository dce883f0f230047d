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
	// rateWait is the pause of an email above the rate.
	rateWait = 5 * time.Second
	// pausedWait is the pause of a delivery to a paused destination.
	pausedWait = time.Minute
)

// limitRate returns the deliveries that may be made now and defers the rest: those to paused destinations, and emails above
// the rate. Sent emails are counted in the database, so the rate applies to all workers and does not depend on Redis.
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
	r.countIfAny("rate_limited", len(later))
	return now
}

// countIfAny counts an outcome unless n is 0.
func (r *run) countIfAny(outcome string, n int) {
	if n > 0 {
		r.count(outcome, n)
	}
}

// domainLimiter limits the emails to one registrable domain in each minute, which protects small mail servers. Large
// providers are exempt: only the overall rate limits them. It is safe for concurrent use. Each execution environment has
// its own; there are at most two, while one run overlaps the next.
type domainLimiter struct {
	limit int // 0 for none
	now   func() time.Time

	mu     sync.Mutex
	minute time.Time
	sent   map[string]int
}

// take counts an email to an address, or returns how long it has to wait.
func (p *domainLimiter) take(mailbox string) (wait time.Duration) {
	domain := strings.ToLower(mailbox[strings.LastIndexByte(mailbox, '@')+1:])
	if p.limit == 0 || subscription.Provider(domain) != "other" {
		return 0
	}
	domain = subscription.RegistrableDomain(domain)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now() // under the lock, so that minutes never go back
	if minute := now.Truncate(time.Minute); !minute.Equal(p.minute) {
		p.minute, p.sent = minute, map[string]int{}
	}
	if p.sent[domain] >= p.limit {
		return p.minute.Add(time.Minute).Sub(now)
	}
	p.sent[domain]++
	return 0
}
