package main

import (
	"cmp"
	"context"
	"strings"

	"github.com/google/uuid"

	"newsletter/shared/field"
	"newsletter/shared/ledger"
	"newsletter/shared/notify"
	"newsletter/shared/outbox"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
	"newsletter/shared/webhook"
)

// ownerSink notifies the owner. It replaces our ids by those of the destination.
type ownerSink struct {
	notifier notify.Notifier
	name     string
	key      pseudonym.Key
	fields   field.Declarations // those that name webhooks
}

func (o ownerSink) deliver(ctx context.Context, c change, s subscribers) (outbox.Outcome, error) {
	e := event(c.ChangeEvent)
	if strings.HasPrefix(o.name, outbox.WebhookPrefix) {
		values, err := fieldsOf(ctx, s, c.SubscriberID, o.fields)
		if err != nil {
			return "", err
		}
		e.Fields = values
	}
	c.ID, c.EventID, c.SubscriberID = o.key.Outside(o.name, c.ID), o.key.Outside(o.name, c.EventID), o.key.Outside(o.name, c.SubscriberID)
	e.EventID, e.SubscriberID = c.EventID.String(), c.SubscriberID.String()
	return outbox.Notified, o.notifier(ctx, notify.Notification{ID: c.ID.String(), Message: message(c.ChangeEvent), Event: e})
}

// fieldsOf returns the values of declared fields of a subscriber, for a destination that their declarations name. It
// returns none of who is not subscribed: nothing may be done with them then.
func fieldsOf(ctx context.Context, s subscribers, id uuid.UUID, declared field.Declarations) (field.Values, error) {
	if len(declared) == 0 {
		return nil, nil
	}
	found, err := s.Recipients(ctx, id)
	if err != nil || !found[id].IsSubscribed() {
		return nil, err
	}
	values, err := s.Fields(ctx, id)
	return values.Only(declared), err
}

// message returns a change as a message for people.
func message(c subscription.ChangeEvent) notify.Message {
	m := notify.Message{Level: notify.Info, Title: cmp.Or(titles[c.Kind], string(c.Kind))}
	for _, line := range []struct{ name, value string }{
		{"Page", c.Source.Page}, {"Campaign", c.Source.Campaign}, {"Mailbox provider", c.Data.Provider},
		{"Language", string(c.Data.Locale)}, {"Reason", strings.Join(c.Data.Reasons, ", ")},
	} {
		if line.value != "" {
			m.Lines = append(m.Lines, line.name+": "+line.value)
		}
	}
	return m
}

// titles are the titles of messages.
var titles = map[ledger.Kind]string{
	ledger.Requested:          "New subscriber",
	ledger.Confirmed:          "New subscriber",
	ledger.Unsubscribed:       "Unsubscribed",
	ledger.Declined:           "A sign-up was declined",
	ledger.Suppressed:         "A subscriber was suppressed",
	ledger.SuppressionRemoved: "A suppression was removed",
	ledger.Erased:             "Data erased on request",
	ledger.Rectified:          "A subscriber changed their address",
	ledger.FieldsRectified:    "Fields of a subscriber were corrected",
}

// event returns a change as an event for the owner's services, without personal data.
func event(c subscription.ChangeEvent) webhook.Event {
	e := webhook.Event{
		Type: string(c.Kind), At: c.At, EventID: c.EventID.String(), SubscriberID: c.SubscriberID.String(),
		Data: map[string]string{"outcome": c.Data.Outcome},
	}
	if len(c.Data.Reasons) > 0 {
		e.Data["reason"] = c.Data.Reasons[0]
	}
	return e
}
