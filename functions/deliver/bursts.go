package main

import (
	"context"
	"errors"
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
	// screenBudget is what looking for waves may take of a batch, whatever the index does; screenPlaces are asked about
	// side by side.
	burstBudget      = 3 * time.Second
	burstConcurrency = 5
)

// waves tells sign-ups that look alike.
type burstDetector interface {
	IsBurst(ctx context.Context, id string, s burst.SignUp) (bool, error)
}

// screen holds the sign-ups that belong to a wave, before their first mail, and passes on all else. What cannot be judged
// in time is mailed as ever.
func (r *run) holdBursts(ctx context.Context, deliveries []outbox.Delivery) []outbox.Delivery {
	if r.bursts == nil {
		return deliveries
	}
	var events []uuid.UUID
	for _, d := range deliveries {
		if isFirstEmail(d) {
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
	wave := r.detectBursts(ctx, deliveries, origins)
	capture.Breadcrumb(ctx, "screen", "judged", r.now().Sub(began))
	var rest []outbox.Delivery
	for i, d := range deliveries {
		if !wave[i] {
			rest = append(rest, d)
			continue
		}
		switch err := r.queue.Hold(ctx, d, outbox.HoldBurst); {
		case errors.Is(err, outbox.ErrLeaseLost):
		case err != nil:
			r.report(ctx, err) // the lease brings it back
		default:
			r.count("held", 1)
		}
	}
	return rest
}

// isFirstMail says whether a delivery is the first try of a sign-up's first mail, about which the owner has not decided.
func isFirstEmail(d outbox.Delivery) bool {
	return d.Kind == outbox.EmailConfirm && d.Attempt == 1 && !d.Released
}

// judge asks about all first mails, side by side. The first failure is reported; the index rests after some.
func (r *run) detectBursts(ctx context.Context, deliveries []outbox.Delivery, origins map[uuid.UUID]subscription.Origin) []bool {
	ctx, cancel := context.WithTimeout(ctx, burstBudget)
	defer cancel()
	wave := make([]bool, len(deliveries))
	places := make(chan struct{}, burstConcurrency)
	var asking sync.WaitGroup
	var failed sync.Once
	for i, d := range deliveries {
		from, known := origins[d.EventID]
		if !known || !isFirstEmail(d) {
			continue
		}
		places <- struct{}{}
		asking.Go(func() {
			defer func() { <-places }()
			var err error
			wave[i], err = r.bursts.IsBurst(ctx, d.ID.String(), burst.SignUp{Mailbox: from.Mailbox, Network: from.IP, UserAgent: from.UserAgent, Source: from.Source})
			if err != nil && !errors.Is(err, burst.ErrUnavailable) {
				failed.Do(func() {
					capture.Error(ctx, err)
					lambdafn.Logger(ctx).WarnContext(ctx, "sign-ups are mailed unjudged", "err", err)
				})
			}
		})
	}
	asking.Wait()
	return wave
}
