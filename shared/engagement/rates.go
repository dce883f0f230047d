package engagement

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Rates are how mails fared within a time.
type Rates struct {
	Sent       int
	Bounces    int // for good
	Complaints int
}

// Percent is a part of what was sent, 0 if nothing was.
func (r Rates) Percent(n int) float64 {
	if r.Sent == 0 {
		return 0
	}
	return 100 * float64(n) / float64(r.Sent)
}

// What happened before a pause was lifted is the owner's to judge, and does not count again.
const ratesSQL = `
with since as (
    select greatest($1::timestamptz, (select max(lifted_at) from pauses where subject = 'mail')) as at
)
select (select count(*) from outbox, since where finished_at > since.at and state = 'done' and outcome = 'sent'),
       (select count(distinct delivery_id) from engagement_events e, since where e.at > since.at and kind = 'bounce' and permanent),
       (select count(distinct delivery_id) from engagement_events e, since where e.at > since.at and kind = 'complaint')`

// RatesSince measures from a time on, or from the last pause of all mail that was lifted, if that is later.
func RatesSince(ctx context.Context, db database, from time.Time) (Rates, error) {
	var r Rates
	err := db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(ratesSQL, from).QueryRow(func(row pgx.Row) error { return row.Scan(&r.Sent, &r.Bounces, &r.Complaints) })
	})
	if err != nil {
		return Rates{}, fmt.Errorf("measure bounces: %w", err)
	}
	return r, nil
}
