package main

import (
	"context"

	"newsletter/shared/capture"
	"newsletter/shared/outbox"
)

// mail sends one mail, if it may still leave. The person is asked for as late as can be: nobody who just left is written to.
func (r *run) sendEmail(ctx context.Context, d outbox.Delivery) (string, error) {
	to, clearance, err := r.subscribers.CheckSend(ctx, d)
	if err != nil {
		return "error", err // the lease brings it back
	}
	message, known := r.writer.compose(d, to)
	switch {
	case !known:
		return r.retry(ctx, d, unknownKind)
	case clearance.DropReason != "":
		return clearance.DropReason, r.queue.Complete(ctx, d, clearance.DropReason)
	case clearance.DeferFor > 0:
		r.release(ctx, clearance.DeferFor, d)
		return "capped", nil
	}
	if wait := r.domainLimiter.take(to.Mailbox); wait > 0 {
		r.release(ctx, wait, d)
		return "paced", nil
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
