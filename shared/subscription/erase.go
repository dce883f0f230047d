package subscription

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

// ErrNotTheAddress is the error for an address other than the one that received the link.
var ErrNotTheAddress = errors.New("subscription: the link belongs to another address")

// Erasure is a request to erase a subscriber.
type Erasure struct {
	// Address was entered on the page of the link, or is from a letter.
	Address Address
	// SubscriberID is from the link; uuid.Nil for a letter, whose sender the operator has identified.
	SubscriberID uuid.UUID
	// Object also records an objection to all email (Art. 21): a keyed hash of the address is kept, so that no sign-up
	// or import emails it again.
	Object bool
	Visit  Visit

	byAge bool // erased because the retention period is over
}

// ErasedContact identifies an erased subscriber to destinations after the database has deleted the data. It is stored
// encrypted.
type ErasedContact struct {
	Email       string `json:"email,omitempty"` // as stored; empty if only pseudonyms were left
	EmailHMAC   []byte `json:"email_hmac"`
	MailboxHMAC []byte `json:"mailbox_hmac,omitempty"` // set if the mailbox must never be emailed again
	KeyID       string `json:"key_id"`
	Objected    bool   `json:"objected,omitempty"`
}

// Eraser erases subscribers.
type Eraser struct {
	store *Store
	vault *outbox.Vault
}

// NewEraser returns an Eraser for a store. vault encrypts each ErasedContact.
func NewEraser(store *Store, vault *outbox.Vault) *Eraser { return &Eraser{store, vault} }

// An erasureTx is the state of one erasure in its transaction.
type erasureTx struct {
	Erasure
	now     time.Time // under the lock
	lock    int64
	eventID uuid.UUID
	hashes  pseudonyms

	row          row
	suppressions suppressions
	ids          []string // all present and former ids of the subscriber
	// Of SubscriberID: whether a pseudonym is kept, and whether it was erased under Address.
	known, erased bool
}

// Erase deletes a subscriber's data in one transaction: the row, the pseudonyms that link ledger events to the address,
// the network addresses and user agents of the events, and all waiting emails. All links become invalid. The events
// stay in the ledger and no longer identify anyone. docs/privacy.md lists what is kept: the keyed hash of an erasure,
// and that of an objection. Erase enqueues the change for the destinations.
//
// Erasing again returns Unchanged and records nothing. The error is ErrUnknown for an unknown link, ErrNotTheAddress,
// or the database's.
func (e *Eraser) Erase(ctx context.Context, p Erasure) (Outcome, error) {
	s := e.store
	tx := &erasureTx{Erasure: p, lock: s.mailboxLock(p.Address), eventID: newID(), hashes: newPseudonyms(s.key, p.Address)}
	var outcome Outcome
	err := s.transact(ctx, tx.lock, tx.load, func(b *pgx.Batch, now time.Time) error {
		tx.now = now
		if err := tx.checkLink(); err != nil {
			return err
		}
		d := transition(facts{State: tx.suppressions.state(tx.row), Remembered: len(tx.ids) > 0, Objected: tx.suppressions.reason == Objection}, onErase)
		outcome = d.Outcome
		if d.Ledger == "" {
			return nil
		}
		return tx.write(b, e.vault, d)
	})
	if err != nil {
		return "", fmt.Errorf("erase subscriber: %w", err)
	}
	return outcome, nil
}

// EraseAddress erases a subscriber whose retention period after the unsubscribe is over.
func (e *Eraser) EraseAddress(ctx context.Context, a Address) (Outcome, error) {
	return e.Erase(ctx, Erasure{Address: a, Visit: Visit{Channel: "schedule", RequestID: "maintain"}, byAge: true})
}

const longUnsubscribedSQL = `
select email from subscribers where status = 'unsubscribed' and ended_at < $1::timestamptz order by ended_at limit $2::integer`

// ListLongUnsubscribed returns up to limit addresses that unsubscribed before a time, the earliest first.
func (s *Store) ListLongUnsubscribed(ctx context.Context, before time.Time, limit int) ([]Address, error) {
	var all []Address
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		all = nil
		b.Queue(longUnsubscribedSQL, before, limit).Query(func(rows pgx.Rows) error {
			var email string
			_, err := pgx.ForEachRow(rows, []any{&email}, func() error {
				a, err := ParseAddress(email)
				all = append(all, a)
				return err
			})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list long unsubscribed addresses: %w", err)
	}
	return all, nil
}

const linkPersonSQL = `
select exists (select from identities where subscriber_id = $1::text::uuid),
       exists (select from erasures where subscriber_id = $1::text::uuid and email_hmac = $2::bytea)`

// An erasure waits for concurrent transactions that have read the identity, and then sees what they wrote.
const lockIdentitiesSQL = `
select from identities where email_hmac = $1::bytea for update`

func (t *erasureTx) load(b *pgx.Batch, before time.Time) {
	t.row, t.suppressions, t.ids, t.known, t.erased = row{}, suppressions{}, nil, false, false
	t.row.loadByNorm(b, t.Address.Normalized, t.lock)
	b.Queue(lockIdentitiesSQL, t.hashes.email)
	t.suppressions.loadByAddress(b, t.hashes, before)
	loadIDs(b, t.hashes.email, &t.ids)
	b.Queue(linkPersonSQL, t.SubscriberID.String(), t.hashes.email).QueryRow(func(found pgx.Row) error {
		return found.Scan(&t.known, &t.erased)
	})
}

// checkLink checks that the entered address belongs to the subscriber of the link.
func (t *erasureTx) checkLink() error {
	switch {
	case t.SubscriberID == uuid.Nil || slices.Contains(t.ids, t.SubscriberID.String()) || t.erased:
		return nil
	case t.known:
		return ErrNotTheAddress
	}
	return ErrUnknown
}

func (t *erasureTx) write(b *pgx.Batch, vault *outbox.Vault, d decision) error {
	event := t.row.event(t.suppressions.state(t.row), d)
	event.ID, event.At, event.Actor = t.eventID, t.now, ledger.Subscriber
	event.Channel, event.RequestID = t.Visit.Channel, t.Visit.RequestID
	switch {
	case t.byAge:
		event.Actor = ledger.System
	case t.SubscriberID == uuid.Nil:
		event.Actor = ledger.Operator
	}
	if t.Object {
		event.Data.Reasons = []string{string(Objection)}
	}
	if !t.row.exists && len(t.ids) > 0 {
		event.SubscriberID = mustID(t.ids[0])
	}
	contact := ErasedContact{Email: t.row.Email, EmailHMAC: t.hashes.email, KeyID: t.hashes.keyID, Objected: t.Object}
	if t.Object {
		contact.MailboxHMAC = t.hashes.mailbox
	}
	payload, err := json.Marshal(contact)
	if err != nil {
		return err
	}
	t.forget(b)
	ledger.Append(b, event) // without its context: no new personal data about an erased subscriber
	if t.Object {
		suppressAddress(b, t.hashes.email, t.hashes.mailbox, t.hashes.keyID, Objection, t.now)
	}
	b.Queue(recordErasureSQL, event.ID.String(), event.SubscriberID.String(), t.hashes.email, t.hashes.keyID, t.now)
	if !t.byAge {
		closeRequest(b, RightOfErasure, t.ids, t.Visit, t.now)
	}
	enqueueChange(b, event, t.row.Epoch, vault.Seal(event.ID, payload))
	return nil
}

const (
	forgetContextSQL = `
delete from event_context where event_id in (select id from ledger_events where subscriber_id = any($1::text[]::uuid[]))`
	forgetDeliveriesSQL = `
update outbox set state = 'done', hold_reason = null, sealed = null, outcome = 'erased', finished_at = $2::timestamptz
where subscriber_id = any($1::text[]::uuid[]) and state in ('ready', 'held', 'dead')`
	forgetEngagementSQL = `
delete from engagement_events where subscriber_id = any($1::text[]::uuid[])`
	forgetRequestsSQL = `
update privacy_requests set done_at = $2::timestamptz, outcome = 'erased'
where subscriber_id = any($1::text[]::uuid[]) and kind = 'export' and done_at is null`
	forgetRowSQL = `
delete from subscribers where email_norm = $1::text`
	forgetIdentitiesSQL = `
delete from identities where subscriber_id = any($1::text[]::uuid[])`
	recordErasureSQL = `
insert into erasures (event_id, subscriber_id, email_hmac, key_id, at)
values ($1::text::uuid, $2::text::uuid, $3::bytea, $4::text, $5::timestamptz)`
)

func (t *erasureTx) forget(b *pgx.Batch) {
	b.Queue(forgetIdentitiesSQL, t.ids)
	b.Queue(forgetContextSQL, t.ids)
	b.Queue(forgetDeliveriesSQL, t.ids, t.now)
	b.Queue(forgetEngagementSQL, t.ids)
	b.Queue(forgetRequestsSQL, t.ids, t.now)
	b.Queue(forgetRowSQL, t.Address.Normalized)
}
