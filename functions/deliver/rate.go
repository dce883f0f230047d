package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

// pausedWait is the pause of a delivery to a paused destination.
const pausedWait = time.Minute

// claim claims only what may leave now. Emails that anyone can cause wait in the outbox, unclaimed, for the rate of
// email and for the sending circuit breaker; decoys wait as they do. Emails to proven mailboxes do not wait, and a decoy of
// each is counted. Links that a subscriber asked for neither wait nor count: their mailbox budget bounds them. Sent emails
// are counted in the database, so the rate applies to all workers and does not depend on Redis.
func (r *run) claim(ctx context.Context) ([]outbox.Delivery, error) {
	traffic, err := r.queue.Traffic(ctx, subscription.SignUpKinds())
	if err != nil {
		return nil, err
	}
	r.paused = traffic.Paused
	batch, room := r.config.Batch, 2*r.config.Batch
	if r.config.PerMinute > 0 {
		room = max(0, r.config.PerMinute-traffic.Sent)
	}
	limits := outbox.Limits{Due: batch, Waiting: min(batch, room)}
	_, limits.NoEmail = traffic.Paused[outbox.Email]
	switch {
	case limits.NoEmail:
		limits.Waiting = 0
		queued, err := r.queue.QueuePaused(ctx)
		if err != nil {
			return nil, err
		}
		r.countIfAny(outbox.Paused, queued)
	case traffic.BreakerOpen || room < batch:
		queued, err := r.queue.QueueSignUps(ctx, subscription.SignUpKinds())
		if err != nil {
			return nil, err
		}
		r.countIfAny(outbox.Stopped, queued.Breaker)
		r.countIfAny(outbox.RateLimited, queued.Rate-limits.Waiting) // the others leave now
	default: // every due email may leave
		limits.Waiting = min(batch, room-batch)
	}
	return r.queue.Claim(ctx, limits, lease)
}

// limitRate returns the deliveries that may be made now and defers the rest: those to paused destinations, and emails
// above the rate of their domain.
func (r *run) limitRate(ctx context.Context, claimed []outbox.Delivery) []outbox.Delivery {
	domains := map[string]outbox.DomainOf{}
	if r.domainLimiter.limit > 0 {
		var err error
		if domains, err = r.queue.Domains(ctx, claimed); err != nil {
			r.report(ctx, err)
			r.release(ctx, 0, claimed...)
			return nil
		}
	}
	var now, paused []outbox.Delivery
	limited := 0
	for _, d := range claimed {
		of := domains[d.ID.String()]
		_, isPaused := r.paused[destinationOf(d)]
		switch until := r.domainLimiter.take(d, of.Domain); {
		case isPaused:
			paused = append(paused, d)
		case until.IsZero() || of.Proven || !isSignUp(d.Kind):
			now = append(now, d)
		default:
			limited++
			if err := r.queue.DeferForDomain(ctx, d, until); err != nil {
				r.report(ctx, err) // claimed again after the lease
			}
		}
	}
	r.release(ctx, pausedWait, paused...)
	r.countIfAny(outbox.Paused, len(paused))
	r.countIfAny(outbox.RateLimited, limited)
	return now
}

// isSignUp reports whether anyone can cause a message of this kind. Decoys wait as such emails do.
func isSignUp(k outbox.Kind) bool {
	return k == outbox.None || slices.Contains(subscription.SignUpKinds(), k)
}

// countIfAny counts an outcome unless n is 0.
func (r *run) countIfAny(outcome outbox.Outcome, n int) {
	if n > 0 {
		r.count(outcome, n)
	}
}

// domainLimiter limits the emails of sign-ups to one registrable domain in each minute, which protects small mail
// servers. Only the overall rate limits large providers, whose messages have no domain, and exempt domains. It is safe for
// concurrent use. Each execution environment has its own; there are at most two, while one run overlaps the next.
type domainLimiter struct {
	limit  int             // 0 for none
	exempt map[string]bool // by pseudonym
	now    func() time.Time

	mu     sync.Mutex
	places map[string]place // by domain; those of the past are dropped
	swept  time.Time
}

// place is the last minute in which emails to a domain leave, and how many.
type place struct {
	minute time.Time
	emails int
}

// take counts a message to a domain, a decoy too, in the first minute with room. It returns when that minute begins, or
// the zero time for now. A message that already waited for its place is not counted again.
func (l *domainLimiter) take(d outbox.Delivery, domain string) time.Time {
	if l.limit == 0 || domain == "" || l.exempt[domain] || d.HasPlace {
		return time.Time{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	minute := l.now().Truncate(time.Minute) // under the lock, so that minutes never go back
	if minute.After(l.swept) {
		l.swept = minute
		for name, p := range l.places {
			if p.minute.Before(minute) {
				delete(l.places, name)
			}
		}
	}
	if l.places == nil {
		l.places = map[string]place{}
	}
	last, known := l.places[domain]
	switch {
	case !known:
		last = place{minute: minute}
	case last.emails >= l.limit:
		last = place{minute: last.minute.Add(time.Minute)}
	}
	last.emails++
	l.places[domain] = last
	if last.minute.After(minute) {
		return last.minute
	}
	return time.Time{}
}
