package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/ga4"
	"newsletter/shared/journal"
	"newsletter/shared/ledger"
	"newsletter/shared/loops"
	"newsletter/shared/messenger"
	"newsletter/shared/notify"
	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
	"newsletter/shared/webhook"
)

// readDestinations returns the configured destinations. It adds mistakes to env.
func readDestinations(env *config.Env) destinations {
	all := destinations{}
	guard := config.Read[outbound.Config](env)
	client := outbound.New(guard, nil)
	if cfg := config.Read[journal.Config](env); cfg.Enabled() {
		j, err := journal.New(cfg)
		env.Add(err)
		all[outbox.Journal] = destination{notify: journalSink{j}.notify, kinds: journaledKinds(), needsPayload: true}
	}
	if cfg := readLoops(env); cfg.Enabled() {
		all[outbox.Loops] = destination{notify: loopsSink{loops.New(cfg, client)}.notify, needsPayload: true}
	}
	if cfg := config.Read[ga4.Config](env); cfg.Enabled() {
		cfg.BaseURL = guard.Service("ga4", "")
		counted := []ledger.Kind{ledger.Requested, ledger.Confirmed, ledger.Unsubscribed}
		all[outbox.GA4] = destination{notify: ga4Sink{ga4.New(cfg, client, time.Now)}.notify, kinds: counted}
	}
	channels, err := notify.Channels(config.Read[notify.Config](env), guard, client)
	env.Add(err)
	for name, channel := range channels {
		all[name] = destination{notify: chatSink{channel}.notify, notifyAlert: messenger.Post(channel)}
	}
	if cfg := config.Read[notify.TopicConfig](env); cfg.Enabled() {
		all[outbox.SNS] = destination{notifyAlert: messenger.Post(notify.NewTopic(cfg))}
	}
	endpoints, err := webhook.Endpoints(config.Read[webhook.Config](env), guard, client, time.Now)
	env.Add(err)
	for name, endpoint := range endpoints {
		all[name] = destination{notify: webhookSink{endpoint}.notify, notifyAlert: messenger.Call(endpoint)}
	}
	return all
}

// journaledKinds returns the kinds of events that forbid emails to a subscriber, or allow them again.
func journaledKinds() []ledger.Kind {
	return []ledger.Kind{ledger.Unsubscribed, ledger.Declined, ledger.Suppressed, ledger.SuppressionRemoved, ledger.Erased}
}

// journalSink writes the suppression journal.
type journalSink struct{ journal *journal.Journal }

func (j journalSink) notify(ctx context.Context, t notification, _ subscribers) (string, error) {
	entry := journal.Entry{
		EventID: t.Change.EventID, At: t.Change.At, SubscriberID: t.Change.SubscriberID, EmailHMAC: t.Change.EmailHMAC, KeyID: t.Change.KeyID,
	}
	if len(t.Change.Data.Reasons) > 0 {
		entry.Reason = t.Change.Data.Reasons[0]
	}
	switch t.Change.Kind {
	case ledger.Erased:
		entry.Kind, entry.EmailHMAC, entry.KeyID = journal.Erased, t.Erased.EmailHMAC, t.Erased.KeyID
		entry.MailboxHMAC = t.Erased.MailboxHMAC
	case ledger.Unsubscribed, ledger.Declined:
		entry.Kind = journal.Unsubscribed
		if !t.Change.MutedUntil.IsZero() { // declined
			entry.Until, entry.MailboxHMAC = t.Change.MutedUntil, t.Change.MailboxHMAC
		}
	case ledger.Suppressed:
		entry.Kind = journal.Suppressed
		if subscription.SuppressionReason(entry.Reason).CoversMailbox() {
			entry.MailboxHMAC = t.Change.MailboxHMAC
		}
	case ledger.SuppressionRemoved:
		entry.Kind = journal.SuppressionRemoved
	default:
		return "skipped", nil
	}
	if entry.EmailHMAC == nil { // erased since; the erasure has its own entry
		return "stale", nil
	}
	return "written", j.journal.Write(ctx, entry)
}

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

// ga4Sink counts events in Google Analytics, without personal data.
type ga4Sink struct{ property *ga4.Client }

func (c ga4Sink) notify(ctx context.Context, t notification, _ subscribers) (string, error) {
	event := ga4.Event{
		Name: ga4.Confirmed, At: t.Change.At, Source: t.Change.Source.Origin, Medium: t.Change.Source.Medium, Campaign: t.Change.Source.Campaign,
	}
	switch t.Change.Kind {
	case ledger.Requested: // expanded only with single opt-in
		event.Name = ga4.SignedUp
	case ledger.Unsubscribed:
		event.Name = ga4.Unsubscribed
	default: // confirmed
	}
	return "counted", c.property.Send(ctx, event)
}

// chatSink posts to a chat.
type chatSink struct{ channel *notify.Channel }

func (h chatSink) notify(ctx context.Context, t notification, _ subscribers) (string, error) {
	m := notify.Message{Level: notify.Info, Title: titles[t.Change.Kind]}
	if m.Title == "" {
		m.Title = string(t.Change.Kind)
	}
	for _, line := range []struct{ name, value string }{
		{"Page", t.Change.Source.Page}, {"Campaign", t.Change.Source.Campaign}, {"Mailbox provider", t.Change.Data.Provider},
		{"Language", t.Change.Data.Locale}, {"Reason", strings.Join(t.Change.Data.Reasons, ", ")},
	} {
		if line.value != "" {
			m.Lines = append(m.Lines, line.name+": "+line.value)
		}
	}
	return "posted", h.channel.Post(ctx, m)
}

// titles are the titles of chat messages.
var titles = map[ledger.Kind]string{
	ledger.Requested: "New subscriber", ledger.Confirmed: "New subscriber", ledger.Unsubscribed: "Unsubscribed",
	ledger.Declined: "A sign-up was declined", ledger.Suppressed: "A subscriber was suppressed", ledger.SuppressionRemoved: "A suppression was removed", ledger.Erased: "Data erased on request",
}

// webhookSink calls a webhook endpoint.
type webhookSink struct{ endpoint *webhook.Endpoint }

func (c webhookSink) notify(ctx context.Context, t notification, _ subscribers) (string, error) {
	event := webhook.Event{
		Type: string(t.Change.Kind), At: t.Change.At, EventID: t.Change.EventID.String(), SubscriberID: t.Change.SubscriberID.String(),
		Data: map[string]string{"outcome": t.Change.Data.Outcome},
	}
	if len(t.Change.Data.Reasons) > 0 {
		event.Data["reason"] = t.Change.Data.Reasons[0]
	}
	return "called", c.endpoint.Send(ctx, t.ID.String(), event)
}

// accepts reports whether the destination receives events of a kind.
func (l destination) accepts(kind ledger.Kind) bool {
	return l.notify != nil && (len(l.kinds) == 0 || slices.Contains(l.kinds, kind))
}
