package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
)

// Suppression is a request to suppress an address.
type Suppression struct {
	// SubscriberID is the subscriber, whose row may be deleted; uuid.Nil to use Address.
	SubscriberID uuid.UUID
	Address      Address
	Reason       SuppressionReason
	// Actor decided it: ledger.Provider for complaints and bounces.
	Actor ledger.Actor
	Visit Visit
}

// A suppressTx is the state of one suppression in its transaction.
type suppressTx struct {
	Suppression
	now    time.Time // under the lock
	lock   int64
	hashes pseudonyms // of Address

	row          row
	suppressions suppressions
	link         linkState // instead of both, for a SubscriberID
}

// Suppress stops all email to an address until an operator removes the suppression. The row, if there is one, becomes
// suppressed and its links become invalid. A keyed hash of the address is kept, so that no sign-up or import emails it
// again, nor, unless it bounced, any other spelling of it. Suppressing again succeeds and records nothing. So does a
// SubscriberID without stored data; pass the address if it is known. What the email service reports about an address
// without a subscriber, perhaps an erased one, stays attributable for identityGrace only. The error is the database's.
func (s *Store) Suppress(ctx context.Context, p Suppression) (Outcome, error) {
	tx := &suppressTx{Suppression: p, hashes: newPseudonyms(s.key, p.Address)}
	tx.lock = s.subscriberLock(p.SubscriberID)
	if tx.byAddress() {
		tx.lock = s.mailboxLock(p.Address)
	}
	eventID, newRowID := newID(), newID()
	var outcome Outcome
	err := s.transact(ctx, tx.lock, tx.load,
		func(b *pgx.Batch, now time.Time) error {
			tx.now = now
			if !tx.byAddress() {
				tx.row, tx.suppressions = tx.link.row, tx.link.suppressions
			}
			if !tx.row.exists && !tx.suppressions.known {
				outcome = Unchanged
				return nil
			}
			from := tx.row.state()
			if !tx.row.exists {
				from = tx.suppressions.state(tx.row)
			}
			d := transition(facts{State: from, Returning: tx.row.Returning, Objected: tx.suppressions.reason == Objection}, onSuppress)
			outcome = d.Outcome
			if d.Ledger == "" {
				return nil
			}
			event := tx.row.event(from, d)
			event.ID, event.At, event.Actor = eventID, tx.now, p.Actor
			event.Data.Reasons = []string{string(p.Reason)}
			switch {
			case tx.row.exists:
			case tx.byAddress(): // an identity links the event to the address, for proofs and for the journal
				event.SubscriberID = newRowID
				tx.hashes.save(b, newRowID)
				if p.Actor == ledger.Provider {
					b.Queue(endIdentitySQL, newRowID.String(), now.Add(identityGrace))
				}
			default:
				event.SubscriberID = p.SubscriberID
			}
			s.record(b, event, p.Visit)
			tx.write(b, d)
			enqueueChange(b, event, tx.row.Epoch, nil)
			return nil
		})
	if err != nil {
		return "", fmt.Errorf("suppress: %w", err)
	}
	return outcome, nil
}

func (t *suppressTx) byAddress() bool { return t.SubscriberID == uuid.Nil }

func (t *suppressTx) load(b *pgx.Batch, before time.Time) {
	t.row, t.suppressions = row{}, suppressions{}
	if t.byAddress() {
		t.row.loadByNorm(b, t.Address.Normalized, t.lock)
		t.suppressions.loadByAddress(b, t.hashes, before)
		return
	}
	t.link.load(b, before, t.lock, t.SubscriberID, true, uuid.Nil)
}

// A permanent suppression replaces a temporary one and a restriction. Any other permanent one stays unchanged.
const suppressPersonSQL = `
insert into suppressions (email_hmac, mailbox_hmac, key_id, reason, created_at)
select email_hmac, case when $4::boolean then mailbox_hmac end, key_id, $2::text, $3::timestamptz
from identities where subscriber_id = $1::text::uuid
on conflict (email_hmac) do update set
    mailbox_hmac = excluded.mailbox_hmac, reason = excluded.reason, created_at = excluded.created_at, until = null
where suppressions.until is not null or suppressions.reason = 'restriction'`

const suppressAddressSQL = `
insert into suppressions (email_hmac, mailbox_hmac, key_id, reason, created_at)
values ($1::bytea, $2::bytea, $3::text, $4::text, $5::timestamptz)
on conflict (email_hmac) do update set
    mailbox_hmac = excluded.mailbox_hmac, reason = excluded.reason, created_at = excluded.created_at, until = null
where suppressions.until is not null or suppressions.reason = 'restriction'`

// suppressAddress suppresses an address permanently, and its mailbox if the reason covers it. mailbox is nil if
// unknown.
func suppressAddress(b *pgx.Batch, email, mailbox []byte, keyID string, reason SuppressionReason, at time.Time) {
	if !reason.CoversMailbox() {
		mailbox = nil
	}
	b.Queue(suppressAddressSQL, email, mailbox, keyID, string(reason), at)
}

func (t *suppressTx) write(b *pgx.Batch, d decision) {
	if t.byAddress() {
		since := t.now
		if !t.row.exists && t.Actor == ledger.Provider {
			since = day(since)
		}
		suppressAddress(b, t.hashes.email, t.hashes.mailbox, t.hashes.keyID, t.Reason, since)
	} else {
		b.Queue(suppressPersonSQL, t.SubscriberID.String(), string(t.Reason), t.now, t.Reason.CoversMailbox())
	}
	if t.row.exists {
		t.row.apply(b, d, t.now)
	}
}
