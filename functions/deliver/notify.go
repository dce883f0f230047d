package main

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/google/uuid"

	"newsletter/shared/capture"
	"newsletter/shared/ledger"
	"newsletter/shared/messenger"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

// telling is one change of a subscription on its way to one listener.
type notification struct {
	ID     uuid.UUID // the same at every attempt: the idempotency key
	Change subscription.ChangeEvent
	// Farewell is what an erasure left for the listeners that must know whom it was; nil for all other news.
	Erased *subscription.ErasedContact
}

// listener hears of changes, of alerts, or of both. tell gives the outcome in one word; its error, and that of warn, is an
// *outbox.Failure.
type destination struct {
	notify      func(ctx context.Context, t notification, p subscribers) (outcome string, err error)
	notifyAlert messenger.Notifier
	// kinds are the events that it hears of; none for all that are announced.
	kinds []ledger.Kind
	// sealed says that it needs to know who was erased.
	needsPayload bool
}

// listeners are whom the owner has set up, by name. The names stand in the outbox: they are kept for ever.
type destinations map[string]destination

// of is whom an event is told to.
func (l destinations) forChange(kind ledger.Kind) []outbox.Destination {
	var all []outbox.Destination
	for _, name := range slices.Sorted(maps.Keys(l)) {
		if l[name].accepts(kind) {
			all = append(all, outbox.Destination{Name: name, NeedsPayload: l[name].needsPayload})
		}
	}
	return all
}

// ofAlerts is whom alerts are told to.
func (l destinations) forAlerts() []outbox.Destination {
	var all []outbox.Destination
	for _, name := range slices.Sorted(maps.Keys(l)) {
		if l[name].notifyAlert != nil {
			all = append(all, outbox.Destination{Name: name})
		}
	}
	return all
}

// announce turns an announcement into a delivery for each listener.
func (r *run) fanOut(ctx context.Context, d outbox.Delivery) (string, error) {
	if d.Kind != outbox.Change {
		return "announced", r.queue.Expand(ctx, d, r.destinations.forAlerts()...)
	}
	news, found, err := r.subscribers.ChangeEvent(ctx, d.EventID)
	if err != nil {
		return "error", err // the lease brings it back
	}
	if !found {
		return "stale", r.queue.Complete(ctx, d, "stale")
	}
	return "announced", r.queue.Expand(ctx, d, r.destinations.forChange(news.Kind)...)
}

// tell tells one listener of one change.
func (r *run) notify(ctx context.Context, d outbox.Delivery) (string, error) {
	name := d.Kind.Recipient()
	to, found := r.destinations[name]
	if !found || to.notify == nil { // it was taken out of the set-up since
		return "unwanted", r.queue.Complete(ctx, d, "unwanted")
	}
	news, found, err := r.subscribers.ChangeEvent(ctx, d.EventID)
	if err != nil {
		return "error", err // the lease brings it back
	}
	if !found {
		return "stale", r.queue.Complete(ctx, d, "stale")
	}
	t := notification{ID: d.ID, Change: news}
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
	farewell := &subscription.ErasedContact{}
	return farewell, json.Unmarshal(plain, farewell)
}
