package main

import (
	"context"

	"newsletter/shared/capture"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

// check asks a destination that reported an unsubscribe whether the subscriber is unsubscribed there, and ends the
// subscription. The report alone does not suffice: it also comes when the owner or this system deletes a contact, and
// when this system unsubscribes one.
func (r *run) check(ctx context.Context, d outbox.Delivery) (outbox.Outcome, error) {
	name := destinationOf(d)
	to := r.destinations[name]
	if to.check == nil { // no longer configured
		return r.complete(ctx, d, outbox.Skipped)
	}
	found, err := r.subscribers.Recipients(ctx, d.SubscriberID)
	subscriber := found[d.SubscriberID]
	switch {
	case err != nil:
		return outbox.Errored, err
	case !subscriber.IsSubscribed():
		return r.complete(ctx, d, outbox.Stale)
	}
	began := r.now()
	outcome, err := to.check(ctx, subscriber.Mailbox)
	capture.Breadcrumb(ctx, string(d.Kind), breadcrumb(outcome, err), r.now().Sub(began))
	if err != nil || outcome != outbox.Unsubscribed {
		return r.finish(ctx, d, outcome, err)
	}
	visit := subscription.Visit{RequestID: d.ID.String(), Channel: name}
	ended, err := r.subscribers.UnsubscribeElsewhere(ctx, d.SubscriberID, d.CreatedAt, visit)
	switch {
	case err != nil:
		return outbox.Errored, err
	case ended == subscription.Unchanged: // confirmed after the report, or ended meanwhile
		outcome = outbox.Stale
	}
	return r.complete(ctx, d, outcome)
}
