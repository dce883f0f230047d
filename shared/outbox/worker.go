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

// ErrLeaseLost says that a delivery is no longer this worker's: its lease ran out and another one took the row, or somebody
// finished it. Nothing was changed.
var ErrLeaseLost = errors.New("outbox: the lease of this delivery is lost")

// database is what the queue needs of a connection pool: what is queued travels in one round trip and commits as one
// transaction, which may be run again when its answer was lost.
type database interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
}

// Worker is the side of the queue that delivers. It is safe for concurrent use.
type Worker struct {
	db  database
	now func() time.Time
}

// NewWorker makes the worker's side of the queue in db; now is the clock.
func NewWorker(db database, now func() time.Time) *Worker {
	return &Worker{db: db, now: now}
}

// Delivery is a claimed row.
type Delivery struct {
	ID           uuid.UUID // stable over all attempts: the idempotency key
	Kind         Kind
	SubscriberID uuid.UUID // uuid.Nil for nobody
	EventID      uuid.UUID // uuid.Nil for none
	Epoch        int32     // the subscriber's epoch when the row was decided
	Attempt      int       // 1 at the first claim; with ID it is the proof of the lease
	CreatedAt    time.Time
	Sealed       []byte // the sealed payload, nil for none
	Released     bool   // it was held, and the owner has let it go: it must not be held again
}

// The rows are picked in a materialized step, because PostgreSQL may run a plain subquery with "limit" more than once.
const claimSQL = `
with due as materialized (
    select id from outbox
    where state = 'ready' and due_at <= $1::timestamptz
    order by due_at
    limit $2::integer
    for update skip locked
)
update outbox set due_at = $3::timestamptz, attempts = outbox.attempts + 1
from due where outbox.id = due.id
returning outbox.id::text, outbox.kind, coalesce(outbox.subscriber_id::text, ''), coalesce(outbox.event_id::text, ''),
          outbox.epoch, outbox.attempts, outbox.created_at, outbox.sealed, coalesce(outbox.outcome = 'released', false)`

// Claim takes up to n rows that are due, the longest due first as far as other workers leave them, for the length of the
// lease. It is one statement and one round trip; rows that another worker is just claiming are passed over, never
// waited for. The order of the result is not defined.
func (w *Worker) Claim(ctx context.Context, n int, lease time.Duration) ([]Delivery, error) {
	now := w.now()
	var claimed []Delivery
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(claimSQL, now, n, now.Add(lease)).Query(func(rows pgx.Rows) error {
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
	err := row.Scan(&d.ID, (*string)(&d.Kind), &d.SubscriberID, &d.EventID, &d.Epoch, &d.Attempt, &d.CreatedAt, &d.Sealed, &d.Released)
	return d, err
}

// The marks below change a row only while it carries the attempt of the lease that they belong to.

const completeSQL = `
update outbox set state = 'done', hold_reason = null, sealed = null, outcome = $3::text, finished_at = $4::timestamptz
where id = $1::text::uuid and attempts = $2::integer
  and (state = 'ready' or (state = 'done' and outcome = $3::text))`

// Done records that d needs nothing more and what came of it, in one word, and drops its sealed payload. Repeating it is
// harmless. It returns ErrLeaseLost if the lease is lost.
func (w *Worker) Complete(ctx context.Context, d Delivery, outcome string) error {
	return w.mark(ctx, "finish a delivery", completeSQL, d.ID.String(), d.Attempt, outcome, w.now())
}

const deadLetterSQL = `
update outbox set state = 'dead', outcome = $3::text, finished_at = $4::timestamptz
where id = $1::text::uuid and attempts = $2::integer
  and (state = 'ready' or (state = 'dead' and outcome = $3::text))`

// Dead gives d up: it is kept, with its sealed payload, until an operator retries or drops it. Repeating it is harmless.
// It returns ErrLeaseLost if the lease is lost.
func (w *Worker) DeadLetter(ctx context.Context, d Delivery, cause string) error {
	return w.mark(ctx, "bury a delivery", deadLetterSQL, d.ID.String(), d.Attempt, cause, w.now())
}

const retrySQL = `
update outbox set due_at = $4::timestamptz, outcome = $3::text
where id = $1::text::uuid and attempts = $2::integer and state = 'ready'`

// Retry puts d back for a further attempt after the pause of Backoff, and gives it up after MaxAttempts. cause is one
// word for what went wrong, and retryAfter what the other side asked for (0: nothing). It returns ErrLeaseLost if the lease
// is lost.
func (w *Worker) Retry(ctx context.Context, d Delivery, cause string, retryAfter time.Duration) error {
	if d.Attempt >= MaxAttempts {
		return w.DeadLetter(ctx, d, cause)
	}
	due := w.now().Add(Backoff(d.Attempt, rand.Float64(), retryAfter))
	return w.mark(ctx, "retry a delivery", retrySQL, d.ID.String(), d.Attempt, cause, due)
}

// The mark that the owner released it stays until it is delivered: see unholdSQL.
const releaseSQL = `
update outbox set due_at = $3::timestamptz, attempts = attempts - 1,
    deferred_until = case when $4::text = '' and $3::timestamptz > $5::timestamptz then $3::timestamptz else deferred_until end,
    outcome = case when $4::text = '' or outcome = 'released' then outcome else $4::text end
where id = $1::text::uuid and attempts = $2::integer and state = 'ready'`

// Release gives deliveries back that were claimed but not begun. They are due again after the pause, and the attempt does
// not count. With a pause they are put off on purpose, such as by the pace of mails: they are not late before its end.
// Without one the function's time is up. A row whose lease is lost is left alone.
func (w *Worker) Release(ctx context.Context, pause time.Duration, deliveries ...Delivery) error {
	return w.release(ctx, pause, "", deliveries)
}

// GiveBack is Release for deliveries that cannot leave because nothing of their way can: cause is one word for what went
// wrong. However often that happens they are not given up, and they are late.
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

// Skip finishes several deliveries that need nothing done, such as decoys, in one round trip. A row whose lease is lost
// is left alone.
func (w *Worker) CompleteAll(ctx context.Context, outcome string, deliveries ...Delivery) error {
	if len(deliveries) == 0 {
		return nil
	}
	now := w.now()
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		for _, d := range deliveries {
			b.Queue(completeSQL, d.ID.String(), d.Attempt, outcome, now)
		}
	})
	if err != nil {
		return fmt.Errorf("skip deliveries: %w", err)
	}
	return nil
}

func (w *Worker) mark(ctx context.Context, doing, sql string, args ...any) error {
	var marked int64
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(sql, args...).Exec(func(tag pgconn.CommandTag) error {
			marked = tag.RowsAffected()
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if marked == 0 {
		return ErrLeaseLost
	}
	return nil
}
