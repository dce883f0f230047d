package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"newsletter/shared/engagement"
	"newsletter/shared/lambdafn"
	"newsletter/shared/outbox"
)

// breakerWindow is the period in which bounces and complaints are counted.
const breakerWindow = 24 * time.Hour

// checkBreaker pauses all emails when too many of them bounce or cause complaints: these damage the reputation of the
// owner's account, and Amazon suspends accounts for them. The owner resumes.
func (r *run) checkBreaker(ctx context.Context) {
	rates, err := engagement.RatesSince(ctx, r.db, r.now().Add(-breakerWindow))
	if err != nil {
		r.report(ctx, err)
		return
	}
	reason := ""
	switch c := r.config; {
	case rates.Bounces >= c.BouncesMin && rates.Percent(rates.Bounces) >= c.BouncePercent:
		reason = "bounces"
	case rates.Complaints >= c.ComplaintsMin && rates.Percent(rates.Complaints) >= c.ComplaintPercent:
		reason = "complaints"
	default:
		return
	}
	traffic, err := r.queue.Traffic(ctx)
	if err != nil {
		r.report(ctx, err)
		return
	}
	if _, paused := traffic.Paused[outbox.Email]; paused {
		return
	}
	if err := r.queue.Pause(ctx, outbox.Email, reason); err != nil {
		r.report(ctx, err)
		return
	}
	lambdafn.Logger(ctx).ErrorContext(ctx, "all emails paused", "reason", reason, "sent", rates.Sent, "bounces", rates.Bounces, "complaints", rates.Complaints)
	r.report(ctx, fmt.Errorf("all emails paused because of %s: %w", reason, errPaused))
}

var errPaused = errors.New("see `newsletter destination list`")
