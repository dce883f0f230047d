package monitor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/outbox"
)

// Deliveries are the deliveries of the last hour.
type Deliveries struct {
	Destinations map[string]*Destination // by name
	Pauses       []outbox.Pause
	Capped       bool // only the latest maxDeliveries were counted
}

// Destination counts the deliveries to one destination.
type Destination struct {
	Delivered, DeadLettered int64
	Retrying                int64     // failed deliveries that will be retried
	LastDelivered           time.Time // zero: none
}

// maxDeliveries limits the messages that are counted: of the finished ones the latest, of the ready ones the longest
// due.
const maxDeliveries = 20000

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
	b.Queue(finishedSQL, w.from, maxDeliveries).Query(func(rows pgx.Rows) error {
		*into = Deliveries{Destinations: map[string]*Destination{}}
		counted, err := add(rows)
		into.Capped = counted >= maxDeliveries
		return err
	})
	b.Queue(retryingSQL, maxDeliveries).Query(func(rows pgx.Rows) error {
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

// section returns the lines on the destinations, those with failures first.
func (d Deliveries) section(v View) []string {
	lines := []string{v.title("DELIVERIES, LAST HOUR")}
	if d.Capped {
		lines[0] = v.title(fmt.Sprintf("DELIVERIES, THE LATEST %d", maxDeliveries))
	}
	for _, p := range d.Pauses {
		lines = append(lines, v.Paint.Paint(terminal.Warn, fmt.Sprintf("%s is paused for %s (%s); `newsletter destination list`", p.Destination, terminal.FormatAge(v.Now.Sub(p.At)), p.Reason)))
	}
	if len(d.Destinations) == 0 {
		return append(lines, "none")
	}
	names := slices.SortedFunc(maps.Keys(d.Destinations), func(a, b string) int {
		return cmp.Or(cmp.Compare(d.Destinations[b].rank(), d.Destinations[a].rank()), cmp.Compare(a, b))
	})
	items := make([]string, len(names))
	for i, name := range names {
		items[i] = d.Destinations[name].item(v, name)
	}
	return append(lines, terminal.Flow(items, v.Width)...)
}

// rank returns 2 if messages were dead-lettered, 1 if some are being retried, otherwise 0.
func (w *Destination) rank() int {
	switch {
	case w.DeadLettered > 0:
		return 2
	case w.Retrying > 0:
		return 1
	}
	return 0
}

func (w *Destination) item(v View, name string) string {
	text := fmt.Sprintf("%s %d", name, w.Delivered)
	if w.DeadLettered > 0 {
		text += fmt.Sprintf(", %d dead", w.DeadLettered)
	}
	if w.Retrying > 0 {
		text += fmt.Sprintf(", %d retrying", w.Retrying)
	}
	if !w.LastDelivered.IsZero() && (v.wide() || w.rank() > 0) {
		text += " (" + terminal.FormatAge(v.Now.Sub(w.LastDelivered)) + " ago)"
	}
	return v.Paint.Paint([]terminal.Color{terminal.Plain, terminal.Warn, terminal.Bad}[w.rank()], text)
}
