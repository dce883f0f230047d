package alert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/outbox"
)

// SignUpWindow is the time over which sign-ups and confirmations are compared. The last minute is left out: nobody
// confirms faster.
const (
	SignUpWindow = 15 * time.Minute
	signUpLag    = time.Minute
)

// Counts are requests and how many of them failed with 5xx.
type Counts struct{ Requests, Errors int64 }

func (c Counts) share() float64 {
	if c.Requests == 0 {
		return 0
	}
	return float64(c.Errors) / float64(c.Requests)
}

// Endpoint is how fast a route answers.
type Endpoint struct {
	Name          string
	Slower        bool // than usual at that hour of the week
	P95, UsualP95 time.Duration
	Days          time.Duration // its 95th percentile, as the line through the last days has it; 0: it is not known
	Rising        bool          // that line leads over the target,
	CrossesIn     float64       // in so many days
}

// Figures are what the rules look at.
type Figures struct {
	// Unknown are the rules whose figures could not be read: they find nothing, and their alerts stay as they are.
	Unknown []Rule
	// Failing are the checks of health that fail, by name; that of the database is told otherwise.
	Failing []string
	// Endpoints are compared with their own past.
	Endpoints []Endpoint
	// Sent and Bounced are the emails of a day.
	Sent, Bounced int
	// Unheard are the newest emails, sent by SES, of which nothing was heard for an hour; the last of them left UnheardFor ago.
	Unheard    int
	UnheardFor time.Duration
	// Unreadable are the events of SES in a day that could not be read, or are about nobody known.
	Unreadable int

	// Requests are those of visitors, by window. Those of health are left out: it answers 503 on purpose.
	Requests map[time.Duration]Counts
	// LimiterDown is for how long every ping has found the limiter without Redis.
	LimiterDown time.Duration
	// Asked are the sign-ups of SignUpWindow that are to be confirmed, each as often as it was asked for; Confirmed are the
	// confirmations of that time.
	Asked, Confirmed int64
	// MailPaused is why all email is paused; empty if it is not.
	MailPaused string
	// Outbox is what waits to be delivered.
	Outbox outbox.Depth
	// PrivacyDue are the requests that are due soon, the first at PrivacyDueAt.
	PrivacyDue   int64
	PrivacyDueAt time.Time
}

// limiterWell is what a health sample says of a limiter that is as the owner wants it: "redis" decides, or "none" is
// configured.
const limiterWell = "('redis', 'none')"

const requestsSQL = `
select w.seconds, coalesce(sum(s.requests), 0)::bigint, coalesce(sum(s.requests) filter (where s.class = 5), 0)::bigint
from unnest($1::integer[]) as w (seconds)
left join request_stats s on s.span = case when w.seconds > 21600 then 3600 when w.seconds > 3600 then 300 else 60 end
    and s.slot > $2::timestamptz - make_interval(secs => w.seconds + s.span) and s.endpoint not like 'health %'
group by w.seconds`

const limiterSQL = `
select coalesce(min(at), $1::timestamptz) from health_samples
where at > coalesce((select max(at) from health_samples where measurements ->> 'limiter' in ` + limiterWell + `), $1::timestamptz - interval '1 day')
  and at <= $1::timestamptz`

// Sign-ups are counted in the ledger and not by who waits: an attacker who asks for the same mailbox again and again leaves
// one row of a subscriber. Those that ask for no confirmation do not count: of robots, of subscribers, of whoever said no.
const signUpsSQL = `
select (select count(*) from (
           select 1 from ledger_events
           where at > $1::timestamptz and at <= $2::timestamptz and kind = 'subscription.requested' and data ->> 'outcome' in ('confirmation_queued', 'confirmation_over_budget')
           limit 100000) as asked),
       (select count(*) from ledger_events where kind = 'subscription.confirmed' and at > $1::timestamptz)`

const pausedSQL = `select coalesce((select reason from pauses where destination = 'email' and resumed_at is null limit 1), '')`

const dueSQL = `
select count(*), coalesce(min(due_at), $1::timestamptz) from privacy_requests
where done_at is null and due_at < $1::timestamptz + make_interval(days => $2::integer)`

// database is what it needs of a connection pool.
type database interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
	Transact(ctx context.Context, lock int64, load func(*pgx.Batch), decide func(*pgx.Batch) error) error
}

// partTimeout bounds reading one part of the figures by itself.
const partTimeout = time.Second

// part is what some rules look at.
type part struct {
	rules []Rule
	queue func(b *pgx.Batch, f *Figures)
}

func (s *Store) parts(now time.Time) []part {
	var seconds []int32
	for _, w := range Windows() {
		seconds = append(seconds, int32(w.Seconds()))
	}
	return []part{
		{[]Rule{Errors}, func(b *pgx.Batch, f *Figures) {
			b.Queue(requestsSQL, seconds, now).Query(func(rows pgx.Rows) error {
				f.Requests = map[time.Duration]Counts{}
				var window int64
				var c Counts
				_, err := pgx.ForEachRow(rows, []any{&window, &c.Requests, &c.Errors}, func() error {
					f.Requests[time.Duration(window)*time.Second] = c
					return nil
				})
				return err
			})
		}},
		{[]Rule{Limiter}, func(b *pgx.Batch, f *Figures) {
			b.Queue(limiterSQL, now).QueryRow(func(row pgx.Row) error {
				var down time.Time
				err := row.Scan(&down)
				f.LimiterDown = max(0, now.Sub(down))
				return err
			})
		}},
		{[]Rule{Bombing}, func(b *pgx.Batch, f *Figures) {
			b.Queue(signUpsSQL, now.Add(-SignUpWindow-signUpLag), now.Add(-signUpLag)).QueryRow(func(row pgx.Row) error {
				return row.Scan(&f.Asked, &f.Confirmed)
			})
		}},
		{[]Rule{MailPaused}, func(b *pgx.Batch, f *Figures) {
			b.Queue(pausedSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&f.MailPaused) })
		}},
		{[]Rule{Wave, Held, OutboxAge, Deliveries, DeadLetters}, func(b *pgx.Batch, f *Figures) { outbox.ReadDepth(b, now, &f.Outbox) }},
		{[]Rule{PrivacyDue}, func(b *pgx.Batch, f *Figures) {
			b.Queue(dueSQL, now, s.config.PrivacyDays).QueryRow(func(row pgx.Row) error { return row.Scan(&f.PrivacyDue, &f.PrivacyDueAt) })
		}},
	}
}

// Read reads what the database knows of the figures, in one round trip; the caller adds Failing, Endpoints and what is
// known of the emails: Sent, Bounced, Unheard, UnheardFor and Unreadable.
// When something cannot be read, the rest is, part by part: the figures are good beside an error, and say what is Unknown.
func (s *Store) Read(ctx context.Context) (Figures, error) {
	parts := s.parts(s.now())
	var f Figures
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		for _, p := range parts {
			p.queue(b, &f)
		}
	})
	if err == nil {
		return f, nil
	}
	f, err = Figures{}, nil
	for _, p := range parts {
		read := f
		if failed := s.readPart(ctx, p, &read); failed != nil {
			f.Unknown, err = append(f.Unknown, p.rules...), errors.Join(err, fmt.Errorf("read the figures of %v: %w", p.rules, failed))
			continue
		}
		f = read
	}
	return f, err
}

func (s *Store) readPart(ctx context.Context, p part, f *Figures) error {
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	return s.db.Batch(ctx, func(b *pgx.Batch) { p.queue(b, f) })
}
