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

// ErrNotTheAddress means that the address that was typed is not the one that the link was sent to.
var ErrNotTheAddress = errors.New("subscription: not the address of this link")

// Erasure is a person who wants to be forgotten.
type Erasure struct {
	// Address was typed into the form behind the link, or stands in a letter.
	Address Address
	// SubscriberID is the person of the link; uuid.Nil for a letter, whose sender the operator has identified.
	SubscriberID uuid.UUID
	// Object means that the person objects to mail for good (Art. 21): a keyed hash of the address stays, so that no sign-up
	// and no import emails it again.
	Object bool
	Visit  Visit

	expunged bool // by age, not by the person's wish
}

// ErasedContact is what the listeners of an erasure need to know and the database forgets. It travels sealed.
type ErasedContact struct {
	Email       string `json:"email,omitempty"` // as it was stored; empty if only pseudonyms were left
	EmailHMAC   []byte `json:"email_hmac"`
	MailboxHMAC []byte `json:"mailbox_hmac,omitempty"` // of the mailbox, where it is to get no email ever after
	KeyID       string `json:"key_id"`
	Objected    bool   `json:"objected,omitempty"`
}

// Eraser erases people.
type Eraser struct {
	store *Store
	vault *outbox.Vault
}

// NewEraser makes an Eraser on a store. vault seals what listeners still have to be told.
func NewEraser(store *Store, vault *outbox.Vault) *Eraser { return &Eraser{store, vault} }

// erasureTx is one erasure on its way through the transaction.
type erasureTx struct {
	Erasure
	now     time.Time // under the lock
	lock    int64
	eventID uuid.UUID
	names   pseudonyms

	row  row
	held silence
	ids  []string // all ids that the person has and had
	// Of the link's person: whether anything is kept, and whether they were erased under the typed address.
	known, erased bool
}

// Erase deletes in one transaction what is kept of a person: the row, the pseudonyms that lead from the ledger to them,
// network addresses and programs of their events, and every email that still waits; with the row go all links. The ledger
// keeps events of somebody whom nobody can name any more. What stays is listed in docs/privacy.md: the keyed hash of an
// erasure, and that of an objection if there is one. Listeners are told.
//
// Doing it again gives Unchanged and records nothing. The error is ErrUnknown if the link opens nothing any more,
// ErrNotTheAddress, or the database's.
func (e *Eraser) Erase(ctx context.Context, p Erasure) (Outcome, error) {
	s := e.store
	tx := &erasureTx{Erasure: p, lock: s.foldLock(p.Address), eventID: newID(), names: newPseudonyms(s.key, p.Address)}
	var outcome Outcome
	err := s.transact(ctx, tx.lock, tx.load, func(b *pgx.Batch, now time.Time) error {
		tx.now = now
		if err := tx.checkLink(); err != nil {
			return err
		}
		d := Transition(Facts{State: tx.held.state(tx.row), Remembered: len(tx.ids) > 0, Objected: tx.held.reason == Objection}, OnErase)
		outcome = d.Outcome
		if d.Ledger == "" {
			return nil
		}
		return tx.write(b, e.vault, d)
	})
	if err != nil {
		return "", fmt.Errorf("erase a person: %w", err)
	}
	return outcome, nil
}

// EraseAddress erases somebody who left long ago, because their address serves nobody any more.
func (e *Eraser) EraseAddress(ctx context.Context, a Address) (Outcome, error) {
	return e.Erase(ctx, Erasure{Address: a, Visit: Visit{Channel: "schedule", RequestID: "maintain"}, expunged: true})
}

const longGoneSQL = `
select email from subscribers where status = 'unsubscribed' and ended_at < $1::timestamptz order by ended_at limit $2::integer`

// ListLongUnsubscribed lists people who unsubscribed before a time, the longest gone first.
func (s *Store) ListLongUnsubscribed(ctx context.Context, before time.Time, limit int) ([]Address, error) {
	var all []Address
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		all = nil
		b.Queue(longGoneSQL, before, limit).Query(func(rows pgx.Rows) error {
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
		return nil, fmt.Errorf("list who left long ago: %w", err)
	}
	return all, nil
}

const linkPersonSQL = `
select exists (select from identities where subscriber_id = $1::text::uuid),
       exists (select from erasures where subscriber_id = $1::text::uuid and email_hmac = $2::bytea)`

// An erasure waits for whoever has read the person and is about to write of them, and then sees what they wrote.
const lockIdentitiesSQL = `
select from identities where email_hmac = $1::bytea for update`

func (t *erasureTx) load(b *pgx.Batch, before time.Time) {
	t.row, t.held, t.ids, t.known, t.erased = row{}, silence{}, nil, false, false
	t.row.loadByNorm(b, t.Address.Normalized, t.lock)
	b.Queue(lockIdentitiesSQL, t.names.email)
	t.held.loadByAddress(b, t.names, before)
	loadIDs(b, t.names.email, &t.ids)
	b.Queue(linkPersonSQL, t.SubscriberID.String(), t.names.email).QueryRow(func(found pgx.Row) error {
		return found.Scan(&t.known, &t.erased)
	})
}

// checkLink holds the typed address against the person of the link.
func (t *erasureTx) checkLink() error {
	switch {
	case t.SubscriberID == uuid.Nil || slices.Contains(t.ids, t.SubscriberID.String()) || t.erased:
		return nil
	case t.known:
		return ErrNotTheAddress
	}
	return ErrUnknown
}

func (t *erasureTx) write(b *pgx.Batch, vault *outbox.Vault, d Decision) error {
	event := t.row.event(t.held.state(t.row), d)
	event.ID, event.At, event.Actor = t.eventID, t.now, ledger.Subscriber
	event.Channel, event.RequestID = t.Visit.Channel, t.Visit.RequestID
	switch {
	case t.expunged:
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
	last := ErasedContact{Email: t.row.Email, EmailHMAC: t.names.email, KeyID: t.names.keyID, Objected: t.Object}
	if t.Object {
		last.MailboxHMAC = t.names.fold
	}
	farewell, err := json.Marshal(last)
	if err != nil {
		return err
	}
	t.forget(b)
	ledger.Append(b, event) // without its context: nothing new is kept of who is to be forgotten
	if t.Object {
		suppressAddress(b, t.names.email, t.names.fold, t.names.keyID, Objection, t.now)
	}
	b.Queue(recordErasureSQL, event.ID.String(), event.SubscriberID.String(), t.names.email, t.names.keyID, t.now)
	if !t.expunged {
		closeRequest(b, RightOfErasure, t.ids, t.Visit, t.now)
	}
	announce(b, event, t.row.Epoch, vault.Seal(event.ID, farewell))
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
