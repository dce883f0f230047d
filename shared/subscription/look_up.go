package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/apikey"
	"newsletter/shared/ledger"
)

// shownRestricted is the state, for a server, of a subscriber who restricts the use of their data: nothing else is shown.
const shownRestricted = "restricted"

// Subscriber is a subscriber as a server can look one up.
type Subscriber struct {
	ID          uuid.UUID     `json:"id"`
	State       string        `json:"state"`
	Email       string        `json:"email,omitempty"`
	Locale      ledger.Locale `json:"locale,omitempty"`
	Source      ledger.Source `json:"source"`
	RequestedAt *time.Time    `json:"requested_at,omitempty"`
	ConfirmedAt *time.Time    `json:"confirmed_at,omitempty"`
	EndedAt     *time.Time    `json:"ended_at,omitempty"`
}

const lookUpSQL = `
select s.id, s.email, s.email_norm, s.status, s.returning_from, s.epoch, s.locale, s.source, s.request_event_id, s.requested_at, s.confirmed_at, s.ended_at,
       coalesce((select p.reason from identities i join suppressions p on p.email_hmac = i.email_hmac and (p.until is null or p.until > $2::timestamptz)
                 where i.subscriber_id = s.id limit 1), '')
from subscribers s where s.id = $1::text::uuid`

// LookUp returns a subscriber for a server with a key (visit.Key) of the scope apikey.Read, and records that it did. The
// error is ErrUnknown, also for who was erased; apikey.ErrInvalid or apikey.ErrScope; or the database's.
func (s *Store) LookUp(ctx context.Context, id uuid.UUID, visit Visit) (Subscriber, error) {
	var key apikey.Row
	var r row
	var reason SuppressionReason
	event := ledger.Event{ID: newID(), Kind: ledger.SubscriberRead, SubscriberID: id, Actor: ledger.System}
	var found Subscriber
	err := s.transact(ctx, 0,
		func(b *pgx.Batch, before time.Time) {
			r, reason = row{}, ""
			loadKey(b, *visit.Key, &key)
			b.Queue(lookUpSQL, id.String(), before).QueryRow(func(from pgx.Row) error {
				err := from.Scan(append(r.columns(), (*string)(&reason))...)
				r.exists = err == nil
				return ignoreNoRows(err)
			})
		},
		func(b *pgx.Batch, now time.Time) error {
			if err := key.Check(*visit.Key, apikey.Read); err != nil {
				return err
			}
			if !r.exists {
				return ErrUnknown
			}
			found = r.shown(reason)
			event.At, event.Data.Outcome = now, found.State
			ledger.Append(b, visit.cause(event))
			return nil
		})
	if err != nil {
		return Subscriber{}, fmt.Errorf("look a subscriber up: %w", err)
	}
	return found, nil
}

// shown returns what a server sees of a row.
func (r row) shown(reason SuppressionReason) Subscriber {
	if reason == Restriction {
		return Subscriber{ID: r.ID, State: shownRestricted}
	}
	return Subscriber{
		ID: r.ID, State: string(suppressions{reason: reason}.state(r)), Email: r.Email, Locale: r.Locale, Source: r.Source,
		RequestedAt: &r.RequestedAt, ConfirmedAt: r.ConfirmedAt, EndedAt: r.EndedAt,
	}
}
