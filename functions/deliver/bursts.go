package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/burst"
	"newsletter/shared/capture"
	"newsletter/shared/lambdafn"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

const (
	// burstBudget bounds burst detection for a batch, whatever the index does; burstConcurrency is the number of
	// concurrent queries.
	burstBudget      = 3 * time.Second
	burstConcurrency = 5
)

// A burstDetector finds sign-ups that look alike.
type burstDetector interface {
	IsBurst(ctx context.Context, id string, s burst.SignUp) (bool, error)
}

// holdBursts holds the confirmation emails of sign-ups that belong to a burst, and returns all other deliveries. Every
// sign-up is compared and remembered, also one that sends no confirmation email: otherwise a burst that reaches a
// subscriber's address would be smaller by one, and the next sign-up could tell. An email that cannot be checked in time
// is sent.
func (r *run) holdBursts(ctx context.Context, deliveries []outbox.Delivery) []outbox.Delivery {
	if r.bursts == nil {
		return deliveries
	}
	var events []uuid.UUID
	for _, d := range deliveries {
		if comparable(d) {
			events = append(events, d.EventID)
		}
	}
	if len(events) == 0 {
		return deliveries
	}
	began := r.now()
	origins, err := r.subscribers.Origins(ctx, events...)
	if err != nil {
		r.report(ctx, err)
		return deliveries
	}
	inBurst := r.detectBursts(ctx, deliveries, origins)
	capture.Breadcrumb(ctx, "bursts", "checked", r.now().Sub(began))
	var rest []outbox.Delivery
	for i, d := range deliveries {
		if !inBurst[i] || d.Kind != subscription.ConfirmEmail.Kind() {
			rest = append(rest, d)
			continue
		}
		switch err := r.queue.Hold(ctx, d, outbox.HoldBurst); {
		case errors.Is(err, outbox.ErrLeaseLost):
		case err != nil:
			r.report(ctx, err) // the lease brings it back
		default:
			r.count(outbox.HeldBack, 1)
		}
	}
	return rest
}

// comparable reports whether a delivery is the first attempt of a message that a sign-up can cause, and that the owner
// has not released.
func comparable(d outbox.Delivery) bool {
	return d.Attempt == 1 && !d.Released && (d.Kind == outbox.None || slices.Contains(subscription.SignUpKinds(), d.Kind))
}

// detectBursts checks all sign-ups concurrently. It reports only the first failure. The index pauses after some failures.
func (r *run) detectBursts(ctx context.Context, deliveries []outbox.Delivery, origins map[uuid.UUID]subscription.Origin) []bool {
	ctx, cancel := context.WithTimeout(ctx, burstBudget)
	defer cancel()
	inBurst := make([]bool, len(deliveries))
	slots := make(chan struct{}, burstConcurrency)
	var checks sync.WaitGroup
	var failed sync.Once
	for i, d := range deliveries {
		from, known := origins[d.EventID]
		if !known || !comparable(d) {
			continue
		}
		slots <- struct{}{}
		checks.Go(func() {
			defer func() { <-slots }()
			var err error
			inBurst[i], err = r.bursts.IsBurst(ctx, d.ID.String(), burst.SignUp{Mailbox: from.Mailbox, Network: from.IP, UserAgent: from.UserAgent, Source: from.Source})
			if err != nil && !errors.Is(err, burst.ErrUnavailable) {
				failed.Do(func() {
					capture.Error(ctx, err)
					lambdafn.Logger(ctx).WarnContext(ctx, "burst detection failed, sending unchecked", "err", err)
				})
			}
		})
	}
	checks.Wait()
	return inBurst
}
