package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// MaxCounted is where the counts of Depth stop, so that asking stays cheap when it matters most.
const MaxCounted = 100000

// Depth is how full the queue is.
type Depth struct {
	Ready, Held, Dead int64 // rows by state, each counted up to MaxCounted
	// Overdue is how long the longest due row has been waiting to be claimed: a sign that nothing delivers. Rows in a
	// lease or in a pause are not due.
	Overdue time.Duration
	// Oldest is the age of the oldest row that is not finished, whatever it waits for.
	Oldest time.Duration
}

const depthSQL = `
select (select count(*) from (select 1 from outbox where state = 'ready' limit 100000) as ready),
       (select count(*) from (select 1 from outbox where state = 'held' and kind <> 'none' limit 100000) as held),
       (select count(*) from (select 1 from outbox where state = 'dead' limit 100000) as dead),
       coalesce((select due_at from outbox where state = 'ready' order by due_at limit 1), $1::timestamptz),
       coalesce((select created_at from outbox where state = 'ready' order by created_at limit 1), $1::timestamptz)`

// QueueDepth queues measuring the queue.
func QueueDepth(b *pgx.Batch, now time.Time, into *Depth) {
	b.Queue(depthSQL, now).QueryRow(func(row pgx.Row) error {
		var depth Depth
		var due, created time.Time
		if err := row.Scan(&depth.Ready, &depth.Held, &depth.Dead, &due, &created); err != nil {
			return err
		}
		depth.Overdue, depth.Oldest = max(0, now.Sub(due)), max(0, now.Sub(created))
		*into = depth
		return nil
	})
}

// Depth measures the queue in one round trip.
func (w *Worker) Depth(ctx context.Context) (Depth, error) {
	var depth Depth
	if err := w.db.Batch(ctx, func(b *pgx.Batch) { QueueDepth(b, w.now(), &depth) }); err != nil {
		return Depth{}, fmt.Errorf("measure the outbox: %w", err)
	}
	return depth, nil
}
