package outbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrLeaseLost is the error for a delivery whose lease expired and that was then claimed by another worker, or that is
// already completed. Nothing was changed.
var ErrLeaseLost = errors.New("outbox: the lease of this delivery is lost")

// A database runs a batch in one round trip, as one transaction. It may run the batch again if the response was lost.
type database interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
}

// A Worker claims messages and records the outcome of their deliveries. It is safe for concurrent use.
type Worker struct {
	db  database
	now func() time.Time
}

// NewWorker returns a worker of the outbox in db; now is the clock.
func NewWorker(db database, now func() time.Time) *Worker {
	return &Worker{db: db, now: now}
}

// Delivery is a claimed message.
type Delivery struct {
	ID           uuid.UUID // stable over all attempts: the idempotency key
	Kind         Kind
	SubscriberID uuid.UUID // uuid.Nil for none
	EventID      uuid.UUID // uuid.Nil for none
	Epoch        int32     // the subscriber's epoch at the decision
	Attempt      int       // 1 at the first claim; with ID it identifies the lease
	CreatedAt    time.Time
	Sealed       []byte // the sealed payload, nil for none
	Released     bool   // the owner released it: it must not be held again
	// HasPlace reports that it waited for its place in the rate of its domain.
	HasPlace bool
}

// Limits is how much Claim may take.
type Limits struct {
	Due     int // due messages that wait for nothing
	Waiting int // messages that wait for the rate of email, due or not
	// NoEmail leaves emails and decoys out, because email is paused.
	NoEmail bool
}

// The rows are picked in materialized steps, because PostgreSQL may run a plain subquery with "limit" more than once.
const claimSQL = `
with due as materialized (
    select id from outbox
    where state = 'ready' and due_at <= $1::timestamptz and waits_for is distinct from 'rate'
      and not ($5::boolean and (kind = 'none' or kind like 'email.%'))
    order by due_at
    limit $2::integer
    for update skip locked
), waiting as materialized (
    select id from outbox
    where state = 'ready' and waits_for = 'rate'
    order by due_at
    limit $4::integer
    for update skip locked
), picked as (
    select id from due union all select id from waiting
)
update outbox set due_at = $3::timestamptz, attempts = outbox.attempts + 1,
    waits_for = case when outbox.waits_for in ('rate', 'slot') then null else outbox.waits_for end
from picked where outbox.id = picked.id
returning outbox.id::text, outbox.kind, coalesce(outbox.subscriber_id::text, ''), coalesce(outbox.event_id::text, ''),
          outbox.epoch, outbox.attempts, outbox.created_at, outbox.sealed, coalesce(outbox.outcome = 'released', false),
          coalesce(outbox.waits_for = 'domain', false)`

// Claim claims messages for the length of the lease, the longest due first. It takes one statement and one round trip.
// It skips messages that another worker is claiming and never waits for them. The order of the result is not defined.
func (w *Worker) Claim(ctx context.Context, limits Limits, lease time.Duration) ([]Delivery, error) {
	now := w.now()
	var claimed []Delivery
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(claimSQL, now, limits.Due, now.Add(lease), limits.Waiting, limits.NoEmail).Query(func(rows pgx.Rows) error {
			var err error
			claimed, err = pgx.CollectRows(rows, scanDelivery)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("claim from the outbox: %w", err)
	}
	return claimed, nil
}

func scanDelivery(row pgx.CollectableRow) (Delivery, error) {
	var d Delivery
	err := row.Scan(&d.ID, (*string)(&d.Kind), &d.SubscriberID, &d.EventID, &d.Epoch, &d.Attempt, &d.CreatedAt, &d.Sealed, &d.Released, &d.HasPlace)
	return d, err
}

// The statements below change a message only while its attempt is that of the lease.

// Only a sent email keeps its domain, for the reports about it.
const completeSQL = `
update outbox set state = 'done', hold_reason = null, sealed = null, outcome = $3::text, finished_at = $4::timestamptz,
    domain_hmac = case when $3::text = 'sent' then domain_hmac end
where id = $1::text::uuid and attempts = $2::integer
  and (state = 'ready' or (state = 'done' and outcome = $3::text))`

// Complete records d's outcome, and deletes its sealed payload. It is idempotent. It returns ErrLeaseLost if the
// lease is lost.
func (w *Worker) Complete(ctx context.Context, d Delivery, outcome Outcome) error {
	return w.mark(ctx, "complete a delivery", completeSQL, d.ID.String(), d.Attempt, string(outcome), w.now())
}

const deadLetterSQL = `
update outbox set state = 'dead', outcome = $3::text, finished_at = $4::timestamptz
where id = $1::text::uuid and attempts = $2::integer
  and (state = 'ready' or (state = 'dead' and outcome = $3::text))`

// DeadLetter stops retrying d and keeps it, with its sealed payload, until an operator retries or drops it. It is
// idempotent. It returns ErrLeaseLost if the lease is lost.
func (w *Worker) DeadLetter(ctx context.Context, d Delivery, cause string) error {
	return w.mark(ctx, "dead-letter a delivery", deadLetterSQL, d.ID.String(), d.Attempt, cause, w.now())
}

const retrySQL = `
update outbox set due_at = $4::timestamptz, outcome = $3::text
where id = $1::text::uuid and attempts = $2::integer and state = 'ready'`

// Retry schedules another attempt of d after the pause of backoff, or dead-letters d after MaxAttempts. cause is one
// word for the failure, and retryAfter the pause that the destination requested (0 for none). It returns ErrLeaseLost
// if the lease is lost.
func (w *Worker) Retry(ctx context.Context, d Delivery, cause string, retryAfter time.Duration) error {
	if d.Attempt >= MaxAttempts {
		return w.DeadLetter(ctx, d, cause)
	}
	due := w.now().Add(backoff(d.Attempt, rand.Float64(), retryAfter))
	return w.mark(ctx, "retry a delivery", retrySQL, d.ID.String(), d.Attempt, cause, due)
}

// The outcome "released" stays until the message is delivered: see releaseHeldSQL. What it waits for is decided anew
// after a pause.
const releaseSQL = `
update outbox set due_at = $3::timestamptz, attempts = attempts - 1,
    waits_for = case when $3::timestamptz > $5::timestamptz then null else waits_for end,
    deferred_until = case when $4::text = '' and $3::timestamptz > $5::timestamptz then $3::timestamptz else deferred_until end,
    outcome = case when $4::text = '' or outcome = 'released' then outcome else $4::text end
where id = $1::text::uuid and attempts = $2::integer and state = 'ready'`

// Release returns claimed deliveries without an attempt: they are due again after the pause, and the claim does not
// count as an attempt. With a pause they are deferred, such as by the email rate, and count as late only after it. A
// pause of 0 is for a worker that runs out of time. A message whose lease is lost is unchanged.
func (w *Worker) Release(ctx context.Context, pause time.Duration, deliveries ...Delivery) error {
	return w.release(ctx, pause, "", deliveries)
}

// ReleaseFailed releases deliveries whose whole destination fails; cause is one word for the failure. Unlike Retry it
// never dead-letters them, and unlike with Release they count as late.
func (w *Worker) ReleaseFailed(ctx context.Context, pause time.Duration, cause string, deliveries ...Delivery) error {
	return w.release(ctx, pause, cause, deliveries)
}

func (w *Worker) release(ctx context.Context, pause time.Duration, cause string, deliveries []Delivery) error {
	if len(deliveries) == 0 {
		return nil
	}
	now := w.now()
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		for _, d := range deliveries {
			b.Queue(releaseSQL, d.ID.String(), d.Attempt, now.Add(pause), cause, now)
		}
	})
	if err != nil {
		return fmt.Errorf("release deliveries: %w", err)
	}
	return nil
}

// CompleteAll completes several deliveries that need no work, such as decoys, in one round trip. A message whose lease
// is lost is unchanged.
func (w *Worker) CompleteAll(ctx context.Context, outcome Outcome, deliveries ...Delivery) error {
	if len(deliveries) == 0 {
		return nil
	}
	now := w.now()
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		for _, d := range deliveries {
			b.Queue(completeSQL, d.ID.String(), d.Attempt, string(outcome), now)
		}
	})
	if err != nil {
		return fmt.Errorf("complete deliveries: %w", err)
	}
	return nil
}

func (w *Worker) mark(ctx context.Context, doing, sql string, args ...any) error {
	marked, err := w.change(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if marked == 0 {
		return ErrLeaseLost
	}
	return nil
}

// change runs a statement and returns the number of changed messages.
func (w *Worker) change(ctx context.Context, sql string, args ...any) (changed int, err error) {
	err = w.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(sql, args...).Exec(func(tag pgconn.CommandTag) error {
			changed = int(tag.RowsAffected())
			return nil
		})
	})
	return changed, err
}
