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

// readListeners makes the listeners that the variables set up. Mistakes are added to env.
func readListeners(env *config.Env) listeners {
	all := listeners{}
	guard := config.Read[outbound.Config](env)
	client := outbound.New(guard, nil)
	if cfg := config.Read[journal.Config](env); cfg.Enabled() {
		j, err := journal.New(cfg)
		env.Add(err)
		all[outbox.Journal] = listener{tell: journalSink{j}.tell, kinds: stops(), sealed: true}
	}
	if cfg := readLoops(env); cfg.Enabled() {
		all[outbox.Loops] = listener{tell: loopsSink{loops.New(cfg, client)}.tell, sealed: true}
	}
	if cfg := config.Read[ga4.Config](env); cfg.Enabled() {
		cfg.BaseURL = guard.Service("ga4", "")
		counted := []ledger.Kind{ledger.Requested, ledger.Confirmed, ledger.Unsubscribed}
		all[outbox.GA4] = listener{tell: ga4Sink{ga4.New(cfg, client, time.Now)}.tell, kinds: counted}
	}
	channels, err := notify.Channels(config.Read[notify.Config](env), guard, client)
	env.Add(err)
	for name, channel := range channels {
		all[name] = listener{tell: chatSink{channel}.tell, warn: messenger.Post(channel)}
	}
	if cfg := config.Read[notify.TopicConfig](env); cfg.Enabled() {
		all[outbox.SNS] = listener{warn: messenger.Post(notify.NewTopic(cfg))}
	}
	endpoints, err := webhook.Endpoints(config.Read[webhook.Config](env), guard, client, time.Now)
	env.Add(err)
	for name, endpoint := range endpoints {
		all[name] = listener{tell: webhookSink{endpoint}.tell, warn: messenger.Call(endpoint)}
	}
	return all
}

// stops are the events after which somebody is not to be mailed any more, or may be again.
func stops() []ledger.Kind {
	return []ledger.Kind{ledger.Unsubscribed, ledger.Declined, ledger.Suppressed, ledger.SuppressionRemoved, ledger.Erased}
}

// journalist writes the journal of stops.
type journalSink struct{ journal *journal.Journal }

func (j journalSink) tell(ctx context.Context, t telling, _ people) (string, error) {
	entry := journal.Entry{
		EventID: t.News.EventID, At: t.News.At, SubscriberID: t.News.SubscriberID, EmailHMAC: t.News.EmailHMAC, KeyID: t.News.KeyID,
	}
	if len(t.News.Data.Reasons) > 0 {
		entry.Reason = t.News.Data.Reasons[0]
	}
	switch t.News.Kind {
	case ledger.Erased:
		entry.Kind, entry.EmailHMAC, entry.KeyID = journal.Erased, t.Farewell.EmailHMAC, t.Farewell.KeyID
		entry.FoldHMAC = t.Farewell.MailboxHMAC
	case ledger.Unsubscribed, ledger.Declined:
		entry.Kind = journal.Unsubscribed
		if !t.News.MutedUntil.IsZero() { // "this was not me"
			entry.Until, entry.FoldHMAC = t.News.MutedUntil, t.News.MailboxHMAC
		}
	case ledger.Suppressed:
		entry.Kind = journal.Suppressed
		if subscription.SuppressionReason(entry.Reason).CoversMailbox() {
			entry.FoldHMAC = t.News.MailboxHMAC
		}
	case ledger.SuppressionRemoved:
		entry.Kind = journal.Lifted
	default:
		return "unwanted", nil
	}
	if entry.EmailHMAC == nil { // erased since, which has an entry of its own
		return "stale", nil
	}
	return "written", j.journal.Write(ctx, entry)
}

// loops keeps the contacts of Loops as the subscriptions stand.
type loopsSink struct{ account *loops.Client }

// settleTries bounds how often a contact is brought in line with a subscription that changes meanwhile; after that the
// newer change's own delivery does it.
const settleTries = 3

var errChanging = &outbox.Failure{Cause: "changing", Err: errors.New("the subscription changes all the time")}

// tell brings the contact in line with the subscription as it stands now, not as the news say: deliveries overtake one
// another, and nobody who has left in between may be subscribed over there. So it looks again after the call.
func (l loopsSink) tell(ctx context.Context, t telling, p people) (string, error) {
	if t.Farewell != nil {
		return l.delete(ctx, t, p)
	}
	return l.settle(ctx, t, p)
}

// delete takes an erased person away over there. Somebody who has signed the address up again since, while this could not
// be told, was taken away with them, and is told anew.
func (l loopsSink) delete(ctx context.Context, t telling, p people) (string, error) {
	outcome, err := l.account.Delete(ctx, loops.Subscriber{SubscriberID: t.News.SubscriberID.String(), Email: t.Farewell.Email})
	if err != nil {
		return "", err
	}
	holder, err := p.FindByPseudonym(ctx, t.Farewell.EmailHMAC)
	if err != nil || !holder.IsSubscribed() {
		return string(outcome), err
	}
	t.News = subscription.ChangeEvent{SubscriberID: holder.SubscriberID}
	return l.settle(ctx, t, p)
}

// settle brings a contact in line, and looks again.
func (l loopsSink) settle(ctx context.Context, t telling, p people) (string, error) {
	id := t.News.SubscriberID
	person := loops.Subscriber{SubscriberID: id.String(), Source: t.News.Source.Page}
	for range settleTries {
		before, err := p.Recipients(ctx, id)
		if err != nil {
			return "", err
		}
		now, known := before[id]
		if known {
			person.Email = now.Mailbox
		}
		outcome, err := l.bring(ctx, person, now.IsSubscribed(), t)
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

// bring makes one call. A person without a row, who never confirmed or was erased, is deleted over there if they got
// there by a call that was under way.
func (l loopsSink) bring(ctx context.Context, person loops.Subscriber, subscribed bool, t telling) (loops.Outcome, error) {
	switch {
	case subscribed:
		person.Returning = t.News.Kind == ledger.Confirmed && t.News.Data.Returning
		return l.account.Subscribe(ctx, person)
	case person.Email == "":
		return l.account.Delete(ctx, person)
	}
	return l.account.Unsubscribe(ctx, person)
}

// counter counts in Google Analytics. It tells it nothing of the person.
type ga4Sink struct{ property *ga4.Client }

func (c ga4Sink) tell(ctx context.Context, t telling, _ people) (string, error) {
	event := ga4.Event{
		Name: ga4.Confirmed, At: t.News.At, Source: t.News.Source.Origin, Medium: t.News.Source.Medium, Campaign: t.News.Source.Campaign,
	}
	switch t.News.Kind {
	case ledger.Requested: // announced only where it activates at once
		event.Name = ga4.SignedUp
	case ledger.Unsubscribed:
		event.Name = ga4.Unsubscribed
	default: // confirmed
	}
	return "counted", c.property.Send(ctx, event)
}

// herald tells a chat.
type chatSink struct{ channel *notify.Channel }

func (h chatSink) tell(ctx context.Context, t telling, _ people) (string, error) {
	m := notify.Message{Level: notify.Info, Title: titles[t.News.Kind]}
	if m.Title == "" {
		m.Title = string(t.News.Kind)
	}
	for _, line := range []struct{ name, value string }{
		{"Page", t.News.Source.Page}, {"Campaign", t.News.Source.Campaign}, {"Mailbox provider", t.News.Data.Provider},
		{"Language", t.News.Data.Locale}, {"Reason", strings.Join(t.News.Data.Reasons, ", ")},
	} {
		if line.value != "" {
			m.Lines = append(m.Lines, line.name+": "+line.value)
		}
	}
	return "posted", h.channel.Post(ctx, m)
}

// titles are what happened, in the owner's words.
var titles = map[ledger.Kind]string{
	ledger.Requested: "New subscriber", ledger.Confirmed: "New subscriber", ledger.Unsubscribed: "Unsubscribed",
	ledger.Declined: "A sign-up was cancelled", ledger.Suppressed: "No more mail to a subscriber", ledger.SuppressionRemoved: "A suppression was lifted", ledger.Erased: "Data erased on request",
}

// caller calls an owner's own service.
type webhookSink struct{ endpoint *webhook.Endpoint }

func (c webhookSink) tell(ctx context.Context, t telling, _ people) (string, error) {
	event := webhook.Event{
		Type: string(t.News.Kind), At: t.News.At, EventID: t.News.EventID.String(), SubscriberID: t.News.SubscriberID.String(),
		Data: map[string]string{"outcome": t.News.Data.Outcome},
	}
	if len(t.News.Data.Reasons) > 0 {
		event.Data["reason"] = t.News.Data.Reasons[0]
	}
	return "called", c.endpoint.Send(ctx, t.ID.String(), event)
}

// wants says whether a listener hears of a kind of event.
func (l listener) wants(kind ledger.Kind) bool {
	return l.tell != nil && (len(l.kinds) == 0 || slices.Contains(l.kinds, kind))
}
