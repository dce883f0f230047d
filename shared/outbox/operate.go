package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// MessageView is a message as an operator sees it. It contains no personal data.
type MessageView struct {
	ID           uuid.UUID `json:"id"`
	Kind         Kind      `json:"kind"`
	State        string    `json:"state"`
	SubscriberID uuid.UUID `json:"subscriber_id"`
	Attempts     int       `json:"attempts"`
	Outcome      string    `json:"outcome"` // of the last attempt, or why it is held
	CreatedAt    time.Time `json:"created_at"`
	DueAt        time.Time `json:"due_at"`
}

const messagesSQL = `
select id::text, kind, state, coalesce(subscriber_id::text, ''), attempts, coalesce(hold_reason, outcome, ''), created_at, due_at
from outbox
where state = $1::text and ($2::text = '' or kind = $2::text) and kind <> 'none'
order by created_at limit $3::integer`

// ListMessages returns up to limit messages in a state ("ready", "held", "dead" or "done"), the oldest first. An empty
// kind selects all kinds. Decoys are excluded.
func (w *Worker) ListMessages(ctx context.Context, state string, kind Kind, limit int) ([]MessageView, error) {
	var all []MessageView
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(messagesSQL, state, string(kind), limit).Query(func(rows pgx.Rows) error {
			var err error
			all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r MessageView, err error) {
				return r, row.Scan(&r.ID, (*string)(&r.Kind), &r.State, &r.SubscriberID, &r.Attempts, &r.Outcome, &r.CreatedAt, &r.DueAt)
			})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the outbox: %w", err)
	}
	return all, nil
}

const kindsSQL = `
select distinct kind from outbox`

// ListKinds returns the kinds that occur in the outbox.
func (w *Worker) ListKinds(ctx context.Context) ([]Kind, error) {
	var all []Kind
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(kindsSQL).Query(func(rows pgx.Rows) (err error) {
			all, err = pgx.CollectRows(rows, pgx.RowTo[Kind])
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the kinds of the outbox: %w", err)
	}
	return all, nil
}

const requeueSQL = `
update outbox set state = 'ready', attempts = 0, due_at = $2::timestamptz, deferred_until = $2::timestamptz, finished_at = null, outcome = null
where id = any($1::text[]::uuid[]) and state = 'dead'`

// RequeueMessages makes dead-lettered messages due now and resets their attempts. done receives their number.
func RequeueMessages(b *pgx.Batch, ids []string, now time.Time, done func(int64)) {
	b.Queue(requeueSQL, ids, now).Exec(func(tag pgconn.CommandTag) error {
		done(tag.RowsAffected())
		return nil
	})
}

const dropSQL = `
update outbox set state = 'done', hold_reason = null, sealed = null, domain_hmac = null, outcome = 'dropped', finished_at = $2::timestamptz
where id = any($1::text[]::uuid[]) and state in ('dead', 'ready')`

// DropMessages completes messages without delivering them and deletes their sealed payloads. Held messages are not
// dropped: RejectHeld is for them. done receives the number of dropped messages.
func DropMessages(b *pgx.Batch, ids []string, now time.Time, done func(int64)) {
	b.Queue(dropSQL, ids, now).Exec(func(tag pgconn.CommandTag) error {
		done(tag.RowsAffected())
		return nil
	})
}
