package outbox

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// The hold reasons that have an alert of their own.
const (
	// HoldBurst is the reason of confirmation emails of a sign-up burst.
	HoldBurst = "signup_burst"
	// HoldHoneypot is among the reasons of a request whose honeypot was filled in. Bots do that every day.
	HoldHoneypot = "honeypot"
)

// Held is a message that waits for the owner.
type Held struct {
	ID           uuid.UUID
	Kind         Kind
	Reason       string
	SubscriberID uuid.UUID // uuid.Nil for none
	EventID      uuid.UUID // uuid.Nil for none
	CreatedAt    time.Time
	// Accompanied reports that there is the same email of another request, which is neither held nor rejected.
	Accompanied bool
}

const holdSQL = `
update outbox set state = 'held', hold_reason = $3::text
where id = $1::text::uuid and attempts = $2::integer and state = 'ready'`

// Hold holds a claimed message for the owner, with a one-word reason. It returns ErrLeaseLost if the lease is lost.
func (w *Worker) Hold(ctx context.Context, d Delivery, reason string) error {
	return w.mark(ctx, "hold a delivery", holdSQL, d.ID.String(), d.Attempt, reason)
}

// The functions below add to the caller's batch, so that the change of a held message commits with its ledger event.

const lockHeldSQL = `
select kind, hold_reason, coalesce(subscriber_id::text, ''), coalesce(event_id::text, ''), created_at,
       exists (select 1 from outbox as other
               where other.subscriber_id = held.subscriber_id and other.kind = held.kind and other.epoch = held.epoch
                 and other.state <> 'held' and other.outcome is distinct from 'rejected')
from outbox as held
where id = $1::text::uuid and state = 'held'
for update`

// LockHeld reads the held message with an id and locks it until the end of the transaction. found stays false if there
// is none. The caller resets found and into when the transaction is repeated.
func LockHeld(b *pgx.Batch, id uuid.UUID, into *Held, found *bool) {
	b.Queue(lockHeldSQL, id.String()).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			into.ID, *found = id, true
			err := rows.Scan((*string)(&into.Kind), &into.Reason, &into.SubscriberID, &into.EventID, &into.CreatedAt, &into.Accompanied)
			if err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// The outcome marks the message until it is delivered, so that burst detection does not hold it again.
const releaseHeldSQL = `
update outbox set state = 'ready', hold_reason = null, due_at = $2::timestamptz, deferred_until = $2::timestamptz, outcome = 'released'
where id = $1::text::uuid and state = 'held'`

// ReleaseHeld makes a held message due now.
func ReleaseHeld(b *pgx.Batch, id uuid.UUID, now time.Time) {
	b.Queue(releaseHeldSQL, id.String(), now)
}

const rejectHeldSQL = `
update outbox set state = 'done', hold_reason = null, sealed = null, domain_hmac = null, outcome = 'rejected', finished_at = $2::timestamptz
where id = $1::text::uuid and state = 'held'`

// RejectHeld completes a held message without delivering it.
func RejectHeld(b *pgx.Batch, id uuid.UUID, now time.Time) { b.Queue(rejectHeldSQL, id.String(), now) }
