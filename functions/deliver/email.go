package main

import (
	"context"

	"newsletter/shared/capture"
	"newsletter/shared/outbox"
)

// sendEmail sends one email if CheckSend still allows it. The check is as late as possible, so that a subscriber who just
// left gets no email.
func (r *run) sendEmail(ctx context.Context, d outbox.Delivery) (string, error) {
	to, decision, err := r.subscribers.CheckSend(ctx, d)
	if err != nil {
		return "error", err // claimed again after the lease
	}
	message, known := r.writer.compose(d, to)
	switch {
	case !known:
		return r.retry(ctx, d, unknownKind)
	case decision.DropReason != "":
		return decision.DropReason, r.queue.Complete(ctx, d, decision.DropReason)
	case decision.DeferFor > 0:
		r.release(ctx, decision.DeferFor, d)
		return "over_budget", nil
	}
	if wait := r.domainLimiter.take(to.Mailbox); wait > 0 {
		r.release(ctx, wait, d)
		return "rate_limited", nil
	}
	began := r.now()
	_, err = r.sender.Send(ctx, message)
	outcome := "sent"
	if err != nil {
		outcome = "failed"
	}
	capture.Breadcrumb(ctx, "send", outcome, r.now().Sub(began))
	return r.finish(ctx, d, "sent", err)
}
