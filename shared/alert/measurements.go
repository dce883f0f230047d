package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/outbox"
)

// signUpWindow is the time over which sign-ups and confirmations are compared. The last minute is excluded, because
// confirming takes a moment.
const (
	signUpWindow = 15 * time.Minute
	signUpLag    = time.Minute
)

// Counts are requests and how many of them failed with 5xx.
type Counts struct{ Requests, Errors int64 }

func (c Counts) errorRate() float64 {
	if c.Requests == 0 {
		return 0
	}
	return float64(c.Errors) / float64(c.Requests)
}

// A Route is the latency of a route, as 95th percentiles.
type Route struct {
	Name          string
	Slower        bool // than usual at this hour of the week
	P95, UsualP95 time.Duration
	DailyP95      time.Duration // of the last day on the trend line; 0: unknown
	Rising        bool          // the trend line crosses the limit
	CrossesIn     float64       // days until then
}

// Measurements are what the rules evaluate.
type Measurements struct {
	// Unknown are the rules whose measurements could not be read: their firing alerts neither repeat nor resolve.
	Unknown []Rule
	// FailedChecks are the names of the failed health checks that have no rule of their own.
	FailedChecks []string
	// Routes are the latencies of the routes.
	Routes []Route
	// Sent and Bounced count the emails of a day.
	Sent, Bounced int
	// WithoutEvents counts the newest emails without any event from SES, the last of which was sent SinceLastSent ago.
	WithoutEvents int
	SinceLastSent time.Duration
	// Unreadable counts the events of SES in a day that could not be read, or matched no delivery.
	Unreadable int

	// Requests are the requests of visitors by window. Those of the health function are excluded: it answers 503 on
	// purpose.
	Requests map[time.Duration]Counts
	// LimiterDown is how long the limiter has worked without Redis.
	LimiterDown time.Duration
	// Requested counts the sign-ups of signUpWindow that need a confirmation, including repeated ones. Confirmed counts
	// the confirmations in that time.
	Requested, Confirmed int64
	// Pages are the pages whose sign-ups, and the forms whose requests for a link, show signs of a fault.
	Pages []PageRequests
	// EmailPaused is the reason for which all email is paused, or empty.
	EmailPaused string
	// Stopped describes what the sending circuit breakers stop, and what happens by itself; empty while they are closed.
	// AllStopped is set if it is more than some domains and networks.
	Stopped    string
	AllStopped bool
	// Outbox describes the waiting deliveries.
	Outbox outbox.Depth
	// PrivacyDue counts the privacy requests that are due soon, the first of them at PrivacyDueAt.
	PrivacyDue   int64
	PrivacyDueAt time.Time
	// Ledger is the state of the proof of the ledger.
	Ledger Evidence
	// Roles are the database roles of the functions that differ from what the migration set.
	Roles []ChangedRole
}

// PageRequests counts the sign-ups and requests for a link of a day by the page that sent them.
type PageRequests struct {
	// Name is the page as far as it is declared, such as "https://example.org/blog/*", "other" or "unknown"; for a link, the
	// email with it.
	Name     string
	Requests int64
	// Cleaned counts those with fields that were cleaned, which are Fields, and TooFast those that were sent too fast.
	Cleaned, TooFast int64
	Fields           []string
}

// Evidence is the state of the proof of the ledger. Ages are 0 if there is nothing of the kind.
type Evidence struct {
	Unsealed    time.Duration // age of the oldest event after the last seal
	Unanchored  time.Duration // age of the end of the oldest seal without an anchor
	Unverified  time.Duration // since the last verification, or since the end of the first seal
	Differences int64         // that the last verification found
}

// A ChangedRole is a database role with other settings than the migration set, or with large objects.
type ChangedRole struct {
	Name         string
	LargeObjects int64
}

// roleSettings are the settings of each role that functions sign in as. Package migrations sets them; a test compares.
var roleSettings = []string{"idle_in_transaction_session_timeout=5s", "lock_timeout=1s", "statement_timeout=3s"}

// healthyLimiter are the limiter states of a health sample that are no problem: Redis decides, or none is configured.
const healthyLimiter = "('redis', 'none')"

const requestsSQL = `
select w.seconds, coalesce(sum(s.requests), 0)::bigint, coalesce(sum(s.requests) filter (where s.class = 5), 0)::bigint
from unnest($1::integer[]) as w (seconds)
left join request_stats s on s.span = case when w.seconds > 21600 then 3600 when w.seconds > 3600 then 300 else 60 end
    and s.slot > $2::timestamptz - make_interval(secs => w.seconds + s.span) and s.endpoint not like 'health %'
group by w.seconds`

const limiterSQL = `
select coalesce(min(at), $1::timestamptz) from health_samples
where at > coalesce((select max(at) from health_samples where measurements ->> 'limiter' in ` + healthyLimiter + `), $1::timestamptz - interval '1 day')
  and at <= $1::timestamptz`

// Sign-ups are counted in the ledger and not by waiting subscribers, because an attacker who repeats one mailbox leaves
// one subscriber. Sign-ups that need no confirmation are excluded: those of subscribers, and suppressed ones; and those
// with a filled honeypot, whose emails are held.
const signUpsSQL = `
select (select count(*) from (
           select 1 from ledger_events
           where at > $1::timestamptz and at <= $2::timestamptz and kind = 'subscription.requested' and data ->> 'outcome' = 'confirmation_queued'
             and not coalesce(data -> 'reasons' ? 'honeypot', false)
           limit $3::integer) as requested),
       (select count(*) from ledger_events where kind = 'subscription.confirmed' and at > $1::timestamptz)`

// maxPageRequests bounds the newest events by which pages are judged.
const maxPageRequests = 5000

const pagesSQL = `
select page, count(distinct id), count(distinct id) filter (where field is not null),
       count(distinct id) filter (where data -> 'reasons' ? 'too_fast'), coalesce(array_agg(distinct field) filter (where field is not null), '{}')
from (select id, at, channel, data,
             case kind when 'subscription.requested' then coalesce(source ->> 'page', 'unknown') when 'link.requested' then data ->> 'purpose' end as page
      from (select * from ledger_events order by id desc limit $2::integer) as newest) as requests
left join lateral jsonb_array_elements_text(data -> 'cleaned') as field on true
where at > $1::timestamptz and channel in ('form', 'api') and page is not null
group by page having count(field) > 0 or count(*) filter (where data -> 'reasons' ? 'too_fast') > 0
order by page`

const pausedSQL = `select coalesce((select reason from pauses where destination = 'email' and resumed_at is null limit 1), '')`

const dueSQL = `
select count(*), coalesce(min(due_at), $1::timestamptz) from privacy_requests
where done_at is null and due_at < $1::timestamptz + make_interval(days => $2::integer)`

// A seal that ends in the future would hide all events before its end.
const evidenceSQL = `
select coalesce((select min(at) from ledger_events
                 where at >= coalesce((select max(to_at) from ledger_seals where to_at <= $1::timestamptz), '-infinity') and at < $1::timestamptz),
                $1::timestamptz),
       coalesce((select min(to_at) from ledger_seals where anchored_at is null), $1::timestamptz),
       coalesce((select at from maintenance where task = 'verification'), (select min(to_at) from ledger_seals), $1::timestamptz),
       coalesce((select problems from maintenance where task = 'verification'), 0)`

const rolesSQL = `
select r.rolname::text, (select count(*) from pg_largeobject_metadata where lomowner = r.oid)
from pg_roles r
where r.rolname in (current_user, 'keeper')
  and ((select coalesce(array_agg(setting order by setting), '{}') from pg_db_role_setting s, unnest(s.setconfig) setting
        where s.setrole = r.oid and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))) <> $1::text[]
       or exists (select from pg_largeobject_metadata where lomowner = r.oid))
order by 1`

// database is the part of a connection pool that Store uses.
type database interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
	Transact(ctx context.Context, lock int64, load func(*pgx.Batch), decide func(*pgx.Batch) error) error
}

// queryTimeout bounds each query when they are repeated one by one.
const queryTimeout = time.Second

// query reads the measurements of some rules.
type query struct {
	rules []Rule
	queue func(b *pgx.Batch, m *Measurements)
}

func (s *Store) queries(now time.Time) []query {
	var seconds []int32
	for _, w := range windows() {
		seconds = append(seconds, int32(w.Seconds()))
	}
	return []query{
		{[]Rule{Errors}, func(b *pgx.Batch, m *Measurements) {
			b.Queue(requestsSQL, seconds, now).Query(func(rows pgx.Rows) error {
				m.Requests = map[time.Duration]Counts{}
				var window int64
				var c Counts
				_, err := pgx.ForEachRow(rows, []any{&window, &c.Requests, &c.Errors}, func() error {
					m.Requests[time.Duration(window)*time.Second] = c
					return nil
				})
				return err
			})
		}},
		{[]Rule{Limiter}, func(b *pgx.Batch, m *Measurements) {
			b.Queue(limiterSQL, now).QueryRow(func(row pgx.Row) error {
				var since time.Time
				err := row.Scan(&since)
				m.LimiterDown = max(0, now.Sub(since))
				return err
			})
		}},
		{[]Rule{Bombing}, func(b *pgx.Batch, m *Measurements) {
			b.Queue(signUpsSQL, now.Add(-signUpWindow-signUpLag), now.Add(-signUpLag), outbox.MaxCounted).QueryRow(func(row pgx.Row) error {
				return row.Scan(&m.Requested, &m.Confirmed)
			})
		}},
		{[]Rule{Page}, func(b *pgx.Batch, m *Measurements) {
			b.Queue(pagesSQL, now.Add(-24*time.Hour), maxPageRequests).Query(func(rows pgx.Rows) (err error) {
				m.Pages, err = pgx.CollectRows(rows, pgx.RowToStructByPos[PageRequests])
				return err
			})
		}},
		{[]Rule{EmailPaused}, func(b *pgx.Batch, m *Measurements) {
			b.Queue(pausedSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&m.EmailPaused) })
		}},
		{[]Rule{CircuitBreaker}, func(b *pgx.Batch, m *Measurements) {
			var breakers []outbox.Breaker
			var waiting int64
			outbox.ReadStopped(b, &waiting)
			outbox.ReadBreakers(b, now, &breakers, func() {
				m.Stopped = outbox.DescribeBreakers(breakers, waiting, now)
				m.AllStopped = slices.ContainsFunc(breakers, func(k outbox.Breaker) bool { return k.IsAll() && !k.Closed() })
			})
		}},
		{[]Rule{SignUpBurst, Held, Flagged, EmailOverdue, Slots, OutboxAge, Deliveries, DeadLetters}, func(b *pgx.Batch, m *Measurements) { outbox.ReadDepth(b, now, &m.Outbox) }},
		{[]Rule{PrivacyDue}, func(b *pgx.Batch, m *Measurements) {
			b.Queue(dueSQL, now, s.config.PrivacyDays).QueryRow(func(row pgx.Row) error { return row.Scan(&m.PrivacyDue, &m.PrivacyDueAt) })
		}},
		{[]Rule{Ledger}, func(b *pgx.Batch, m *Measurements) {
			b.Queue(evidenceSQL, now).QueryRow(func(row pgx.Row) error {
				var unsealed, unanchored, verified time.Time
				err := row.Scan(&unsealed, &unanchored, &verified, &m.Ledger.Differences)
				m.Ledger.Unsealed, m.Ledger.Unanchored, m.Ledger.Unverified = now.Sub(unsealed), now.Sub(unanchored), now.Sub(verified)
				return err
			})
		}},
		{[]Rule{Role}, func(b *pgx.Batch, m *Measurements) {
			b.Queue(rolesSQL, roleSettings).Query(func(rows pgx.Rows) error {
				m.Roles = nil
				var r ChangedRole
				_, err := pgx.ForEachRow(rows, []any{&r.Name, &r.LargeObjects}, func() error {
					m.Roles = append(m.Roles, r)
					return nil
				})
				return err
			})
		}},
	}
}

// Measure reads the measurements that the database has, in one round trip. If that fails, it repeats the queries one by
// one: the measurements are then valid in spite of the error, and Unknown has the rules whose query failed. The caller
// adds FailedChecks, Routes, Sent, Bounced, WithoutEvents, SinceLastSent and Unreadable.
func (s *Store) Measure(ctx context.Context) (Measurements, error) {
	queries := s.queries(s.now())
	var m Measurements
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		for _, q := range queries {
			q.queue(b, &m)
		}
	})
	if err == nil {
		return m, nil
	}
	m, err = Measurements{}, nil
	for _, q := range queries {
		next := m
		if failed := s.run(ctx, q, &next); failed != nil {
			m.Unknown, err = append(m.Unknown, q.rules...), errors.Join(err, fmt.Errorf("read the measurements of %v: %w", q.rules, failed))
			continue
		}
		m = next
	}
	return m, err
}

func (s *Store) run(ctx context.Context, q query, m *Measurements) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	return s.db.Batch(ctx, func(b *pgx.Batch) { q.queue(b, m) })
}
