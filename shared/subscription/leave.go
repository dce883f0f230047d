package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/token"
)

// Unsubscribe ends whatever the person of a verified unsubscribe token is subscribed to. It succeeds whatever it finds,
// also when repeated. The token's epoch does not matter: somebody who uses the link of an old mail wants no more mail,
// even if they had left and come back since. For the same reason a link from before a request that was never confirmed,
// and so was deleted, ends the person's present subscription as long as their pseudonym is kept. The error is the
// database's.
func (s *Store) Unsubscribe(ctx context.Context, c token.Claims, visit Visit) (Outcome, error) {
	outcome, err := s.leave(ctx, c, visit, OnUnsubscribe)
	if err != nil {
		return "", fmt.Errorf("unsubscribe: %w", err)
	}
	return outcome, nil
}

// Decline is "this was not me" behind a verified confirm token: it takes the request back, or ends the subscription if
// somebody confirmed it, and keeps all email from the address for MutePeriod. It succeeds whatever it finds, also when
// repeated, and for any epoch. The error is the database's.
func (s *Store) Decline(ctx context.Context, c token.Claims, visit Visit) (Outcome, error) {
	outcome, err := s.leave(ctx, c, visit, OnDecline)
	if err != nil {
		return "", fmt.Errorf("cancel a subscription: %w", err)
	}
	return outcome, nil
}

func (s *Store) leave(ctx context.Context, c token.Claims, visit Visit, e Event) (Outcome, error) {
	lock, eventID := s.subscriberLock(c.SubscriberID), newID()
	var r row
	var held silence
	var outcome Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			r, held = row{}, silence{}
			r.loadPerson(b, c.SubscriberID, lock)
			held.loadByID(b, c.SubscriberID, before)
		},
		func(b *pgx.Batch, now time.Time) error {
			// What is held against the address does not keep a row from being ended. Who is not known any more cannot
			// be recognised, so there is no period to start for them.
			from, hushed := r.state(), held.reason != "" || !held.known
			d := Transition(Facts{State: from, Returning: r.Returning, Muted: hushed}, e)
			outcome = d.Outcome
			if d.Ledger == "" {
				return nil
			}
			event := r.event(from, d)
			event.ID, event.At, event.Actor = eventID, now, ledger.Subscriber
			if !r.exists {
				event.SubscriberID = c.SubscriberID
			}
			s.record(b, event, visit)
			if d.Mute {
				queueHush(b, c.SubscriberID, now)
			}
			if d.To != from || d.NewEpoch {
				r.apply(b, d, now)
			}
			announce(b, event, r.Epoch, nil)
			return nil
		})
	return outcome, err
}
