package main

import (
	"context"
	"errors"

	"newsletter/shared/ledger"
	"newsletter/shared/loops"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

// loopsSink synchronizes the contacts of Loops with the subscriptions.
type loopsSink struct{ account *loops.Client }

// syncTries bounds the updates of a contact whose subscription keeps changing. After that, the delivery of the newer
// change updates it.
const syncTries = 3

var errChanging = &outbox.Failure{Cause: "changing", Err: errors.New("the subscription keeps changing")}

// notify updates the contact to the current state of the subscription, not to that of the event: deliveries may be
// reordered, and a subscriber who has left since must not be subscribed at Loops. It checks the state again after the call.
func (l loopsSink) notify(ctx context.Context, t notification, p subscribers) (string, error) {
	if t.Erased != nil {
		return l.delete(ctx, t, p)
	}
	return l.sync(ctx, t, p)
}

// delete deletes an erased subscriber's contact. If the address was signed up again since, that contact is deleted too,
// so delete then creates it again.
func (l loopsSink) delete(ctx context.Context, t notification, p subscribers) (string, error) {
	outcome, err := l.account.Delete(ctx, loops.Subscriber{SubscriberID: t.Change.SubscriberID.String(), Email: t.Erased.Email})
	if err != nil {
		return "", err
	}
	holder, err := p.FindByPseudonym(ctx, t.Erased.EmailHMAC)
	if err != nil || !holder.IsSubscribed() {
		return string(outcome), err
	}
	t.Change = subscription.ChangeEvent{SubscriberID: holder.SubscriberID}
	return l.sync(ctx, t, p)
}

// sync updates a contact and repeats while the subscription changes.
func (l loopsSink) sync(ctx context.Context, t notification, p subscribers) (string, error) {
	id := t.Change.SubscriberID
	person := loops.Subscriber{SubscriberID: id.String(), Source: t.Change.Source.Page}
	for range syncTries {
		before, err := p.Recipients(ctx, id)
		if err != nil {
			return "", err
		}
		now, known := before[id]
		if known {
			person.Email = now.Mailbox
		}
		outcome, err := l.apply(ctx, person, now.IsSubscribed(), t)
		if err != nil {
			return "", err
		}
		after, err := p.Recipients(ctx, id)
		if err != nil {
			return "", err
		}
		if after[id].IsSubscribed() == now.IsSubscribed() && after[id].SubscriberID == now.SubscriberID {
			return string(outcome), nil
		}
	}
	return "", errChanging
}

// apply makes one call. A subscriber without a row never confirmed or was erased; apply deletes their contact, which a
// concurrent call may have created.
func (l loopsSink) apply(ctx context.Context, person loops.Subscriber, subscribed bool, t notification) (loops.Outcome, error) {
	switch {
	case subscribed:
		person.Returning = t.Change.Kind == ledger.Confirmed && t.Change.Data.Returning
		return l.account.Subscribe(ctx, person)
	case person.Email == "":
		return l.account.Delete(ctx, person)
	}
	return l.account.Unsubscribe(ctx, person)
}
