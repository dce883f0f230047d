package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
)

// Suppression is why and for whom all email ends.
type Suppression struct {
	// SubscriberID is the person, whose row may be gone; uuid.Nil if Address says who is meant.
	SubscriberID uuid.UUID
	Address      Address
	Reason       SuppressionReason
	// Actor is who decided: audit.Provider for complaints and bounces.
	Actor ledger.Actor
	Visit Visit
}

// suppressTx is one suppression on its way through the transaction.
type suppressTx struct {
	Suppression
	now   time.Time // under the lock
	lock  int64
	names pseudonyms // of Address

	row  row
	held silence
}

// Suppress ends all email to a person until an operator lifts it: the row, if there is one, is suppressed, its links end,
// and the address is remembered as a keyed hash, so that neither a new request nor an import emails it again, nor, unless
// it bounced, any other spelling of it. Doing it
// again succeeds and records nothing, and so does a SubscriberID of whom nothing is kept any more: give the address if it
// is at hand. The error is the database's.
func (s *Store) Suppress(ctx context.Context, p Suppression) (Outcome, error) {
	tx := &suppressTx{Suppression: p, names: newPseudonyms(s.key, p.Address)}
	tx.lock = s.subscriberLock(p.SubscriberID)
	if tx.byAddress() {
		tx.lock = s.foldLock(p.Address)
	}
	eventID, freshID := newID(), newID()
	var outcome Outcome
	err := s.transact(ctx, tx.lock, tx.load,
		func(b *pgx.Batch, now time.Time) error {
			tx.now = now
			if !tx.row.exists && !tx.held.known {
				outcome = Unchanged
				return nil
			}
			from := tx.row.state()
			if !tx.row.exists {
				from = tx.held.state(tx.row)
			}
			d := Transition(Facts{State: from, Returning: tx.row.Returning, Objected: tx.held.reason == Objection}, OnSuppress)
			outcome = d.Outcome
			if d.Ledger == "" {
				return nil
			}
			event := tx.row.event(from, d)
			event.ID, event.At, event.Actor = eventID, tx.now, p.Actor
			event.Data.Reasons = []string{string(p.Reason)}
			switch {
			case tx.row.exists:
			case tx.byAddress(): // a pseudonym leads from the ledger to the address, for proofs and for the journal
				event.SubscriberID = freshID
				tx.names.save(b, freshID, true)
			default:
				event.SubscriberID = p.SubscriberID
			}
			s.record(b, event, p.Visit)
			tx.write(b, d)
			announce(b, event, tx.row.Epoch, nil)
			return nil
		})
	if err != nil {
		return "", fmt.Errorf("suppress: %w", err)
	}
	return outcome, nil
}

func (t *suppressTx) byAddress() bool { return t.SubscriberID == uuid.Nil }

func (t *suppressTx) load(b *pgx.Batch, before time.Time) {
	t.row, t.held = row{}, silence{}
	if t.byAddress() {
		t.row.loadByNorm(b, t.Address.Normalized, t.lock)
		t.held.loadByAddress(b, t.names, before)
		return
	}
	t.row.loadPerson(b, t.SubscriberID, t.lock)
	t.held.loadByID(b, t.SubscriberID, before)
}

// A lasting reason takes the place of a passing one and stays as it is otherwise.
const suppressPersonSQL = `
insert into suppressions (email_hmac, mailbox_hmac, key_id, reason, created_at)
select email_hmac, case when $4::boolean then mailbox_hmac end, key_id, $2::text, $3::timestamptz
from identities where subscriber_id = $1::text::uuid
on conflict (email_hmac) do update set
    mailbox_hmac = excluded.mailbox_hmac, reason = excluded.reason, created_at = excluded.created_at, until = null
where suppressions.until is not null`

const suppressAddressSQL = `
insert into suppressions (email_hmac, mailbox_hmac, key_id, reason, created_at)
values ($1::bytea, $2::bytea, $3::text, $4::text, $5::timestamptz)
on conflict (email_hmac) do update set
    mailbox_hmac = excluded.mailbox_hmac, reason = excluded.reason, created_at = excluded.created_at, until = null
where suppressions.until is not null`

// suppressAddress queues a lasting suppression of an address, and of its mailbox if the reason is about that. fold may be nil:
// then the mailbox is not known.
func suppressAddress(b *pgx.Batch, email, fold []byte, keyID string, reason SuppressionReason, at time.Time) {
	if !reason.CoversMailbox() {
		fold = nil
	}
	b.Queue(suppressAddressSQL, email, fold, keyID, string(reason), at)
}

func (t *suppressTx) write(b *pgx.Batch, d Decision) {
	if t.byAddress() {
		suppressAddress(b, t.names.email, t.names.fold, t.names.keyID, t.Reason, t.now)
	} else {
		b.Queue(suppressPersonSQL, t.SubscriberID.String(), string(t.Reason), t.now, t.Reason.CoversMailbox())
	}
	if t.row.exists {
		t.row.apply(b, d, t.now)
	}
}
