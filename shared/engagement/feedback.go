package engagement

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// Feedback describes the events that SES reports of sent emails.
type Feedback struct {
	// WithoutEvents is the number of the newest emails, up to three, that were sent more than an hour ago without any
	// event since; 0 if there was one, or if the newest is older than a day. One receiver may be slow; three in a row,
	// or all that were ever sent, mean that no events arrive. Every kind of event counts: a bounce proves as much as a
	// delivery.
	WithoutEvents int
	// LastSent is when the newest email was sent.
	LastSent time.Time
	// Unreadable counts the events of the last day that are unreadable or about an unknown recipient.
	Unreadable int
}

// Emails of erased subscribers are excluded, because their events were erased too. An event may precede the outbox's
// record of its email by a moment.
const feedbackSQL = `
with sent as (
    select finished_at from (
        select subscriber_id, kind, outcome, finished_at from outbox
        where finished_at <= $1::timestamptz - interval '1 hour' order by finished_at desc limit 10000) as finished
    where kind like 'email.%' and outcome = 'sent' and exists (select from identities i where i.subscriber_id = finished.subscriber_id)
    order by finished_at desc limit 3
), newest as (
    select max(finished_at) as at, min(finished_at) as since, count(*) as n from sent
)
select case when at > $1::timestamptz - interval '1 day'
             and not exists (select from engagement_events e where e.at > newest.since - interval '1 minute') then n else 0 end,
       coalesce(at, $1::timestamptz),
       (select count(*) from engagement_events e where e.kind = 'unreadable' and e.at > $1::timestamptz - interval '1 day')
from newest`

// ReadFeedback adds the query of the feedback at a time to b. It applies only where SES sends.
func ReadFeedback(b *pgx.Batch, now time.Time, into *Feedback) {
	b.Queue(feedbackSQL, now).QueryRow(func(row pgx.Row) error { return row.Scan(&into.WithoutEvents, &into.LastSent, &into.Unreadable) })
}
