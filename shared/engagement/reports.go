package engagement

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/outbox"
)

// Report is a bounce or complaint about an email to a mailbox that was not proven when the email was sent.
type Report struct {
	Complaint bool
	SentAt    time.Time
	// Scope has the domain and the network of the email; either may be empty.
	Scope outbox.Scope
}

// Reports is what the emails of a period caused.
type Reports struct {
	Sent    int
	Reports []Report
}

// Amazon counts every email of the account, so all of them are the base. Events of emails that are not in the outbox,
// such as those of another sender with the same identity, do not count. A network is a /24 or a /48.
const (
	sentSQL = `
select count(*) from outbox where finished_at > $1::timestamptz and state = 'done' and outcome = 'sent'`
	reportsSQL = `
with reported as (
    select distinct delivery_id, kind from engagement_events
    where at > $1::timestamptz and (kind = 'bounce' and permanent and detail <> all($2::text[]) or kind = 'complaint' and detail <> all($3::text[]))
    limit $4::integer
)
select r.kind = 'complaint', o.finished_at, coalesce(encode(o.domain_hmac, 'hex'), ''),
       coalesce(network(set_masklen(c.ip, case family(c.ip) when 4 then 24 else 48 end))::text, '')
from reported r
join outbox o on o.id = r.delivery_id and o.finished_at is not null
left join event_context c on c.event_id = o.event_id
where not coalesce(mailbox_proven_v1(o.subscriber_id, o.finished_at, o.id), false)`
)

// maxReports bounds the reports that are read. More of them decide nothing else.
const maxReports = 10000

// ReportsSince returns the emails sent since a time, and the bounces and complaints reported since then.
func ReportsSince(ctx context.Context, db database, from time.Time) (Reports, error) {
	var r Reports
	err := db.Batch(ctx, func(b *pgx.Batch) {
		r = Reports{}
		b.Queue(sentSQL, from).QueryRow(func(row pgx.Row) error { return row.Scan(&r.Sent) })
		b.Queue(reportsSQL, from, uncounted(bounces, permanent+"/"), uncounted(complaints, ""), maxReports).Query(func(rows pgx.Rows) (err error) {
			r.Reports, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (one Report, err error) {
				return one, row.Scan(&one.Complaint, &one.SentAt, &one.Scope.Domain, &one.Scope.Network)
			})
			return err
		})
	})
	if err != nil {
		return Reports{}, fmt.Errorf("measure bounces: %w", err)
	}
	return r, nil
}

// A sent message is about an email, an entry of event_context about a request.
const totalSQL = `
select case when $1::text <> ''
       then (select count(*) from outbox where domain_hmac = decode($1::text, 'hex') and outcome = 'sent' and finished_at > $3::timestamptz)
       else (select count(*) from event_context where at > $3::timestamptz and ip <<= nullif($2::text, '')::inet) end`

// Total returns how many emails to a domain were sent since a time, or how many requests a network made.
func Total(ctx context.Context, db database, s outbox.Scope, from time.Time) (int, error) {
	var n int
	err := db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(totalSQL, s.Domain, s.Network, from).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
	})
	if err != nil {
		return 0, fmt.Errorf("count the emails of %s: %w", s, err)
	}
	return n, nil
}
