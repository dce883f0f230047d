package main

import (
	"context"
	"encoding/json"

	"newsletter/shared/alert"
	"newsletter/shared/capture"
	"newsletter/shared/notify"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

// expand expands a message into one for each destination.
func (r *run) expand(ctx context.Context, d outbox.Delivery) (outbox.Outcome, error) {
	to := r.destinations.forAlerts()
	if d.Kind == outbox.Change {
		c, found, err := r.subscribers.ChangeEvent(ctx, d.EventID)
		switch {
		case err != nil:
			return outbox.Errored, err
		case !found:
			return r.complete(ctx, d, outbox.Stale)
		}
		to = r.destinations.forChange(c.Kind)
	}
	return outbox.Expanded, r.queue.Expand(ctx, d, to...)
}

// deliverChange delivers one change to one destination.
func (r *run) deliverChange(ctx context.Context, d outbox.Delivery) (outbox.Outcome, error) {
	to := r.destinations[d.Kind.Recipient()]
	if to.deliver == nil { // no longer configured
		return r.complete(ctx, d, outbox.Skipped)
	}
	event, found, err := r.subscribers.ChangeEvent(ctx, d.EventID)
	switch {
	case err != nil:
		return outbox.Errored, err
	case !found:
		return r.complete(ctx, d, outbox.Stale)
	}
	c := change{ID: d.ID, Epoch: d.Epoch, ChangeEvent: event}
	if len(d.Sealed) > 0 {
		if c.Erased, err = r.unseal(d); err != nil {
			return r.fail(ctx, d, &outbox.Failure{Cause: "sealed", Permanent: true, NeedsOwner: true, Err: err})
		}
	}
	began := r.now()
	outcome, err := to.deliver(ctx, c, r.subscribers)
	capture.Breadcrumb(ctx, string(d.Kind), breadcrumb(outcome, err), r.now().Sub(began))
	return r.finish(ctx, d, outcome, err)
}

func (r *run) unseal(d outbox.Delivery) (*subscription.ErasedContact, error) {
	plain, err := r.vault.Open(d.EventID, d.Sealed)
	if err != nil {
		return nil, err
	}
	erased := &subscription.ErasedContact{}
	return erased, json.Unmarshal(plain, erased)
}

// notifyAlert notifies one destination of an alert.
func (r *run) notifyAlert(ctx context.Context, d outbox.Delivery) (outbox.Outcome, error) {
	to := r.destinations[d.Kind.Recipient()]
	if to.alert == nil { // no longer configured
		return r.complete(ctx, d, outbox.Skipped)
	}
	a, found, err := r.alerts.Get(ctx, d.EventID)
	if err != nil {
		return outbox.Errored, err
	}
	stage := alert.Stage(d.Kind.AlertChange())
	if !found || stage != alert.Resolved && a.ResolvedAt != nil { // the notification that it is resolved suffices
		return r.complete(ctx, d, outbox.Stale)
	}
	began := r.now()
	err = to.alert(ctx, notify.OfAlert(d.ID.String(), a, stage))
	capture.Breadcrumb(ctx, string(d.Kind), breadcrumb(outbox.Notified, err), r.now().Sub(began))
	return r.finish(ctx, d, outbox.Notified, err)
}

// breadcrumb returns the result of a call for an error report.
func breadcrumb(outcome outbox.Outcome, err error) string {
	if err != nil {
		return "failed"
	}
	return string(outcome)
}
