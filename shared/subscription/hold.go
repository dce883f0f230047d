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

// ErrNotHeld is the error for an id without a held email. It may have been released, rejected or expired.
var ErrNotHeld = errors.New("subscription: no email is held under this id")

// HeldEmail is an email that waits for the owner, with the facts to judge its sign-up. It does not identify the
// subscriber.
type HeldEmail struct {
	ID           uuid.UUID     `json:"id"`
	Reason       string        `json:"reason"`
	Kind         string        `json:"kind"` // of the email, such as "email.confirm"
	SubscriberID uuid.UUID     `json:"subscriber_id"`
	At           time.Time     `json:"at"`
	Domain       string        `json:"domain"` // of the address; empty if the sign-up is gone
	Status       State         `json:"status"`
	Channel      string        `json:"channel"`
	Locale       ledger.Locale `json:"locale,omitempty"`
	Source       ledger.Source `json:"source"`
}

// It omits decoys (kind none): they need no decision and expire.
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

// ListHeld returns up to limit held emails, oldest first, in one round trip. The error is the database's.
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
		return nil, fmt.Errorf("list held emails: %w", err)
	}
	return holds, nil
}

func scanHold(row pgx.CollectableRow) (HeldEmail, error) {
	var h HeldEmail
	var source string
	err := row.Scan(&h.ID, &h.Reason, &h.Kind, &h.SubscriberID, &h.At, &h.Domain, (*string)(&h.Status), &h.Channel, (*string)(&h.Locale), &source)
	h.At, h.Source = h.At.UTC(), ledger.ParseSource(source)
	return h, err
}

// ReleaseHeld makes a held email due. CheckSend still decides before it is sent. The error is ErrNotHeld or the
// database's.
func (s *Store) ReleaseHeld(ctx context.Context, id uuid.UUID, v Visit) error {
	return s.resolveHold(ctx, id, v, false)
}

// RejectHeld ends a held email and its sign-up, as if it had expired. The sign-up stays if it has another email that was
// not held: a bot may have entered the address of a visitor who signed up. The error is ErrNotHeld or the database's.
func (s *Store) RejectHeld(ctx context.Context, id uuid.UUID, v Visit) error {
	return s.resolveHold(ctx, id, v, true)
}

// resolveHold releases or rejects a held email in one transaction, with its ledger event and, for a rejection, the end
// of the sign-up.
func (s *Store) resolveHold(ctx context.Context, id uuid.UUID, v Visit, reject bool) error {
	eventID, endID := newID(), newID()
	subscriber, err := s.heldSubscriber(ctx, id)
	if err != nil {
		return err
	}
	lock := s.subscriberLock(subscriber)
	var held outbox.Held
	var found bool
	var subscribed row
	err = s.transact(ctx, lock,
		func(b *pgx.Batch, _ time.Time) {
			held, found, subscribed = outbox.Held{}, false, row{}
			subscribed.loadByID(b, subscriber, lock)
			outbox.LockHeld(b, id, &held, &found)
		},
		func(b *pgx.Batch, now time.Time) error {
			if !found {
				return ErrNotHeld
			}
			event := ledger.Event{
				ID: eventID, At: now, Kind: ledger.HoldReleased, SubscriberID: held.SubscriberID, Actor: ledger.Operator,
				Data: ledger.Data{Outcome: "released", Reasons: []string{held.Reason}, RequestEvent: idText(held.EventID)},
			}
			if !reject {
				s.record(b, event, v)
				outbox.ReleaseHeld(b, id, now)
				return nil
			}
			event.Kind, event.Data.Outcome = ledger.HoldRejected, "rejected"
			s.record(b, event, v)
			outbox.RejectHeld(b, id, now)
			if subscribed.state() == Pending && held.Kind == ConfirmEmail.Kind() && !held.Accompanied {
				s.end(b, subscribed, ledger.Event{ID: endID, At: now, Actor: ledger.Operator, Channel: v.Channel, RequestID: v.RequestID})
			}
			return nil
		})
	if errors.Is(err, ErrNotHeld) {
		return ErrNotHeld
	}
	if err != nil {
		return fmt.Errorf("resolve a held email: %w", err)
	}
	return nil
}

const heldSubscriberSQL = `
select coalesce(subscriber_id::text, '') from outbox where id = $1::text::uuid and state = 'held'`

// heldSubscriber returns the subscriber of a held email, whose lock resolveHold takes.
func (s *Store) heldSubscriber(ctx context.Context, id uuid.UUID) (subscriber uuid.UUID, err error) {
	found := false
	err = s.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(heldSubscriberSQL, id.String()).QueryRow(func(r pgx.Row) error {
			err := r.Scan(&subscriber)
			found = err == nil
			return ignoreNoRows(err)
		})
	})
	if err == nil && !found {
		return uuid.Nil, ErrNotHeld
	}
	return subscriber, err
}

// idText returns an id for the ledger; empty for uuid.Nil.
func idText(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}
