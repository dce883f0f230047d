package subscription

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/token"
)

// Unsubscribe ends the subscription of a verified unsubscribe token. It succeeds in every state and when repeated. It
// ignores the token's epoch: a subscriber who uses the link in an old email wants no more email, even after subscribing
// again. For the same reason, a link whose own request expired unconfirmed ends the subscriber's current subscription
// as long as the old pseudonym is kept. The error is the database's.
func (s *Store) Unsubscribe(ctx context.Context, link token.Link, visit Visit) (Outcome, error) {
	outcome, err := s.leave(ctx, leaving{id: link.SubscriberID, event: onUnsubscribe, actor: ledger.Subscriber, visit: visit})
	if err != nil {
		return "", fmt.Errorf("unsubscribe: %w", err)
	}
	return outcome, nil
}

// Decline handles "this wasn't me" for a verified confirm token: it cancels the request, or ends the subscription if it
// was confirmed, and suppresses all email to the mailbox for mutePeriod. a was entered by the reader, because email
// scanners press buttons. It succeeds in every state, when repeated, and for any epoch; once the pseudonym of the link's
// address is deleted, for any address. The error is ErrNotTheAddress for another address, or the database's.
func (s *Store) Decline(ctx context.Context, link token.Link, a Address, visit Visit) (Outcome, error) {
	outcome, err := s.leave(ctx, leaving{
		id: link.SubscriberID, event: onDecline, actor: ledger.Subscriber, visit: visit, entered: s.key.Address(a.Normalized),
	})
	if err != nil {
		return "", fmt.Errorf("decline subscription: %w", err)
	}
	return outcome, nil
}

// UnsubscribeElsewhere ends the subscription of a subscriber who unsubscribed at another system, such as Loops, at the
// time that it names. visit.Channel names the system. It changes nothing if the subscription is not active, or was
// confirmed later: a report that arrives late must not end a new subscription. Repeating it succeeds. The error is the
// database's.
func (s *Store) UnsubscribeElsewhere(ctx context.Context, subscriberID uuid.UUID, at time.Time, visit Visit) (Outcome, error) {
	outcome, err := s.leave(ctx, leaving{id: subscriberID, event: onUnsubscribe, actor: ledger.Provider, visit: visit, confirmedBefore: at})
	if err != nil {
		return "", fmt.Errorf("unsubscribe elsewhere: %w", err)
	}
	return outcome, nil
}

// A current subscriber's identity has no end, and keeps it that way.
const keepIdentitySQL = `
update identities set until = greatest(until, $2::timestamptz) where subscriber_id = $1::text::uuid and until is not null`

// linkPseudonymSQL reads the address that a link was sent to.
const linkPseudonymSQL = `
select email_hmac from identities where subscriber_id = $1::text::uuid`

// A leaving is the end of one request or subscription.
type leaving struct {
	id    uuid.UUID
	event stateEvent
	actor ledger.Actor
	visit Visit
	// entered is the pseudonym of the address that was entered; nil if none was asked for.
	entered []byte
	// confirmedBefore restricts it to an active subscription that was confirmed before; zero for none.
	confirmedBefore time.Time
}

// excludes reports whether the row is none that l ends.
func (l leaving) excludes(r row) bool {
	return !l.confirmedBefore.IsZero() && (r.state() != Active || r.ConfirmedAt == nil || !r.ConfirmedAt.Before(l.confirmedBefore))
}

// leave ends a request or a subscription.
func (s *Store) leave(ctx context.Context, l leaving) (Outcome, error) {
	lock, eventID := s.subscriberLock(l.id), newID()
	var loaded linkState
	var sentTo []byte
	var outcome Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			loaded.load(b, before, lock, l.id, true, uuid.Nil)
			if sentTo = nil; l.entered != nil {
				b.Queue(linkPseudonymSQL, l.id.String()).QueryRow(func(found pgx.Row) error { return ignoreNoRows(found.Scan(&sentTo)) })
			}
		},
		func(b *pgx.Batch, now time.Time) error {
			if l.entered != nil && sentTo != nil && !bytes.Equal(l.entered, sentTo) {
				return ErrNotTheAddress
			}
			// A suppression does not prevent the end of a subscription. Without a pseudonym, there is nothing to mute.
			r := loaded.row
			if l.excludes(r) {
				outcome = Unchanged
				return nil
			}
			from, muted := r.state(), loaded.suppressions.reason != "" || !loaded.suppressions.known
			d := transition(facts{State: from, Returning: r.Returning, Muted: muted}, l.event)
			outcome = d.Outcome
			if d.Ledger == "" {
				return nil
			}
			event := r.event(from, d)
			event.ID, event.At, event.Actor = eventID, now, l.actor
			if !r.exists {
				event.SubscriberID = l.id
			}
			change, after := rowNone, r
			switch {
			case d.To == None && from != None:
				change = rowDelete
			case d.To != from || d.NewEpoch:
				change, after = rowUpdate, r.after(d, now)
			}
			effect{
				row: after, change: change, event: event, visit: l.visit, mute: d.Mute,
				message: outbox.Message{ID: newID(), Kind: outbox.Change, Epoch: r.Epoch},
			}.write(b)
			if d.Mute {
				b.Queue(keepIdentitySQL, l.id.String(), now.Add(declinedGrace))
			}
			return nil
		})
	return outcome, err
}
