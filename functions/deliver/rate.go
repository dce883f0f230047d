package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

const (
	// rateWait is the pause of an email above the rate.
	rateWait = 5 * time.Second
	// pausedWait is the pause of a delivery to a paused destination.
	pausedWait = time.Minute
)

// limitRate returns the deliveries that may be made now and defers the rest: those to paused destinations, and emails
// above the rate. Sent emails are counted in the database, so the rate applies to all workers and does not depend on
// Redis.
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
	if err := r.readMailboxes(ctx, now); err != nil {
		r.report(ctx, err)
		r.release(ctx, 0, claimed...)
		return nil
	}
	r.release(ctx, pausedWait, paused...)
	r.release(ctx, rateWait, later...)
	r.countIfAny(outbox.Paused, len(paused))
	r.countIfAny(outbox.RateLimited, len(later))
	return now
}

// countIfAny counts an outcome unless n is 0.
func (r *run) countIfAny(outcome outbox.Outcome, n int) {
	if n > 0 {
		r.count(outcome, n)
	}
}

// readMailboxes reads the recipients of the emails among some deliveries, if the rate of a domain is limited.
func (r *run) readMailboxes(ctx context.Context, deliveries []outbox.Delivery) (err error) {
	var ids []uuid.UUID
	for _, d := range deliveries {
		if d.Kind.IsEmail() && r.domainLimiter.limit > 0 {
			ids = append(ids, d.SubscriberID)
		}
	}
	r.mailboxes = nil
	if len(ids) > 0 {
		r.mailboxes, err = r.subscribers.Recipients(ctx, ids...)
	}
	return err
}

// domainLimiter limits the emails to one registrable domain in each minute, which protects small mail servers. Large
// providers are exempt: only the overall rate limits them. It is safe for concurrent use. Each execution environment
// has its own; there are at most two, while one run overlaps the next.
type domainLimiter struct {
	limit int // 0 for none
	now   func() time.Time

	mu     sync.Mutex
	minute time.Time
	sent   map[string]int
}

// take counts an email to an address, or returns how long it has to wait.
func (l *domainLimiter) take(mailbox string) (wait time.Duration) {
	domain := l.domain(mailbox)
	if domain == "" {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now() // under the lock, so that minutes never go back
	if minute := now.Truncate(time.Minute); !minute.Equal(l.minute) {
		l.minute, l.sent = minute, map[string]int{}
	}
	if l.sent[domain] >= l.limit {
		return l.minute.Add(time.Minute).Sub(now)
	}
	l.sent[domain]++
	return 0
}

// refund takes back the count of an email that is not sent.
func (l *domainLimiter) refund(mailbox string) {
	domain := l.domain(mailbox)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sent[domain] > 0 { // not counted in an earlier minute
		l.sent[domain]--
	}
}

// domain returns the domain that the emails to an address are counted by; empty if its rate is not limited.
func (l *domainLimiter) domain(mailbox string) string {
	if l.limit == 0 {
		return ""
	}
	address, err := subscription.ParseAddress(mailbox)
	if err != nil { // stored under older rules, or "" if the subscriber is gone
		return strings.ToLower(mailbox[strings.LastIndexByte(mailbox, '@')+1:])
	}
	return address.LimitedDomain()
}
