package outbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// TrickleEvery is the interval between the emails that leave while a sending circuit breaker is half-open: 20 an hour
// (docs/adr/0032).
const TrickleEvery = 3 * time.Minute

// Scope is what a sending circuit breaker stops. The zero Scope is all email to unproven mailboxes.
type Scope struct {
	Domain  string `json:"domain,omitempty"`  // a registrable domain, as the hex text of its pseudonym
	Network string `json:"network,omitempty"` // the network that the sign-ups came from, such as "192.0.2.0/24"
}

// IsAll reports whether s is all email to unproven mailboxes.
func (s Scope) IsAll() bool { return s == Scope{} }

// String returns what kind of scope s is. It has no network address, which logs and alerts must not keep.
func (s Scope) String() string {
	switch {
	case s.Network != "":
		return "sign-ups of a network"
	case s.Domain != "":
		return "a domain"
	}
	return "all"
}

// Breaker is a sending circuit breaker: it stops email to unproven mailboxes of its scope until HalfOpenAt. From then
// on, one email leaves every TrickleEvery, until it closes or opens again.
type Breaker struct {
	Scope
	Reason     string    `json:"reason"` // "bounces" or "complaints"
	OpenedAt   time.Time `json:"opened_at"`
	HalfOpenAt time.Time `json:"half_open_at"`
	// Openings counts how often it opened without staying closed for a day.
	Openings int       `json:"openings"`
	ClosedAt time.Time `json:"closed_at,omitzero"` // zero unless it is closed
	// FirstSent is when the first email left since HalfOpenAt; zero if none did.
	FirstSent time.Time `json:"-"`
}

// Closed reports whether b stops nothing.
func (b Breaker) Closed() bool { return !b.ClosedAt.IsZero() }

// Of a half-open breaker, it finds the first email that left in its trickle.
const breakersSQL = `
select coalesce(encode(b.domain_hmac, 'hex'), ''), coalesce(b.network::text, ''), b.reason, b.opened_at, b.half_open_at, b.openings, b.closed_at,
       (select min(o.finished_at) from outbox o
        left join event_context c on c.event_id = o.event_id
        where b.closed_at is null and o.finished_at > b.half_open_at and o.waits_for = 'breaker' and o.outcome = 'sent'
          and (b.domain_hmac is null and b.network is null or b.domain_hmac = o.domain_hmac or c.ip <<= b.network))
from sending_breakers b
where b.closed_at is null or b.closed_at > $1::timestamptz
order by b.closed_at is not null, b.opened_at`

// breakerMemory is how long a closed breaker is remembered: if it opens again within that time, it stays open longer.
const breakerMemory = 24 * time.Hour

// ReadBreakers adds to b the query for the sending circuit breakers that are open or half-open, or closed within a
// day, in this order. read, if any, runs when they are read.
func ReadBreakers(b *pgx.Batch, now time.Time, into *[]Breaker, read ...func()) {
	b.Queue(breakersSQL, now.Add(-breakerMemory)).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (k Breaker, err error) {
			var closed, first *time.Time
			err = row.Scan(&k.Domain, &k.Network, &k.Reason, &k.OpenedAt, &k.HalfOpenAt, &k.Openings, &closed, &first)
			if closed != nil {
				k.ClosedAt = *closed
			}
			if first != nil {
				k.FirstSent = *first
			}
			return k, err
		})
		for _, f := range read {
			f()
		}
		return err
	})
}

const stoppedSQL = `
select count(*) from (
    select 1 from outbox where state = 'ready' and waits_for = 'breaker' and due_at = deferred_until and kind <> 'none' limit $1::integer) as stopped`

// ReadStopped adds to b the query for the number of emails that wait for a sending circuit breaker, up to MaxCounted.
func ReadStopped(b *pgx.Batch, into *int64) {
	b.Queue(stoppedSQL, MaxCounted).QueryRow(func(row pgx.Row) error { return row.Scan(into) })
}

// DescribeBreakers returns, for the owner, what the breakers stop, why, and what happens by itself; it is empty if they are closed.
// waiting is the number of emails that wait.
func DescribeBreakers(breakers []Breaker, waiting int64, now time.Time) string {
	var what []string
	var first time.Time
	for _, b := range breakers {
		if b.Closed() {
			continue
		}
		if one := fmt.Sprintf("%s: %s", b.Scope, b.Reason); !slices.Contains(what, one) {
			what = append(what, one)
		}
		if first.IsZero() || b.HalfOpenAt.Before(first) {
			first = b.HalfOpenAt
		}
	}
	if len(what) == 0 {
		return ""
	}
	from := "Now"
	if first.After(now) {
		from = "From " + first.UTC().Format("15:04 UTC") + " on"
	}
	return fmt.Sprintf("Email to unproven mailboxes is stopped (%s); %d wait. %s, %d an hour leave; all leave when these cause no further reports.",
		strings.Join(what, "; "), waiting, from, int(time.Hour/TrickleEvery))
}

// ListBreakers returns what ReadBreakers reads.
func (w *Worker) ListBreakers(ctx context.Context) ([]Breaker, error) {
	var all []Breaker
	if err := w.db.Batch(ctx, func(b *pgx.Batch) { ReadBreakers(b, w.now(), &all) }); err != nil {
		return nil, fmt.Errorf("read the sending circuit breakers: %w", err)
	}
	return all, nil
}

const (
	saveBreakerSQL = `
insert into sending_breakers (id, domain_hmac, network, reason, opened_at, half_open_at, openings, next_at, closed_at)
values ($1::text::uuid, decode(nullif($2::text, ''), 'hex'), nullif($3::text, '')::cidr, $4::text, $5::timestamptz, $6::timestamptz,
        $7::integer, $6::timestamptz, $8::timestamptz)
on conflict (domain_hmac, network) do update
set reason = excluded.reason, opened_at = excluded.opened_at, half_open_at = excluded.half_open_at, openings = excluded.openings,
    next_at = excluded.next_at, closed_at = excluded.closed_at`
	closeBreakersSQL = `
update sending_breakers set closed_at = $1::timestamptz where closed_at is null`
)

// SaveBreakers stores changed breakers. The messages that waited for any breaker are looked at again.
func (w *Worker) SaveBreakers(ctx context.Context, changed ...Breaker) error {
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		for _, k := range changed {
			var closed *time.Time
			if k.Closed() {
				closed = &k.ClosedAt
			}
			b.Queue(saveBreakerSQL, uuid.Must(uuid.NewV7()).String(), k.Domain, k.Network, k.Reason, k.OpenedAt, k.HalfOpenAt, k.Openings, closed)
		}
	})
	if err != nil {
		return fmt.Errorf("save the sending circuit breakers: %w", err)
	}
	return w.dequeue(ctx, waitsForBreaker)
}
