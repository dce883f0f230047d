package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// MaxCounted bounds the counts of Depth, which keeps the query cheap while the outbox is full.
const MaxCounted = 100000

// Depth describes how full the outbox is.
type Depth struct {
	Ready, Held, Dead int64            // rows by state, each counted up to MaxCounted
	HeldByReason      map[string]int64 // held messages by reason
	// OldestDue is the age of the oldest due message without a failed attempt. Growth means that deliver is not
	// running. Deferred and held messages are excluded.
	OldestDue time.Duration
	// Failing lists the destinations with failed attempts.
	Failing []FailingDestination
	// Oldest is the age of the oldest ready message, due or deferred.
	Oldest time.Duration
	// Overdue counts the emails that have waited for WarnAfter, for whatever reason but a filled honeypot.
	Overdue int64
	// WithoutSlot counts the emails of sign-ups whose slot is more than SlotWarnAfter after their admission.
	WithoutSlot int64
}

// SlotWarnAfter is longer than many sign-ups from one network wait for their slots at a domain.
const SlotWarnAfter = time.Hour

// FailingDestination is a destination with failed deliveries.
type FailingDestination struct {
	Destination string // such as "email" or "slack"
	Count       int64  // deliveries that failed and will be retried
	// Age is the age of the oldest of them, and Cause the one-word cause of its failure; empty if no worker lived to
	// record it.
	Age   time.Duration
	Cause string
}

// Waiting returns the age of the oldest due message, whether it has failed attempts or not.
func (d Depth) Waiting() time.Duration {
	longest := d.OldestDue
	for _, f := range d.Failing {
		longest = max(longest, f.Age)
	}
	return longest
}

// A message counts as failing when an attempt recorded a cause, or after three attempts without one: then three workers
// were lost.
const readySQL = `
select kind, failing, count(*), min(since), coalesce((array_agg(outcome order by since))[1], '')
from (
    select kind, greatest(created_at, deferred_until) as since, nullif(outcome, 'released') as outcome,
           coalesce(outcome <> 'released', false) or attempts >= 3 as failing
    from outbox where state = 'ready' order by due_at limit $1::integer
) as ready
group by kind, failing order by min(since)`

const depthSQL = `
select (select count(*) from (select 1 from outbox where state = 'dead' limit $2::integer) as dead),
       coalesce((select min(created_at) from (
                     select created_at from outbox where state = 'ready' order by due_at limit $2::integer) as ready), $1::timestamptz),
       (select count(*) from (select 1 from outbox
                              where state in ('ready', 'held') and kind like 'email.%' and kind <> 'email.reconfirm'
                                and created_at <= $3::timestamptz and coalesce(hold_reason, '') not like '%honeypot%' limit $2::integer) as overdue),
       (select count(*) from (select 1 from outbox
                              where state = 'ready' and waits_for = 'slot' and due_at > $1::timestamptz and kind like 'email.%'
                                and due_at > created_at + $4::interval limit $2::integer) as slots)`

// Decoys are excluded: nothing is delivered for them.
const heldSQL = `
select hold_reason, count(*) from (select hold_reason from outbox where state = 'held' and kind <> 'none' limit $1::integer) as held
group by hold_reason`

// ReadDepth adds the query of the outbox's depth to b.
func ReadDepth(b *pgx.Batch, now time.Time, into *Depth) {
	b.Queue(depthSQL, now, MaxCounted, now.Add(-WarnAfter), SlotWarnAfter).QueryRow(func(row pgx.Row) error {
		*into = Depth{}
		var created time.Time
		err := row.Scan(&into.Dead, &created, &into.Overdue, &into.WithoutSlot)
		into.Oldest = max(0, now.Sub(created))
		return err
	})
	b.Queue(heldSQL, MaxCounted).Query(func(rows pgx.Rows) error {
		into.HeldByReason = map[string]int64{}
		var reason string
		var n int64
		_, err := pgx.ForEachRow(rows, []any{&reason, &n}, func() error {
			into.Held, into.HeldByReason[reason] = into.Held+n, n
			return nil
		})
		return err
	})
	b.Queue(readySQL, MaxCounted).Query(func(rows pgx.Rows) error {
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

// addFailing adds the failing deliveries of one kind to their destination. The caller adds the oldest first.
func (d *Depth) addFailing(f FailingDestination) {
	for i := range d.Failing {
		if known := &d.Failing[i]; known.Destination == f.Destination {
			known.Count += f.Count
			return
		}
	}
	d.Failing = append(d.Failing, f)
}

// A message that was completed without a delivery is no evidence that its destination works.
const latestSQL = `
select kind, coalesce(outcome, ''), max(finished_at) from outbox
where finished_at > $1::timestamptz - interval '1 day' and state = 'done'
group by kind, outcome`

// ReadLatest adds to b the query for the time of each destination's last delivery within a day.
func ReadLatest(b *pgx.Batch, now time.Time, into *map[string]time.Time) {
	b.Queue(latestSQL, now).Query(func(rows pgx.Rows) error {
		*into = map[string]time.Time{}
		var kind Kind
		var outcome Outcome
		var at time.Time
		_, err := pgx.ForEachRow(rows, []any{(*string)(&kind), (*string)(&outcome), &at}, func() error {
			delivered := outcome.Result() == Delivered && (kind.IsEmail() || kind.Recipient() != "")
			if name := kind.Destination(); delivered && at.After((*into)[name]) {
				(*into)[name] = at
			}
			return nil
		})
		return err
	})
}

// Depth reads the outbox's depth in one round trip.
func (w *Worker) Depth(ctx context.Context) (Depth, error) {
	var depth Depth
	if err := w.db.Batch(ctx, func(b *pgx.Batch) { ReadDepth(b, w.now(), &depth) }); err != nil {
		return Depth{}, fmt.Errorf("read the depth of the outbox: %w", err)
	}
	return depth, nil
}
