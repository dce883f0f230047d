package outbox

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// HoldBurst is why the emails of sign-ups that look alike are held.
const HoldBurst = "signup_burst"

// Held is a row that waits for the owner.
type Held struct {
	ID           uuid.UUID
	Kind         Kind
	Reason       string
	SubscriberID uuid.UUID // uuid.Nil for nobody
	EventID      uuid.UUID // uuid.Nil for none
	CreatedAt    time.Time
	// Overtaken says that the same person was queued the same mail later, and that one is not held.
	Superseded bool
}

const holdSQL = `
update outbox set state = 'held', hold_reason = $3::text
where id = $1::text::uuid and attempts = $2::integer and state = 'ready'`

// Hold makes a claimed row wait for the owner, with a reason in one word. It returns ErrLeaseLost if the lease is lost.
func (w *Worker) Hold(ctx context.Context, d Delivery, reason string) error {
	return w.mark(ctx, "hold a delivery", holdSQL, d.ID.String(), d.Attempt, reason)
}

// The functions below queue into the caller's batch, so that what happens to a held row commits with its ledger event.

const lockHeldSQL = `
select kind, hold_reason, coalesce(subscriber_id::text, ''), coalesce(event_id::text, ''), created_at,
       exists (select 1 from outbox as later
               where later.subscriber_id = held.subscriber_id and later.kind = held.kind and later.state <> 'held'
                 and later.created_at > held.created_at)
from outbox as held
where id = $1::text::uuid and state = 'held'
for update`

// LockHeld reads the held row of an id and locks it until the end of the transaction. found is false if none is held
// under it; the caller resets it and into for a repeated transaction.
func LockHeld(b *pgx.Batch, id uuid.UUID, into *Held, found *bool) {
	b.Queue(lockHeldSQL, id.String()).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			into.ID, *found = id, true
			err := rows.Scan((*string)(&into.Kind), &into.Reason, &into.SubscriberID, &into.EventID, &into.CreatedAt, &into.Superseded)
			if err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// The outcome marks the row until it is delivered: whoever holds rows must not hold it again.
const releaseHeldSQL = `
update outbox set state = 'ready', hold_reason = null, due_at = $2::timestamptz, deferred_until = $2::timestamptz, outcome = 'released'
where id = $1::text::uuid and state = 'held'`

// ReleaseHeld makes a held row due now.
func ReleaseHeld(b *pgx.Batch, id uuid.UUID, now time.Time) {
	b.Queue(releaseHeldSQL, id.String(), now)
}

const rejectHeldSQL = `
update outbox set state = 'done', hold_reason = null, sealed = null, outcome = 'rejected', finished_at = $2::timestamptz
where id = $1::text::uuid and state = 'held'`

// RejectHeld finishes a held row undelivered.
func RejectHeld(b *pgx.Batch, id uuid.UUID, now time.Time) { b.Queue(rejectHeldSQL, id.String(), now) }

const expireHeldSQL = `
update outbox set state = 'done', hold_reason = null, sealed = null, outcome = 'expired', finished_at = $2::timestamptz
where state = 'held' and created_at <= $1::timestamptz`

// ExpireHeld finishes all rows that have been held since before a time: what they would say is no longer true.
func ExpireHeld(b *pgx.Batch, before, now time.Time) { b.Queue(expireHeldSQL, before, now) }
