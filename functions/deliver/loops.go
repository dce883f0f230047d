package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"

	"newsletter/shared/config"
	"newsletter/shared/email"
	"newsletter/shared/field"
	"newsletter/shared/ledger"
	"newsletter/shared/loops"
	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
)

// loopsSink synchronizes the contacts of Loops with the subscriptions.
type loopsSink struct {
	account *loops.Client
	key     pseudonym.Key
	link    func(to subscription.Recipient) string // the unsubscribe link
	fields  field.Declarations                     // those that name Loops
}

// contactID returns the id by which Loops knows a subscriber.
func (l loopsSink) contactID(id uuid.UUID) string { return l.key.Outside(outbox.Loops, id).String() }

// syncTries bounds the updates of a contact whose subscription keeps changing. After that, the delivery of the newer
// change updates it.
const syncTries = 3

var errChanging = &outbox.Failure{Cause: "changing", Err: errors.New("the subscription keeps changing")}

// deliver updates the contact to the current state of the subscription, not to that of the event: deliveries may be
// reordered, and a subscriber who has left since must not be subscribed at Loops. It checks the state again after the
// call.
func (l loopsSink) deliver(ctx context.Context, c change, s subscribers) (outbox.Outcome, error) {
	if c.Erased != nil {
		outcome, err := l.delete(ctx, c, s)
		if err != nil || c.Kind != ledger.Rectified {
			return outcome, err
		}
	}
	return l.sync(ctx, c, s)
}

// delete deletes an erased subscriber's contact, or that of a former address. If the address was signed up again since, that contact is deleted too,
// so delete then creates it again.
func (l loopsSink) delete(ctx context.Context, c change, s subscribers) (outbox.Outcome, error) {
	outcome, err := l.account.Delete(ctx, loops.Subscriber{SubscriberID: l.contactID(c.SubscriberID), Email: c.Erased.Email})
	if err != nil {
		return "", err
	}
	holder, err := s.FindByPseudonym(ctx, c.Erased.EmailHMAC)
	if err != nil || !holder.IsSubscribed() {
		return outcome, err
	}
	c.ChangeEvent = subscription.ChangeEvent{SubscriberID: holder.SubscriberID}
	return l.sync(ctx, c, s)
}

// sync updates a contact and repeats while the subscription changes.
func (l loopsSink) sync(ctx context.Context, c change, s subscribers) (outbox.Outcome, error) {
	id := c.SubscriberID
	contact := loops.Subscriber{SubscriberID: l.contactID(id), Source: c.Source.Page}
	for range syncTries {
		before, err := s.Recipients(ctx, id)
		if err != nil {
			return "", err
		}
		now, known := before[id]
		if known {
			contact.Email, contact.UnsubscribeURL = now.Mailbox, l.link(now)
		}
		values, err := fieldsOf(ctx, s, id, l.fields)
		if err != nil {
			return "", err
		}
		contact.Properties = properties(l.fields, values, c.Kind == ledger.FieldsRectified)
		outcome, err := l.apply(ctx, contact, now.IsSubscribed(), c)
		if err != nil {
			return "", err
		}
		after, err := s.Recipients(ctx, id)
		if err != nil {
			return "", err
		}
		if after[id].IsSubscribed() == now.IsSubscribed() && after[id].SubscriberID == now.SubscriberID {
			return outcome, nil
		}
	}
	return "", errChanging
}

// properties returns the values of declared fields as properties of a contact. Those without a value are reset if the owner
// has removed values; else they stay, because the owner may have set them at Loops.
func properties(declared field.Declarations, values field.Values, reset bool) []loops.Property {
	var all []loops.Property
	for _, d := range declared {
		p := loops.Property{Name: camelCase(d.Name), Type: loops.StringProperty, Value: values[d.Name]}
		switch d.Type {
		case field.Boolean:
			p.Type = loops.BooleanProperty
		case field.Date:
			if p.Type = loops.DateProperty; p.Value != nil {
				p.Value = values.Text(d.Name) + "T00:00:00Z"
			}
		case field.Text, field.Choice:
		}
		if p.Value != nil || reset {
			all = append(all, p)
		}
	}
	return all
}

// camelCase returns a field's name as Loops writes names: company_size is companySize.
func camelCase(name string) string {
	words := strings.Split(name, "_")
	for i, word := range words {
		if i > 0 && word != "" {
			words[i] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}

// apply makes one call. A subscriber without a row never confirmed or was erased; apply deletes their contact, which a
// concurrent call may have created.
func (l loopsSink) apply(ctx context.Context, contact loops.Subscriber, subscribed bool, c change) (outbox.Outcome, error) {
	switch {
	case subscribed:
		contact.Returning = c.Kind == ledger.Confirmed && c.Data.Returning
		return l.account.Subscribe(ctx, contact)
	case contact.Email == "":
		return l.account.Delete(ctx, contact)
	case restricts(c):
		found, err := l.account.Find(ctx, contact.Email)
		switch {
		case err != nil:
			return "", err
		case found != nil && found.Subscribed:
			return l.account.Delete(ctx, contact)
		}
	}
	return l.account.Unsubscribe(ctx, contact)
}

// restricts reports whether a change is the subscriber's restriction. A subscribed contact is deleted, so that the end of
// the restriction can create it again: an unsubscribed one stays unsubscribed.
func restricts(c change) bool {
	return c.Kind == ledger.Suppressed && slices.Contains(c.Data.Reasons, string(subscription.Restriction))
}

// readLoops reads the configuration of Loops, or of its fake.
func readLoops(env *config.Env) loops.Config {
	cfg := config.Read[loops.Config](env)
	cfg.BaseURL = config.Read[outbound.Config](env).Service("loops", cfg.BaseURL)
	return cfg
}

// loopsSender sends through Loops.
type loopsSender struct {
	account  *loops.Client
	template string
}

// Send implements sender. Loops drops a repetition by the delivery's id.
func (l loopsSender) Send(ctx context.Context, m email.Message) (string, error) {
	return "", l.account.Send(ctx, loops.Email{
		To: m.To, TransactionalID: l.template, Key: m.DeliveryID,
		Variables: map[string]string{"subject": m.Subject, "text": m.Text, "unsubscribe": m.UnsubscribeTo},
	})
}
