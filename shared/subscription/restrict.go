package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/token"
)

// The outcomes of Restrict and EndRestriction.
const (
	RestrictedNow    Outcome = "restricted"
	RestrictionEnded Outcome = "restriction_ended"
)

const restrictionSQL = `
select exists (select from suppressions p join identities i using (email_hmac)
               where i.subscriber_id = $1::text::uuid and p.reason = 'restriction')`

// IsRestricted reports whether the subscriber of a link restricts the processing of their data. It is one round trip and
// changes nothing. The error is the database's.
func (s *Store) IsRestricted(ctx context.Context, link token.Link) (restricted bool, err error) {
	err = s.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(restrictionSQL, link.SubscriberID.String()).QueryRow(func(found pgx.Row) error { return found.Scan(&restricted) })
	})
	if err != nil {
		return false, fmt.Errorf("read a restriction: %w", err)
	}
	return restricted, nil
}

// Restrict keeps everything about the subscriber of a privacy link, and stops everything that is done with it (Art. 18
// GDPR): no email to any spelling of the mailbox, except links that the subscriber asks for; no expiry, no deletion after
// a retention period. State and epoch stay. Destinations are notified. It lasts until EndRestriction, an erasure, or the
// operator removes the suppression. It returns Unchanged if the address is suppressed already. The error is ErrUnknown
// for a link of an earlier epoch or an unknown subscriber, or the database's.
func (s *Store) Restrict(ctx context.Context, link token.Link, visit Visit) (Outcome, error) {
	return s.restrict(ctx, link.SubscriberID, &link.Epoch, ledger.Subscriber, visit)
}

// RestrictByLetter restricts like Restrict for an address whose holder the operator has identified.
func (s *Store) RestrictByLetter(ctx context.Context, a Address, visit Visit) (Outcome, error) {
	holder, err := s.FindByPseudonym(ctx, s.key.Address(a.Normalized))
	if err != nil {
		return "", err
	}
	return s.restrict(ctx, holder.SubscriberID, nil, ledger.Operator, visit)
}

// restrict stores a restriction, of any epoch if epoch is nil.
func (s *Store) restrict(ctx context.Context, id uuid.UUID, epoch *int32, actor ledger.Actor, visit Visit) (Outcome, error) {
	outcome, err := s.changeRestriction(ctx, id, epoch, func(loaded linkState) (event ledger.Event, changes bool) {
		r := loaded.row
		if reason := loaded.suppressions.reason; r.Status == Suppressed || reason != "" && reason != declinedReason {
			return event, false
		}
		event = r.event(r.Status, decision{To: r.Status, Outcome: RestrictedNow, Ledger: ledger.Suppressed})
		event.Actor = actor
		return event, true
	}, func(b *pgx.Batch, now time.Time) {
		b.Queue(suppressPersonSQL, id.String(), string(Restriction), now, true)
		closeRequest(b, RightOfRestriction, []string{id.String()}, visit, now)
	}, visit)
	if err != nil {
		return "", fmt.Errorf("restrict a subscription: %w", err)
	}
	return outcome, nil
}

const endPersonRestrictionSQL = `
delete from suppressions where reason = 'restriction' and email_hmac = (select email_hmac from identities where subscriber_id = $1::text::uuid)`

// EndRestriction ends a restriction: the subscription continues as before. It returns Unchanged if there is none. The error
// is that of Restrict.
func (s *Store) EndRestriction(ctx context.Context, link token.Link, visit Visit) (Outcome, error) {
	outcome, err := s.changeRestriction(ctx, link.SubscriberID, &link.Epoch, func(loaded linkState) (event ledger.Event, changes bool) {
		r := loaded.row
		if loaded.suppressions.reason != Restriction {
			return event, false
		}
		event = r.event(r.Status, decision{To: r.Status, Outcome: RestrictionEnded, Ledger: ledger.SuppressionRemoved})
		event.Actor = ledger.Subscriber
		return event, true
	}, func(b *pgx.Batch, _ time.Time) { b.Queue(endPersonRestrictionSQL, link.SubscriberID.String()) }, visit)
	if err != nil {
		return "", fmt.Errorf("end a restriction: %w", err)
	}
	return outcome, nil
}

// changeRestriction records the event that decide returns, applies the change and notifies the destinations, in one
// transaction of two round trips.
func (s *Store) changeRestriction(
	ctx context.Context, id uuid.UUID, epoch *int32,
	decide func(linkState) (ledger.Event, bool), apply func(*pgx.Batch, time.Time), visit Visit,
) (Outcome, error) {
	lock, eventID := s.subscriberLock(id), newID()
	var loaded linkState
	var outcome, repeated Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			repeated = ""
			loaded.load(b, before, lock, id, false, uuid.Nil)
			loadOutcome(b, eventID, &repeated)
		},
		func(b *pgx.Batch, now time.Time) error {
			if outcome = repeated; repeated != "" {
				return nil
			}
			if !loaded.row.exists || epoch != nil && loaded.row.Epoch != *epoch {
				return ErrUnknown
			}
			event, changes := decide(loaded)
			if outcome = Unchanged; !changes {
				return nil
			}
			outcome = Outcome(event.Data.Outcome)
			event.ID, event.At, event.Data.Reasons = eventID, now, []string{string(Restriction)}
			s.record(b, event, visit)
			apply(b, now)
			enqueueChange(b, event, loaded.row.Epoch, nil)
			return nil
		})
	return outcome, err
}
