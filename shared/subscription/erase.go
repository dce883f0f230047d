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

// ErasedContact identifies an erased subscriber, or one who has another address now, to destinations after the database
// has deleted the data. It is stored encrypted.
type ErasedContact struct {
	Email       string `json:"email,omitempty"` // as stored; empty if only pseudonyms were left
	EmailHMAC   []byte `json:"email_hmac"`
	MailboxHMAC []byte `json:"mailbox_hmac,omitempty"` // set if the mailbox must never be emailed again
	KeyID       string `json:"key_id"`
	Objected    bool   `json:"objected,omitempty"`
}

// Eraser erases subscribers, or their address only (Rectify).
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
	domain  []byte // the pseudonym of a limited domain; nil for none

	row          row
	suppressions suppressions
	ids          []string // all present and former ids of the subscriber
	known        bool     // a pseudonym of SubscriberID is kept
}

// Erase deletes a subscriber's data in one transaction: the row, the pseudonyms that link ledger events to the address,
// the contexts of the events, and all messages. All links become invalid. The events stay in the ledger and no longer
// identify anyone: what keeps a keyed hash keeps no id and no time of theirs, only the day. docs/privacy.md lists what
// is kept. Erase enqueues the change for the destinations.
//
// Erasing again returns Unchanged and records nothing. So does the link of a subscriber who is no longer known: a link
// is valid for a shorter time than pseudonyms are kept, so they were erased. The error is ErrNotTheAddress or the
// database's.
func (e *Eraser) Erase(ctx context.Context, p Erasure) (Outcome, error) {
	s := e.store
	tx := &erasureTx{Erasure: p, lock: s.mailboxLock(p.Address), eventID: newID(), hashes: newPseudonyms(s.key, p.Address), domain: s.limitedDomain(p.Address)}
	var outcome Outcome
	err := s.transact(ctx, tx.lock, tx.load, func(b *pgx.Batch, now time.Time) error {
		tx.now = now
		if found, err := tx.checkLink(); err != nil || !found {
			outcome = Unchanged
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

// Of a leaver from a list, the retention period begins with the import: an older list of theirs may follow.
const longUnsubscribedSQL = `
select email from subscribers
where status = 'unsubscribed' and greatest(ended_at, requested_at) < $1::timestamptz
  and not exists (select from identities i join suppressions p on p.email_hmac = i.email_hmac where i.subscriber_id = subscribers.id and p.reason = 'restriction')
order by greatest(ended_at, requested_at) limit $2::integer`

// ListLongUnsubscribed returns up to limit addresses that unsubscribed before a time and are not restricted, the earliest
// first.
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
select exists (select from identities where subscriber_id = $1::text::uuid)`

// An erasure waits for concurrent transactions that have read the identity, and then sees what they wrote.
const lockIdentitiesSQL = `
select from identities where email_hmac = $1::bytea for update`

func (t *erasureTx) load(b *pgx.Batch, before time.Time) {
	t.row, t.suppressions, t.ids, t.known = row{}, suppressions{}, nil, false
	t.row.loadByNorm(b, t.Address.Normalized, t.lock)
	b.Queue(lockIdentitiesSQL, t.hashes.email)
	t.suppressions.loadByAddress(b, t.hashes, before)
	loadIDs(b, t.hashes.email, &t.ids)
	b.Queue(linkPersonSQL, t.SubscriberID.String()).QueryRow(func(found pgx.Row) error { return found.Scan(&t.known) })
}

// checkLink checks that the entered address belongs to the subscriber of the link. It returns false if the link's
// subscriber is no longer known. Then the address decides nothing, because the answer would reveal whether it is known.
func (t *erasureTx) checkLink() (found bool, err error) {
	switch {
	case t.SubscriberID == uuid.Nil || slices.Contains(t.ids, t.SubscriberID.String()):
		return true, nil
	case t.known:
		return false, ErrNotTheAddress
	}
	return false, nil
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
	if !t.byAge {
		closeRequest(b, RightOfErasure, t.ids, t.Visit, t.now)
	}
	t.forget(b)
	ledger.Append(b, event) // without its context: no new personal data about an erased subscriber
	if t.Object {
		suppressAddress(b, t.hashes.email, t.hashes.mailbox, t.hashes.keyID, Objection, day(t.now))
	}
	b.Queue(recordErasureSQL, t.hashes.email, t.hashes.keyID, day(t.now))
	enqueueChange(b, event, t.row.Epoch, vault.Seal(event.ID, payload))
	return nil
}

// day returns the day of a time. An erasure cuts times to it, so that none leads to an event.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

const (
	forgetContextSQL = `
delete from event_context where event_id in (select id from ledger_events where subscriber_id = any($1::text[]::uuid[]))`
	// Deliver may be expanding a message: after the lock, the deletion sees what that added.
	lockMessagesSQL = `
select from outbox where subscriber_id = any($1::text[]::uuid[]) for update`
	forgetMessagesSQL = `
delete from outbox where subscriber_id = any($1::text[]::uuid[])`
	forgetEngagementSQL = `
delete from engagement_events where subscriber_id = any($1::text[]::uuid[])`
	forgetRequestsSQL = `
update privacy_requests set subscriber_id = null, outcome = coalesce(outcome, 'erased'),
    sign_up_event_id = null, event_id = null, sealed = null, received_at = date_trunc('day', received_at, 'UTC'), due_at = date_trunc('day', due_at, 'UTC'),
    done_at = date_trunc('day', coalesce(done_at, $2::timestamptz), 'UTC')
where subscriber_id = any($1::text[]::uuid[])`
	forgetRowSQL = `
delete from subscribers where email_norm = $1::text`
	forgetIdentitiesSQL = `
delete from identities where subscriber_id = any($1::text[]::uuid[])`
	// The budgets still count these rows.
	blurEmailLogSQL = `
update email_log set id = gen_random_uuid(), at = date_trunc('day', at, 'UTC')
where mailbox_hmac = $1::bytea`
	// A slot counts until the end of its hour then. Decoys that wait have no subscriber.
	blurSlotsSQL = `
update signup_slots set at = date_trunc('hour', at + interval '1 hour' - interval '1 microsecond', 'UTC') where domain_hmac = $1::bytea`
	forgetDomainSQL = `
update outbox set domain_hmac = null where domain_hmac = $1::bytea and kind = 'none' and state in ('ready', 'held')`
	// The end is rounded up, so that no suppression becomes shorter.
	blurSuppressionSQL = `
update suppressions set created_at = date_trunc('day', created_at, 'UTC'),
    until = date_trunc('day', until + interval '1 day' - interval '1 microsecond', 'UTC')
where email_hmac = $1::bytea`
	// Nobody could end it.
	endRestrictionSQL = `
delete from suppressions where email_hmac = $1::bytea and reason = 'restriction'`
	recordErasureSQL = `
insert into erasures (id, email_hmac, key_id, at) values (gen_random_uuid(), $1::bytea, $2::text, $3::timestamptz)`
)

// forget deletes what identifies the subscriber, and from what is kept every id and time of their events.
func (t *erasureTx) forget(b *pgx.Batch) {
	b.Queue(forgetIdentitiesSQL, t.ids)
	b.Queue(forgetContextSQL, t.ids)
	b.Queue(lockMessagesSQL, t.ids)
	b.Queue(forgetMessagesSQL, t.ids)
	b.Queue(forgetEngagementSQL, t.ids)
	b.Queue(forgetRequestsSQL, t.ids, t.now)
	b.Queue(forgetRowSQL, t.Address.Normalized)
	b.Queue(blurEmailLogSQL, t.hashes.mailbox)
	b.Queue(endRestrictionSQL, t.hashes.email)
	b.Queue(blurSuppressionSQL, t.hashes.email)
	if t.domain != nil {
		b.Queue(blurSlotsSQL, t.domain)
		b.Queue(forgetDomainSQL, t.domain)
	}
}
