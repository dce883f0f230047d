package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
)

// Suppressions of other spellings of the address cover only those spellings from then on.
const (
	removeSuppressionSQL = `
delete from suppressions where email_hmac = $1::bytea`
	releaseMailboxSQL = `
update suppressions set mailbox_hmac = null where mailbox_hmac = $1::bytea`
)

// RemoveSuppression removes every suppression of an address, objections and mute periods included. A suppressed row
// becomes unsubscribed, never active: the subscriber may sign up again. It returns Unchanged if the address was not
// suppressed. The error is the database's.
func (s *Store) RemoveSuppression(ctx context.Context, a Address, visit Visit) (Outcome, error) {
	lock, eventID, newRowID, hashes := s.mailboxLock(a), newID(), newID(), newPseudonyms(s.key, a)
	var r row
	var sup suppressions
	var outcome Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			r, sup = row{}, suppressions{}
			r.loadByNorm(b, a.Normalized, lock)
			sup.loadByAddress(b, hashes, before)
		},
		func(b *pgx.Batch, now time.Time) error {
			from := sup.state(r)
			d := transition(facts{State: from, Returning: r.Returning, Muted: sup.muted(), Objected: sup.reason == Objection}, onRemoveSuppression)
			outcome = d.Outcome
			if d.Ledger == "" {
				return nil
			}
			event := r.event(from, d)
			event.ID, event.At, event.Actor = eventID, now, ledger.Operator
			event.Data.Reasons = []string{string(sup.effective())}
			if !r.exists { // the identity links the event to the address for a while, as after an expiry
				event.SubscriberID, event.Data.To = newRowID, string(None)
				hashes.save(b, newRowID)
				b.Queue(endIdentitySQL, newRowID.String(), now.Add(identityGrace))
			}
			s.record(b, event, visit)
			b.Queue(removeSuppressionSQL, hashes.email)
			b.Queue(releaseMailboxSQL, hashes.mailbox)
			if r.exists && d.NewEpoch {
				r.apply(b, d, now)
			}
			enqueueChange(b, event, r.Epoch, nil)
			return nil
		})
	if err != nil {
		return "", fmt.Errorf("remove suppression: %w", err)
	}
	return outcome, nil
}

// SuppressionEntry is a suppression in force. It does not contain the address.
type SuppressionEntry struct {
	Reason       SuppressionReason `json:"reason"`
	Since        time.Time         `json:"since"`
	Until        *time.Time        `json:"until"`
	SubscriberID uuid.UUID         `json:"subscriber_id"` // uuid.Nil if no identity is stored
}

const suppressionsSQL = `
select p.reason, p.created_at, p.until,
       coalesce((select i.subscriber_id::text from identities i where i.email_hmac = p.email_hmac order by 1 desc limit 1), '')
from suppressions p
where (p.until is null or p.until > $1::timestamptz) and ($2::text = '' or p.reason = $2::text)
order by p.created_at desc limit $3::integer`

// ListSuppressions returns up to limit suppressions in force, newest first, of one reason, or of all if reason is
// empty. The error is the database's.
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
