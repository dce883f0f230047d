package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/token"
)

// Unsubscribe ends the subscription of a verified unsubscribe token. It succeeds in every state and when repeated. It
// ignores the token's epoch: a subscriber who uses the link in an old email wants no more email, even after subscribing
// again. For the same reason, a link whose own request expired unconfirmed ends the subscriber's current subscription
// as long as the old pseudonym is kept. The error is the database's.
func (s *Store) Unsubscribe(ctx context.Context, link token.Link, visit Visit) (Outcome, error) {
	outcome, err := s.leave(ctx, link, visit, onUnsubscribe)
	if err != nil {
		return "", fmt.Errorf("unsubscribe: %w", err)
	}
	return outcome, nil
}

// Decline handles "this wasn't me" for a verified confirm token: it cancels the request, or ends the subscription if it
// was confirmed, and suppresses all email to the mailbox for mutePeriod. It succeeds in every state, when repeated, and
// for any epoch. The error is the database's.
func (s *Store) Decline(ctx context.Context, link token.Link, visit Visit) (Outcome, error) {
	outcome, err := s.leave(ctx, link, visit, onDecline)
	if err != nil {
		return "", fmt.Errorf("decline subscription: %w", err)
	}
	return outcome, nil
}

func (s *Store) leave(ctx context.Context, link token.Link, visit Visit, e stateEvent) (Outcome, error) {
	lock, eventID := s.subscriberLock(link.SubscriberID), newID()
	var r row
	var sup suppressions
	var outcome Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			r, sup = row{}, suppressions{}
			r.loadByAnyID(b, link.SubscriberID, lock)
			sup.loadByID(b, link.SubscriberID, before)
		},
		func(b *pgx.Batch, now time.Time) error {
			// A suppression does not prevent the end of a subscription. Without a pseudonym, there is nothing to mute.
			from, muted := r.state(), sup.reason != "" || !sup.known
			d := transition(facts{State: from, Returning: r.Returning, Muted: muted}, e)
			outcome = d.Outcome
			if d.Ledger == "" {
				return nil
			}
			event := r.event(from, d)
			event.ID, event.At, event.Actor = eventID, now, ledger.Subscriber
			if !r.exists {
				event.SubscriberID = link.SubscriberID
			}
			s.record(b, event, visit)
			if d.Mute {
				mute(b, link.SubscriberID, now)
			}
			if d.To != from || d.NewEpoch {
				r.apply(b, d, now)
			}
			enqueueChange(b, event, r.Epoch, nil)
			return nil
		})
	return outcome, err
}
