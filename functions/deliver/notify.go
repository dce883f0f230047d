package main

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/google/uuid"

	"newsletter/shared/capture"
	"newsletter/shared/ledger"
	"newsletter/shared/notify"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

// notification is one change of a subscription for one destination.
type notification struct {
	ID     uuid.UUID // the same at every attempt: the idempotency key
	Change subscription.ChangeEvent
	// Erased is the contact data of an erased subscriber, for destinations that have to delete it; nil for other changes.
	Erased *subscription.ErasedContact
}

// destination receives changes, alerts, or both. notify returns a one-word outcome. Its error, and that of notifyAlert, is
// an *outbox.Failure.
type destination struct {
	notify      func(ctx context.Context, t notification, p subscribers) (outcome string, err error)
	notifyAlert notify.Notifier
	// kinds are the kinds of events that it receives; none for all.
	kinds []ledger.Kind
	// needsPayload reports that it has to know the contact data of an erased subscriber.
	needsPayload bool
}

// destinations are the configured destinations by name. The outbox stores the names, so they never change.
type destinations map[string]destination

// forChange returns the destinations that receive events of a kind.
func (l destinations) forChange(kind ledger.Kind) []outbox.Destination {
	var all []outbox.Destination
	for _, name := range slices.Sorted(maps.Keys(l)) {
		if l[name].accepts(kind) {
			all = append(all, outbox.Destination{Name: name, NeedsPayload: l[name].needsPayload})
		}
	}
	return all
}

// forAlerts returns the destinations that receive alerts.
func (l destinations) forAlerts() []outbox.Destination {
	var all []outbox.Destination
	for _, name := range slices.Sorted(maps.Keys(l)) {
		if l[name].notifyAlert != nil {
			all = append(all, outbox.Destination{Name: name})
		}
	}
	return all
}

// fanOut expands a delivery into one for each destination.
func (r *run) fanOut(ctx context.Context, d outbox.Delivery) (string, error) {
	if d.Kind != outbox.Change {
		return "expanded", r.queue.Expand(ctx, d, r.destinations.forAlerts()...)
	}
	change, found, err := r.subscribers.ChangeEvent(ctx, d.EventID)
	if err != nil {
		return "error", err // claimed again after the lease
	}
	if !found {
		return "stale", r.queue.Complete(ctx, d, "stale")
	}
	return "expanded", r.queue.Expand(ctx, d, r.destinations.forChange(change.Kind)...)
}

// notify notifies one destination of one change.
func (r *run) notify(ctx context.Context, d outbox.Delivery) (string, error) {
	name := d.Kind.Recipient()
	to, found := r.destinations[name]
	if !found || to.notify == nil { // no longer configured
		return "skipped", r.queue.Complete(ctx, d, "skipped")
	}
	change, found, err := r.subscribers.ChangeEvent(ctx, d.EventID)
	if err != nil {
		return "error", err // claimed again after the lease
	}
	if !found {
		return "stale", r.queue.Complete(ctx, d, "stale")
	}
	t := notification{ID: d.ID, Change: change}
	if len(d.Sealed) > 0 {
		if t.Erased, err = r.unseal(d); err != nil {
			return r.finish(ctx, d, "", &outbox.Failure{Cause: "sealed", Permanent: true, NeedsOwner: true, Err: err})
		}
	}
	began := r.now()
	outcome, err := to.notify(ctx, t, r.subscribers)
	crumb := outcome
	if err != nil {
		crumb = "failed"
	}
	capture.Breadcrumb(ctx, "notify."+name, crumb, r.now().Sub(began))
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
