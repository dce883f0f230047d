package subscription

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/token"
)

// AddressChanged is the outcome of Confirm for a subscriber's new address.
const AddressChanged Outcome = "address_changed"

// ErrSameAddress is the error for a new address that is the present one.
var ErrSameAddress = errors.New("subscription: this is the subscriber's address")

// The outcomes of a request for another address, in privacy_requests.
const (
	rectificationSent    = "link_sent"
	rectificationDone    = "rectified"
	rectificationDropped = "superseded"
)

const (
	// A request whose sign-up was not stored, because the mailbox was busy, is not counted.
	rectificationsSQL = `
select p.received_at from privacy_requests p join ledger_events e on e.id = p.sign_up_event_id
where p.subscriber_id = $1::text::uuid and p.received_at > $2::timestamptz`
	requestRectificationSQL = `
insert into privacy_requests (id, kind, channel, subscriber_id, received_at, due_at, done_at, outcome, sign_up_event_id, event_id, sealed)
values ($1::text::uuid, $2::text, $3::text, $4::text::uuid, $5::timestamptz, $6::timestamptz, $5::timestamptz, $7::text,
        $8::text::uuid, $9::text::uuid, $10::bytea)`
	answerLettersSQL = `
update privacy_requests set done_at = $3::timestamptz, outcome = 'answered'
where subscriber_id = $1::text::uuid and kind = $2::text and done_at is null`
)

// Rectify asks the reader of another address to confirm that a subscriber receives email there (Art. 16 GDPR). link is
// that of a privacy email, which proves that the old mailbox is read; the email to the new address has a confirm link,
// which proves the same of the new one, and Confirm then moves the subscription. The new address is treated as by any
// other sign-up: with the same statements in every state, within the budget of its mailbox, silently if it is
// suppressed, and with the notice if it is subscribed already; nothing moves then. A subscriber can ask as often as for a
// new link (Renew); above that, Rectify returns LinkOverBudget and does nothing. Only an active subscription moves:
// LinkUnknown otherwise. Each call appends an event of the subscriber.
//
// It is two transactions. If the second fails, nothing can be confirmed, and Rectify may be called again at once. The
// error is ErrUnknown for a link of an earlier epoch or an unknown subscriber, ErrSameAddress, or the database's.
func (e *Eraser) Rectify(ctx context.Context, link token.Link, a Address, visit Visit) (Outcome, error) {
	return e.rectify(ctx, link.SubscriberID, &link.Epoch, ledger.Subscriber, a, visit)
}

// RectifyByLetter asks like Rectify, for an address whose holder the operator has identified, and closes their requests by
// letter. Only the email to the new address proves that the holder receives email there.
func (e *Eraser) RectifyByLetter(ctx context.Context, old, a Address, visit Visit) (Outcome, error) {
	holder, err := e.store.FindByPseudonym(ctx, e.store.key.Address(old.Normalized))
	if err != nil {
		return "", err
	}
	return e.rectify(ctx, holder.SubscriberID, nil, ledger.Operator, a, visit)
}

// rectify requests another address for a subscriber, of any epoch if epoch is nil.
func (e *Eraser) rectify(ctx context.Context, id uuid.UUID, epoch *int32, actor ledger.Actor, a Address, visit Visit) (Outcome, error) {
	s := e.store
	lock, askedID, signUpID, movedID, requestID := s.subscriberLock(id), newID(), newID(), newID(), uuid.New()
	var r row
	var asked []time.Time
	var outcome, repeated Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			r, asked, repeated = row{}, nil, ""
			r.loadByID(b, id, lock)
			b.Queue(rectificationsSQL, id.String(), before.Add(-renewals[len(renewals)-1].within)).Query(func(rows pgx.Rows) error {
				var err error
				asked, err = pgx.CollectRows(rows, pgx.RowTo[time.Time])
				return err
			})
			loadOutcome(b, askedID, &repeated)
		},
		func(b *pgx.Batch, now time.Time) error {
			switch {
			case repeated != "":
				outcome = repeated
				return nil
			case !r.exists || epoch != nil && r.Epoch != *epoch:
				return ErrUnknown
			case r.EmailNorm == a.Normalized:
				return ErrSameAddress
			case r.Status != Active:
				outcome = LinkUnknown
			case !allowsRenewal(now, asked):
				outcome = LinkOverBudget
			default:
				outcome = LinkQueued
			}
			s.record(b, ledger.Event{
				ID: askedID, At: now, Kind: ledger.LinkRequested, SubscriberID: r.ID, Actor: actor,
				Data: ledger.Data{Outcome: string(outcome), Provider: r.provider(), Purpose: string(RightOfRectification)},
			}, visit)
			if outcome != LinkQueued {
				return nil
			}
			if actor == ledger.Operator {
				b.Queue(answerLettersSQL, r.ID.String(), string(RightOfRectification), now)
			}
			old, err := ParseAddress(r.Email)
			if err != nil {
				return err
			}
			hashes := newPseudonyms(s.key, old)
			contact, err := json.Marshal(ErasedContact{Email: r.Email, EmailHMAC: hashes.email, KeyID: hashes.keyID})
			if err != nil {
				return err
			}
			b.Queue(requestRectificationSQL, requestID.String(), string(RightOfRectification), visit.Channel, r.ID.String(), now,
				now.Add(answerWithin), rectificationSent, signUpID.String(), movedID.String(), e.vault.Seal(movedID, contact))
			return nil
		})
	if err == nil && outcome == LinkQueued {
		_, err = s.Request(ctx, Request{Address: a, Locale: r.Locale, Visit: visit, rectifies: signUpID})
	}
	if err != nil {
		return "", fmt.Errorf("request another address: %w", err)
	}
	return outcome, nil
}

// A move is what Confirm does for a subscriber's new address.
type move struct {
	found   bool // the link is that of a new address
	outcome string
	eventID uuid.UUID
	sealed  []byte
	row     row // the subscriber
}

const (
	moveSQL = `
select s.id, s.email, s.email_norm, s.status, s.returning_from, s.epoch, s.locale, s.source, s.request_event_id, s.requested_at, s.confirmed_at,
       s.ended_at, p.outcome, coalesce(p.event_id::text, ''), p.sealed
from privacy_requests p join subscribers s on s.id = p.subscriber_id
where p.sign_up_event_id = $1::text::uuid
for update of s`
	moveRowSQL = `
update subscribers set email = $2::text, email_norm = $3::text, epoch = epoch + 1 where id = $1::text::uuid`
	// A restriction moves with the subscription, and replaces a mute period of the new address.
	unmuteRestrictedSQL = `
delete from suppressions m using identities n, identities o, suppressions p
where n.subscriber_id = $2::text::uuid and o.subscriber_id = $1::text::uuid
  and p.email_hmac = o.email_hmac and p.reason = 'restriction' and m.email_hmac = n.email_hmac and m.reason = 'declined'`
	moveRestrictionSQL = `
update suppressions p set email_hmac = n.email_hmac, mailbox_hmac = n.mailbox_hmac, key_id = n.key_id
from identities n, identities o
where n.subscriber_id = $2::text::uuid and o.subscriber_id = $1::text::uuid and p.email_hmac = o.email_hmac and p.reason = 'restriction'`
	// As an erasure does: nothing leads from the old address to the events of the subscriber.
	blurOldEmailLogSQL = `
update email_log set id = gen_random_uuid(), at = date_trunc('day', at, 'UTC')
where mailbox_hmac = (select mailbox_hmac from identities where subscriber_id = $1::text::uuid)`
	// All ids of the subscriber follow, so that a later copy or erasure still covers them.
	moveIdentitiesSQL = `
update identities i set email_hmac = n.email_hmac, mailbox_hmac = n.mailbox_hmac, key_id = n.key_id
from identities n, identities o
where n.subscriber_id = $2::text::uuid and o.subscriber_id = $1::text::uuid and i.email_hmac = o.email_hmac`
	endRectificationsSQL = `
update privacy_requests set outcome = case when sign_up_event_id = $2::text::uuid then $3::text else $4::text end, event_id = null, sealed = null
where subscriber_id = $1::text::uuid and kind = $5::text and outcome = $6::text`
)

// load reads the move of a confirm link and locks its subscriber. After an erasure, there is none.
func (m *move) load(b *pgx.Batch, link token.Link) {
	b.Queue(moveSQL, link.EventID.String()).QueryRow(func(found pgx.Row) error {
		*m = move{}
		var id string
		err := found.Scan(append(m.row.columns(), &m.outcome, &id, &m.sealed)...)
		if m.found = err == nil; m.found && id != "" {
			m.eventID, err = uuid.Parse(id)
		}
		m.row.exists = m.found
		return ignoreNoRows(err)
	})
}

// done reports whether the subscription has moved.
func (m *move) done() bool { return m.found && m.outcome == rectificationDone }

// write moves the subscription to the address of from, the row of the new address with the sign-up, which ends. The subscriber
// keeps their id and history, and the id of the sign-up becomes one of theirs. It ends their other requests for
// another address. The error is ErrUnknown if the subscription has ended or moved since the request.
func (m *move) write(b *pgx.Batch, s *Store, from row, signUp, textID uuid.UUID, visit Visit, now time.Time) error {
	r := m.row
	if m.outcome != rectificationSent || r.Status != Active {
		return ErrUnknown
	}
	event := r.event(Active, decision{To: Active, Outcome: AddressChanged, Ledger: ledger.Rectified})
	event.ID, event.At, event.Actor, event.ConsentTextID = m.eventID, now, ledger.Subscriber, textID
	event.Data.Provider, event.Data.RequestEvent, event.Data.Workflow = from.provider(), signUp.String(), doubleOptIn
	s.record(b, event, visit)
	b.Queue(deleteRowSQL, from.ID.String())
	b.Queue(moveRowSQL, r.ID.String(), from.Email, from.EmailNorm)
	b.Queue(unmuteRestrictedSQL, r.ID.String(), from.ID.String())
	b.Queue(moveRestrictionSQL, r.ID.String(), from.ID.String())
	b.Queue(blurOldEmailLogSQL, r.ID.String())
	b.Queue(moveIdentitiesSQL, r.ID.String(), from.ID.String())
	b.Queue(endRectificationsSQL, r.ID.String(), signUp.String(), rectificationDone, rectificationDropped, string(RightOfRectification), rectificationSent)
	enqueueChange(b, event, r.Epoch, m.sealed)
	return nil
}
