package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/config"
	"newsletter/shared/field"
	"newsletter/shared/ga4"
	"newsletter/shared/journal"
	"newsletter/shared/ledger"
	"newsletter/shared/loops"
	"newsletter/shared/notify"
	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
)

// change is one change of a subscription for one destination.
type change struct {
	ID    uuid.UUID // the same at every attempt: the idempotency key
	Epoch int32     // of the subscription before the change
	subscription.ChangeEvent
	// Erased is the contact data of an erased subscriber, or the former data of one with another address, for
	// destinations that have to delete it; nil for other changes.
	Erased *subscription.ErasedContact
}

// destination receives changes, alerts, or both.
type destination struct {
	// deliver delivers a change; nil for a destination without changes. The error is an *outbox.Failure.
	deliver func(ctx context.Context, c change, s subscribers) (outbox.Outcome, error)
	// check returns what the destination has of a subscriber: Subscribed, Unsubscribed or Absent; nil for a destination that
	// is never asked. The error is an *outbox.Failure.
	check func(ctx context.Context, address string) (outbox.Outcome, error)
	// alert is nil for a destination without alerts.
	alert notify.Notifier
	// kinds are the kinds of changes that it receives; none for all.
	kinds []ledger.Kind
	// needsPayload reports that it has to know the contact data of an erased subscriber.
	needsPayload bool
}

// accepts reports whether the destination receives changes of a kind.
func (d destination) accepts(kind ledger.Kind) bool {
	return d.deliver != nil && (len(d.kinds) == 0 || slices.Contains(d.kinds, kind))
}

// destinations are the configured destinations by name. The outbox stores the names, so they never change.
type destinations map[string]destination

// readDestinations returns the configured destinations. It adds mistakes to env.
func readDestinations(env *config.Env, key pseudonym.Key, w writer) destinations {
	all := destinations{}
	guard, declared := config.Read[outbound.Config](env), config.Read[field.Config](env).Declarations()
	client := outbound.New(guard, nil)
	if cfg := config.Read[journal.Config](env); cfg.Enabled() {
		j, err := journal.New(cfg)
		env.Add(err)
		all[outbox.Journal] = destination{deliver: journalSink{j}.deliver, kinds: journaledKinds(), needsPayload: true}
	}
	if cfg := readLoops(env); cfg.Enabled() {
		account := loops.New(cfg, client)
		all[outbox.Loops] = destination{deliver: loopsSink{account, key, w.unsubscribeLink, declared.For(field.Loops)}.deliver, check: account.Check, needsPayload: true}
	}
	if cfg := config.Read[ga4.Config](env); cfg.Enabled() {
		cfg.BaseURL = guard.Service("ga4", "")
		all[outbox.GA4] = destination{deliver: ga4Sink{ga4.New(cfg, client, time.Now)}.deliver, kinds: countedKinds()}
	}
	notifiers, err := notify.New(config.Read[notify.Config](env), guard, time.Now)
	env.Add(err)
	for name, n := range notifiers {
		d := destination{deliver: ownerSink{n, name, key, declared.For(field.Webhook)}.deliver, alert: n}
		if name == outbox.SNS { // the topic receives only alerts
			d.deliver = nil
		}
		all[name] = d
	}
	return all
}

// forChange returns the destinations that receive changes of a kind.
func (all destinations) forChange(kind ledger.Kind) []outbox.Destination {
	var found []outbox.Destination
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name].accepts(kind) {
			found = append(found, outbox.Destination{Name: name, NeedsPayload: all[name].needsPayload})
		}
	}
	return found
}

// forAlerts returns the destinations that receive alerts.
func (all destinations) forAlerts() []outbox.Destination {
	var found []outbox.Destination
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name].alert != nil {
			found = append(found, outbox.Destination{Name: name})
		}
	}
	return found
}
