package engagement

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// Unsubscribes counts the subscriptions that a link ended within a day. AtOnce counts those within 30 seconds of an
// email to the same subscriber: such presses may be those of email scanners that submit forms.
type Unsubscribes struct{ All, AtOnce int64 }

// An email without a delivery event counts from when it was sent.
const unsubscribesSQL = `
select count(*), count(*) filter (where
           exists (select from engagement_events d
                   where d.subscriber_id = e.subscriber_id and d.kind = 'delivery' and d.at between e.at - interval '30 seconds' and e.at)
           or exists (select from outbox o
                      where o.subscriber_id = e.subscriber_id and o.kind like 'email.%' and o.outcome = 'sent'
                        and o.finished_at between e.at - interval '30 seconds' and e.at
                        and not exists (select from engagement_events d where d.delivery_id = o.id and d.kind = 'delivery')))
from ledger_events e
where e.at > $1::timestamptz and e.kind = 'subscription.unsubscribed' and e.channel = 'link'`

// ReadUnsubscribes adds to a batch the query that fills in u for the day before now.
func ReadUnsubscribes(b *pgx.Batch, now time.Time, u *Unsubscribes) {
	b.Queue(unsubscribesSQL, now.Add(-24*time.Hour)).QueryRow(func(row pgx.Row) error { return row.Scan(&u.All, &u.AtOnce) })
}
