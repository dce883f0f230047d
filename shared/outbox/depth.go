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
	Ready, Held, Dead int64            // rows by state, each counted up to MaxCounted
	HeldByReason      map[string]int64 // those that are held, by reason
	// Overdue is how long the longest waiting row has been waiting that was not tried in vain: a sign that nothing
	// delivers. What is put off on purpose does not wait, nor does what the owner holds.
	OldestDue time.Duration
	// FailingDestination are the ways out where deliveries were tried in vain, by name.
	Failing []FailingDestination
	// Oldest is the age of the oldest row that is not finished, whatever it waits for.
	Oldest time.Duration
}

// FailingDestination is a way out that did not take what it was given.
type FailingDestination struct {
	Destination string // "email", or the name of a listener
	Count       int64  // deliveries that were tried in vain and will be tried again
	// For is how long the longest waiting of them has been waiting, and Cause why it failed, in one word; empty if nobody
	// lived to say so.
	Age   time.Duration
	Cause string
}

// Waiting is how long the longest waiting row has been waiting, tried or not.
func (d Depth) Waiting() time.Duration {
	longest := d.OldestDue
	for _, f := range d.Failing {
		longest = max(longest, f.Age)
	}
	return longest
}

// A row was tried in vain when an attempt left a cause, or when three attempts ended without any: whoever took it was lost
// each time.
const readySQL = `
select kind, failing, count(*), min(since), coalesce((array_agg(outcome order by since))[1], '')
from (
    select kind, greatest(created_at, deferred_until) as since, nullif(outcome, 'released') as outcome,
           coalesce(outcome <> 'released', false) or attempts >= 3 as failing
    from outbox where state = 'ready' order by created_at limit 100000
) as ready
group by kind, failing order by min(since)`

const depthSQL = `
select (select count(*) from (select 1 from outbox where state = 'dead' limit 100000) as dead),
       coalesce((select created_at from outbox where state = 'ready' order by created_at limit 1), $1::timestamptz)`

// Decoys are left out: they wait for nobody.
const heldSQL = `
select hold_reason, count(*) from (select hold_reason from outbox where state = 'held' and kind <> 'none' limit 100000) as held
group by hold_reason`

// ReadDepth queues measuring the queue.
func ReadDepth(b *pgx.Batch, now time.Time, into *Depth) {
	b.Queue(depthSQL, now).QueryRow(func(row pgx.Row) error {
		*into = Depth{}
		var created time.Time
		err := row.Scan(&into.Dead, &created)
		into.Oldest = max(0, now.Sub(created))
		return err
	})
	b.Queue(heldSQL).Query(func(rows pgx.Rows) error {
		into.HeldByReason = map[string]int64{}
		var reason string
		var n int64
		_, err := pgx.ForEachRow(rows, []any{&reason, &n}, func() error {
			into.Held, into.HeldByReason[reason] = into.Held+n, n
			return nil
		})
		return err
	})
	b.Queue(readySQL).Query(func(rows pgx.Rows) error {
		var kind Kind
		var failing bool
		var n int64
		var since time.Time
		var cause string
		_, err := pgx.ForEachRow(rows, []any{(*string)(&kind), &failing, &n, &since, &cause}, func() error {
			into.Ready += n
			if waiting := max(0, now.Sub(since)); failing {
				into.addFailing(FailingDestination{kind.Destination(), n, waiting, cause})
			} else {
				into.OldestDue = max(into.OldestDue, waiting)
			}
			return nil
		})
		return err
	})
}

// fails adds deliveries of one kind to those of their way; the longest waiting come first.
func (d *Depth) addFailing(f FailingDestination) {
	for i := range d.Failing {
		if known := &d.Failing[i]; known.Destination == f.Destination {
			known.Count += f.Count
			return
		}
	}
	d.Failing = append(d.Failing, f)
}

// What ended without being sent says nothing of its way.
const latestSQL = `
select kind, max(finished_at) from outbox
where finished_at > $1::timestamptz - interval '1 day' and state = 'done'
  and outcome not in ('none', 'stale', 'unwanted', 'dropped', 'rejected', 'expired', 'erased')
group by kind`

// ReadLatest queues reading when each way out took something for the last time within a day.
func ReadLatest(b *pgx.Batch, now time.Time, into *map[string]time.Time) {
	b.Queue(latestSQL, now).Query(func(rows pgx.Rows) error {
		*into = map[string]time.Time{}
		var kind Kind
		var at time.Time
		_, err := pgx.ForEachRow(rows, []any{(*string)(&kind), &at}, func() error {
			if way := kind.Destination(); (kind.IsEmail() || kind.Recipient() != "") && at.After((*into)[way]) {
				(*into)[way] = at
			}
			return nil
		})
		return err
	})
}

// Depth measures the queue in one round trip.
func (w *Worker) Depth(ctx context.Context) (Depth, error) {
	var depth Depth
	if err := w.db.Batch(ctx, func(b *pgx.Batch) { ReadDepth(b, w.now(), &depth) }); err != nil {
		return Depth{}, fmt.Errorf("measure the outbox: %w", err)
	}
	return depth, nil
}
