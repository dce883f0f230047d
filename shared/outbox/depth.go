package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Depth is how full the queue is.
type Depth struct {
	Ready, Held, Dead int64 // rows by state, each counted up to 100,000
	// Overdue is how long the longest due row has been waiting to be claimed: a sign that nothing delivers. Rows in a
	// lease or in a pause are not due.
	Overdue time.Duration
	// Oldest is the age of the oldest row that is not finished, whatever it waits for.
	Oldest time.Duration
}

// The counts stop at 100,000, so that asking stays cheap when it matters most.
const depthSQL = `
select (select count(*) from (select 1 from outbox where state = 'ready' limit 100000) as ready),
       (select count(*) from (select 1 from outbox where state = 'held' and kind <> 'none' limit 100000) as held),
       (select count(*) from (select 1 from outbox where state = 'dead' limit 100000) as dead),
       coalesce((select due_at from outbox where state = 'ready' order by due_at limit 1), $1::timestamptz),
       coalesce((select created_at from outbox where state = 'ready' order by created_at limit 1), $1::timestamptz)`

// Depth measures the queue in one round trip.
func (w *Worker) Depth(ctx context.Context) (Depth, error) {
	now := w.now()
	var depth Depth
	var due, created time.Time
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(depthSQL, now).QueryRow(func(row pgx.Row) error {
			return row.Scan(&depth.Ready, &depth.Held, &depth.Dead, &due, &created)
		})
	})
	if err != nil {
		return Depth{}, fmt.Errorf("measure the outbox: %w", err)
	}
	depth.Overdue, depth.Oldest = max(0, now.Sub(due)), max(0, now.Sub(created))
	return depth, nil
}
