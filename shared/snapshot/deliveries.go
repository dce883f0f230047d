package snapshot

import (
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/outbox"
)

// Deliveries are the deliveries of the last hour.
type Deliveries struct {
	Destinations map[string]*Destination // by name
	Pauses       []outbox.Pause
	Capped       bool // only the latest MaxDeliveries were counted
}

// Destination counts the deliveries to one destination.
type Destination struct {
	Delivered, DeadLettered int64
	Retrying                int64     // failed deliveries that will be retried
	LastDelivered           time.Time // zero: none
}

// MaxDeliveries limits the messages that are counted: of the finished ones the latest, of the ready ones the longest
// due.
const MaxDeliveries = 20000

const (
	finishedSQL = `
select kind, count(*) filter (where state = 'done'), count(*) filter (where state = 'dead'), 0::bigint, max(finished_at) filter (where state = 'done')
from (select kind, state, finished_at from outbox where finished_at >= $1::timestamptz order by finished_at desc limit $2::integer) as latest
group by kind`
	retryingSQL = `
select kind, 0::bigint, 0::bigint, count(*) filter (where attempts > 0 and outcome <> 'released'), null::timestamptz
from (select kind, attempts, outcome from outbox where state = 'ready' order by due_at limit $1::integer) as due
group by kind`
)

func readDeliveries(b *pgx.Batch, w window, into *Deliveries) {
	add := func(rows pgx.Rows) (finished int64, err error) {
		var kind string
		var way Destination
		var last *time.Time
		_, err = pgx.ForEachRow(rows, []any{&kind, &way.Delivered, &way.DeadLettered, &way.Retrying, &last}, func() error {
			finished += way.Delivered + way.DeadLettered
			into.add(outbox.Kind(kind), way, last)
			return nil
		})
		return finished, err
	}
	b.Queue(finishedSQL, w.from, MaxDeliveries).Query(func(rows pgx.Rows) error {
		*into = Deliveries{Destinations: map[string]*Destination{}}
		counted, err := add(rows)
		into.Capped = counted >= MaxDeliveries
		return err
	})
	b.Queue(retryingSQL, MaxDeliveries).Query(func(rows pgx.Rows) error {
		_, err := add(rows)
		return err
	})
	outbox.ReadPauses(b, &into.Pauses)
}

func (d *Deliveries) add(kind outbox.Kind, way Destination, last *time.Time) {
	name := kind.Recipient()
	if kind.IsEmail() {
		name = outbox.Email
	}
	if name == "" || way == (Destination{}) { // decoys and announcements have no destination
		return
	}
	if d.Destinations[name] == nil {
		d.Destinations[name] = &Destination{}
	}
	sum := d.Destinations[name]
	sum.Delivered, sum.DeadLettered, sum.Retrying = sum.Delivered+way.Delivered, sum.DeadLettered+way.DeadLettered, sum.Retrying+way.Retrying
	if last != nil && last.After(sum.LastDelivered) {
		sum.LastDelivered = *last
	}
}
