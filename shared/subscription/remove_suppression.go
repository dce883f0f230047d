package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
)

// What is held against other spellings of the address counts for them alone from then on.
const (
	liftSQL = `
delete from suppressions where email_hmac = $1::bytea`
	liftMailboxSQL = `
update suppressions set mailbox_hmac = null where mailbox_hmac = $1::bytea`
)

// RemoveSuppression ends whatever keeps mail away from an address: a suppression, an objection or a "not me" period. A row that was
// suppressed is unsubscribed afterwards, never active: the person may sign up again. Unchanged means that nothing kept mail
// away. The error is the database's.
func (s *Store) RemoveSuppression(ctx context.Context, a Address, visit Visit) (Outcome, error) {
	lock, eventID, freshID, names := s.foldLock(a), newID(), newID(), newPseudonyms(s.key, a)
	var r row
	var held silence
	var outcome Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			r, held = row{}, silence{}
			r.loadByNorm(b, a.Normalized, lock)
			held.loadByAddress(b, names, before)
		},
		func(b *pgx.Batch, now time.Time) error {
			from := held.state(r)
			d := Transition(Facts{State: from, Returning: r.Returning, Muted: held.hushed(), Objected: held.reason == Objection}, OnRemoveSuppression)
			outcome = d.Outcome
			if d.Ledger == "" {
				return nil
			}
			event := r.event(from, d)
			event.ID, event.At, event.Actor = eventID, now, ledger.Operator
			event.Data.Reasons = []string{string(held.why())}
			if !r.exists { // the pseudonym leads from the ledger to the address for a while, as after an expiry
				event.SubscriberID, event.Data.To = freshID, string(None)
				names.save(b, freshID, true)
				b.Queue(endIdentitySQL, freshID.String(), now.Add(identityGrace))
			}
			s.record(b, event, visit)
			b.Queue(liftSQL, names.email)
			b.Queue(liftMailboxSQL, names.fold)
			if r.exists && d.NewEpoch {
				r.apply(b, d, now)
			}
			announce(b, event, r.Epoch, nil)
			return nil
		})
	if err != nil {
		return "", fmt.Errorf("lift a suppression: %w", err)
	}
	return outcome, nil
}

// SuppressionEntry is why somebody gets no email, without saying who.
type SuppressionEntry struct {
	Reason       SuppressionReason `json:"reason"`
	Since        time.Time         `json:"since"`
	Until        *time.Time        `json:"until"`
	SubscriberID uuid.UUID         `json:"subscriber_id"` // uuid.Nil where no pseudonym is kept
}

const suppressionsSQL = `
select p.reason, p.created_at, p.until,
       coalesce((select i.subscriber_id::text from identities i where i.email_hmac = p.email_hmac order by 1 desc limit 1), '')
from suppressions p
where (p.until is null or p.until > $1::timestamptz) and ($2::text = '' or p.reason = $2::text)
order by p.created_at desc limit $3::integer`

// ListSuppressions lists up to limit addresses that get no email now, the newest first, for one reason or, if it is empty, for
// all.
func (s *Store) ListSuppressions(ctx context.Context, reason SuppressionReason, limit int) ([]SuppressionEntry, error) {
	var all []SuppressionEntry
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(suppressionsSQL, s.clock(), string(reason), limit).Query(func(rows pgx.Rows) error {
			var err error
			all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (k SuppressionEntry, err error) {
				return k, row.Scan((*string)(&k.Reason), &k.Since, &k.Until, &k.SubscriberID)
			})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list suppressions: %w", err)
	}
	return all, nil
}
