package engagement

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Rates counts the sent emails of a period, and their bounces and complaints.
type Rates struct {
	Sent       int
	Bounces    int // permanent only
	Complaints int
}

// Percent returns n as a percentage of the sent emails, or 0 if there are none.
func (r Rates) Percent(n int) float64 {
	if r.Sent == 0 {
		return 0
	}
	return 100 * float64(n) / float64(r.Sent)
}

// Events before a resumption do not count again. Events of emails that are not in the outbox, such as those of another
// sender with the same identity, do not count.
const ratesSQL = `
with since as (
    select greatest($1::timestamptz, (select max(resumed_at) from pauses where destination = 'email')) as at
), reports as (
    select e.kind, e.detail, e.permanent, e.delivery_id
    from engagement_events e join outbox o on o.id = e.delivery_id, since
    where e.at > since.at and e.kind in ('bounce', 'complaint')
)
select (select count(*) from outbox, since where finished_at > since.at and state = 'done' and outcome = 'sent'),
       (select count(distinct delivery_id) from reports where kind = 'bounce' and permanent and detail <> all($2::text[])),
       (select count(distinct delivery_id) from reports where kind = 'complaint' and detail <> all($3::text[]))`

// RatesSince returns the rates since a time, or since the last resumption of emails if that is later.
func RatesSince(ctx context.Context, db database, from time.Time) (Rates, error) {
	var r Rates
	err := db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(ratesSQL, from, uncounted(bounces, permanent+"/"), uncounted(complaints, "")).QueryRow(func(row pgx.Row) error {
			return row.Scan(&r.Sent, &r.Bounces, &r.Complaints)
		})
	})
	if err != nil {
		return Rates{}, fmt.Errorf("measure bounces: %w", err)
	}
	return r, nil
}
