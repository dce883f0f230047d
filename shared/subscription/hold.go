package subscription

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

// ErrNotHeld means that no email waits under this id; it may have been released, rejected or expired.
var ErrNotHeld = errors.New("subscription: nothing is held under this id")

// HeldEmail is an email that waits for the owner, and what there is to judge its sign-up by. It does not name the person.
type HeldEmail struct {
	ID           uuid.UUID     `json:"id"`
	Reason       string        `json:"reason"`
	Kind         string        `json:"kind"` // of the email, such as "email.confirm"
	SubscriberID uuid.UUID     `json:"subscriber_id"`
	At           time.Time     `json:"at"`
	Domain       string        `json:"domain"` // of the address; empty if the sign-up is gone
	Status       State         `json:"status"`
	Channel      string        `json:"channel"`
	Locale       string        `json:"locale,omitempty"`
	Source       ledger.Source `json:"source"`
}

// Decoys are left out: there is nothing to decide about them, and they expire.
const holdsSQL = `
select o.id::text, o.hold_reason, o.kind, coalesce(o.subscriber_id::text, ''), o.created_at,
       coalesce(split_part(s.email_norm, '@', 2), ''), coalesce(s.status, 'none'), coalesce(e.channel, ''),
       coalesce(s.locale, ''), coalesce(e.source::text, '{}')
from outbox o
left join subscribers s on s.id = o.subscriber_id
left join ledger_events e on e.id = o.event_id
where o.state = 'held' and o.kind <> 'none'
order by o.created_at, o.id
limit $1::integer`

// ListHeld lists up to limit emails that wait for the owner, the oldest first, in one round trip. The error is the
// database's.
func (s *Store) ListHeld(ctx context.Context, limit int) ([]HeldEmail, error) {
	var holds []HeldEmail
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(holdsSQL, limit).Query(func(rows pgx.Rows) error {
			var err error
			holds, err = pgx.CollectRows(rows, scanHold)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list what is held: %w", err)
	}
	return holds, nil
}

func scanHold(row pgx.CollectableRow) (HeldEmail, error) {
	var h HeldEmail
	var source string
	err := row.Scan(&h.ID, &h.Reason, &h.Kind, &h.SubscriberID, &h.At, &h.Domain, (*string)(&h.Status), &h.Channel, &h.Locale, &source)
	h.At, h.Source = h.At.UTC(), ledger.ParseSource(source)
	return h, err
}

// ReleaseHeld lets a held email go out. deliver looks at the person's state before it sends it, as always. The error is
// ErrNotHeld or the database's.
func (s *Store) ReleaseHeld(ctx context.Context, id uuid.UUID, v Visit) error {
	return s.judge(ctx, id, v, false)
}

// RejectHeld ends a held email and the sign-up behind it, as if it had expired; the sign-up stays if the person was sent the
// same mail later without being held. The error is ErrNotHeld or the database's.
func (s *Store) RejectHeld(ctx context.Context, id uuid.UUID, v Visit) error {
	return s.judge(ctx, id, v, true)
}

// judge returns one transaction: the held row, its ledger event and, for a rejection, the end of the sign-up.
func (s *Store) judge(ctx context.Context, id uuid.UUID, v Visit, reject bool) error {
	eventID, endID := newID(), newID()
	subscriber, err := s.heldSubscriber(ctx, id)
	if err != nil {
		return err
	}
	lock := s.subscriberLock(subscriber)
	var held outbox.Held
	var found bool
	var person row
	err = s.transact(ctx, lock,
		func(b *pgx.Batch, _ time.Time) {
			held, found, person = outbox.Held{}, false, row{}
			person.loadByID(b, subscriber, lock)
			outbox.LockHeld(b, id, &held, &found)
		},
		func(b *pgx.Batch, now time.Time) error {
			if !found {
				return ErrNotHeld
			}
			event := ledger.Event{
				ID: eventID, At: now, Kind: ledger.HoldReleased, SubscriberID: held.SubscriberID, Actor: ledger.Operator,
				Data: ledger.Data{Outcome: "released", Reasons: []string{held.Reason}, RequestEvent: text(held.EventID)},
			}
			if !reject {
				s.record(b, event, v)
				outbox.ReleaseHeld(b, id, now)
				return nil
			}
			event.Kind, event.Data.Outcome = ledger.HoldRejected, "rejected"
			s.record(b, event, v)
			outbox.RejectHeld(b, id, now)
			if person.state() == Pending && held.Kind == outbox.EmailConfirm && !held.Superseded {
				s.end(b, person, ledger.Event{ID: endID, At: now, Actor: ledger.Operator, Channel: v.Channel, RequestID: v.RequestID})
			}
			return nil
		})
	if errors.Is(err, ErrNotHeld) {
		return ErrNotHeld
	}
	if err != nil {
		return fmt.Errorf("judge what is held: %w", err)
	}
	return nil
}

const heldSubscriberSQL = `
select coalesce(subscriber_id::text, '') from outbox where id = $1::text::uuid and state = 'held'`

// heldSubscriber finds whose lock to take.
func (s *Store) heldSubscriber(ctx context.Context, id uuid.UUID) (subscriber uuid.UUID, err error) {
	found := false
	err = s.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(heldSubscriberSQL, id.String()).QueryRow(func(r pgx.Row) error {
			err := r.Scan(&subscriber)
			found = err == nil
			return optional(err)
		})
	})
	if err == nil && !found {
		return uuid.Nil, ErrNotHeld
	}
	return subscriber, err
}

// text returns an id for the ledger; empty for none.
func text(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}
