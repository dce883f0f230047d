package main

import (
	"context"

	"newsletter/shared/capture"
	"newsletter/shared/outbox"
)

// mail sends one mail. The person is asked for as late as can be: nobody who just left is written to.
func (r *run) mail(ctx context.Context, d outbox.Delivery) (string, error) {
	people, err := r.people.Recipients(ctx, d.SubscriberID)
	if err != nil {
		return "error", err // the lease brings it back
	}
	to := people[d.SubscriberID]
	message, known := r.writer.write(d, to)
	switch {
	case !known:
		return r.retry(ctx, d, unknownKind)
	case !to.Accepts(d.Kind, d.Epoch):
		return "stale", r.queue.Done(ctx, d, "stale")
	}
	if wait := r.pacer.take(to.Mailbox, r.now()); wait > 0 {
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
	return r.settle(ctx, d, "sent", err)
}
