package main

import (
	"context"

	"newsletter/shared/alert"
	"newsletter/shared/capture"
	"newsletter/shared/notify"
	"newsletter/shared/outbox"
)

// notifyAlert notifies one destination of an alert.
func (r *run) notifyAlert(ctx context.Context, d outbox.Delivery) (string, error) {
	to, found := r.destinations[d.Kind.Recipient()]
	if !found || to.notifyAlert == nil { // no longer configured
		return "skipped", r.queue.Complete(ctx, d, "skipped")
	}
	a, found, err := r.alerts.Get(ctx, d.EventID)
	if err != nil {
		return "error", err // claimed again after the lease
	}
	stage := alert.Stage(d.Kind.AlertChange())
	if !found || stage != alert.Resolved && a.ResolvedAt != nil { // the notification that it is resolved suffices
		return "stale", r.queue.Complete(ctx, d, "stale")
	}
	began := r.now()
	err = to.notifyAlert(ctx, notify.OfAlert(d.ID.String(), a, stage))
	outcome := "notified"
	if err != nil {
		outcome = "failed"
	}
	capture.Breadcrumb(ctx, "alert."+d.Kind.Recipient(), outcome, r.now().Sub(began))
	return r.finish(ctx, d, outcome, err)
}
