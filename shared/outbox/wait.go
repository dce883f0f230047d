package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// What a message waits for, as stored. A message that waits for the rate leaves when the rate has room, whatever its
// due_at; all others leave at their due_at.
const (
	waitsForSlot    = "slot" // only until it is due
	waitsForRate    = "rate"
	waitsForDomain  = "domain"
	waitsForBreaker = "breaker"
	waitsForPause   = "pause"
)

// MaxWait is how long an email may wait after its admission, for whatever reason; then EndOverdue ends it. The pages
// promise it, so it does not apply to Reconfirm. WarnAfter is when the owner is warned, a day earlier.
const (
	MaxWait   = 72 * time.Hour
	WarnAfter = 48 * time.Hour
)

// waitChunk limits how many messages one statement queues: it stays well below the statement timeout of the role.
const waitChunk = 2000

// pausedFor is how long an email that waits for a pause stays out of the way. A resumption ends it early.
const pausedFor = 24 * time.Hour

// turnEvery is the distance between two messages of one client network in the queue of the rate. It is an order, not a
// wait: the longer it is, the fewer messages of a network leave before the first one of another (docs/adr/0035).
const turnEvery = 10 * time.Minute

// Queued counts the messages that began to wait, by reason.
type Queued struct{ Rate, Breaker int }

// Each due message gets one place: in the queue of the widest circuit breaker that stops it, in the order of the requests;
// else in that of the rate, where networks take turns, so that a flood from some delays the others little. A message to a
// proven mailbox passes, and a decoy takes its place: how long others wait depends on the number of requests and their
// networks (/24 and /48, as for slots) alone. A decoy of a requested link leaves at once, as such a link does.
const queueSQL = `
with due as materialized (
    select id, kind, subscriber_id, event_id, domain_hmac, created_at from outbox
    where state = 'ready' and due_at <= $1::timestamptz and coalesce(waits_for, 'slot') = 'slot' and kind = any($2::text[])
      and (kind <> 'none' or exists (select from ledger_events e where e.id = event_id and e.kind = 'subscription.requested'))
    order by due_at limit $3::integer
    for update skip locked
), judged as materialized (
    select d.*, k.id as breaker, network(set_masklen(c.ip, case family(c.ip) when 4 then 24 else 48 end)) as network,
           d.kind <> 'none' and mailbox_proven_v1(d.subscriber_id, $1::timestamptz, d.id) as proven
    from due d
    left join event_context c on c.event_id = d.event_id
    left join lateral (
        select b.id from sending_breakers b
        where b.closed_at is null
          and (b.domain_hmac is null and b.network is null or b.domain_hmac = d.domain_hmac or c.ip <<= b.network)
        order by b.domain_hmac is null and b.network is null desc, b.half_open_at desc limit 1) as k on true
), placed as (
    select judged.*, row_number() over (partition by breaker order by created_at, id) as place,
           row_number() over (partition by breaker, coalesce(network::text, id::text) order by created_at, id) as turn
    from judged
), breakers as (
    update sending_breakers b
    set next_at = greatest(b.next_at, b.half_open_at, $1::timestamptz) + waiting.n * $5::interval
    from (select breaker, count(*) as n from judged where breaker is not null group by breaker) as waiting
    where b.id = waiting.breaker
    returning b.id, b.next_at - waiting.n * $5::interval as first_at
), turns as (
    select network(set_masklen(c.ip, case family(c.ip) when 4 then 24 else 48 end)) as network, max(o.due_at) as last_at
    from outbox o join event_context c using (event_id)
    where o.state = 'ready' and o.waits_for = 'rate' group by 1
), scheduled as (
    select p.id, p.subscriber_id, p.event_id, p.created_at, p.proven,
           case when p.breaker is null then 'rate' else 'breaker' end as waits_for,
           case when p.breaker is null then greatest($1::timestamptz, t.last_at) + p.turn * $4::interval
                when p.kind = 'email.reconfirm' then b.first_at + (p.place - 1) * $5::interval
                else least(b.first_at + (p.place - 1) * $5::interval, greatest(p.created_at + $6::interval, $1::timestamptz)) end as due_at
    from placed p left join turns t on t.network = p.network left join breakers b on b.id = p.breaker
), decoys as (
    insert into outbox (id, kind, subscriber_id, event_id, due_at, deferred_until, created_at, waits_for)
    select gen_random_uuid(), 'none', subscriber_id, event_id, due_at, due_at, created_at, waits_for from scheduled where proven
), queued as (
    update outbox o
    set waits_for = case when s.proven then 'pass' else s.waits_for end,
        due_at = case when s.proven then o.due_at else s.due_at end,
        deferred_until = case when s.proven then o.deferred_until else s.due_at end
    from scheduled s where o.id = s.id
    returning o.waits_for
)
select count(*), count(*) filter (where waits_for = 'rate'), count(*) filter (where waits_for = 'breaker') from queued`

// QueueSignUps decides for each due email of signUps, the kinds that anyone can cause to any address, and each decoy,
// what it waits for. It claims nothing, and looks at a message once. Afterwards, Claim finds only messages that may leave.
func (w *Worker) QueueSignUps(ctx context.Context, signUps []Kind) (Queued, error) {
	kinds := withDecoys(signUps)
	var all Queued
	for {
		var seen int
		var now Queued
		err := w.db.Batch(ctx, func(b *pgx.Batch) {
			b.Queue(queueSQL, w.now(), kinds, waitChunk, turnEvery, TrickleEvery, MaxWait).QueryRow(func(row pgx.Row) error {
				return row.Scan(&seen, &now.Rate, &now.Breaker)
			})
		})
		if err != nil {
			return all, fmt.Errorf("queue due emails: %w", err)
		}
		all.Rate, all.Breaker = all.Rate+now.Rate, all.Breaker+now.Breaker
		if seen < waitChunk {
			return all, nil
		}
	}
}

// withDecoys returns kinds, and that of decoys, as text.
func withDecoys(kinds []Kind) []string {
	all := []string{string(None)}
	for _, k := range kinds {
		all = append(all, string(k))
	}
	return all
}

// A message that a worker has claimed is left to it: its due_at is the end of the lease.
const endOverdueSQL = `
with overdue as materialized (
    select id from outbox
    where state in ('ready', 'held') and created_at <= $1::timestamptz and (kind = 'none' or kind like 'email.%' and kind <> 'email.reconfirm')
      and (state = 'held' or due_at <= $2::timestamptz or due_at = deferred_until)
    limit $3::integer
    for update skip locked
)
update outbox o set state = 'done', hold_reason = null, sealed = null, domain_hmac = null, outcome = 'outdated', finished_at = $2::timestamptz
from overdue where o.id = overdue.id
returning o.kind`

// EndOverdue ends the emails, and decoys, that have waited for MaxWait, also held ones and those of a pause. It returns
// the number of emails. A message waits for a slot, a rate, a sending circuit breaker, the mailbox budget, a pause, the
// owner or the email service.
func (w *Worker) EndOverdue(ctx context.Context) (emails int, err error) {
	for {
		var ended []string
		err := w.db.Batch(ctx, func(b *pgx.Batch) {
			b.Queue(endOverdueSQL, w.now().Add(-MaxWait), w.now(), waitChunk).Query(func(rows pgx.Rows) (err error) {
				ended, err = pgx.CollectRows(rows, pgx.RowTo[string])
				return err
			})
		})
		if err != nil {
			return emails, fmt.Errorf("end overdue emails: %w", err)
		}
		for _, kind := range ended {
			if Kind(kind).IsEmail() {
				emails++
			}
		}
		if len(ended) < waitChunk {
			return emails, nil
		}
	}
}

const queuePausedSQL = `
with due as materialized (
    select id from outbox
    where state = 'ready' and due_at <= $1::timestamptz and (kind = 'none' or kind like 'email.%')
    order by due_at limit $3::integer
    for update skip locked
)
update outbox o set waits_for = 'pause', due_at = $2::timestamptz, deferred_until = $2::timestamptz from due where o.id = due.id`

// QueuePaused makes all due emails, and decoys, wait for the end of a pause. It returns their number.
func (w *Worker) QueuePaused(ctx context.Context) (int, error) {
	total := 0
	for {
		n, err := w.change(ctx, queuePausedSQL, w.now(), w.now().Add(pausedFor), waitChunk)
		total += n
		if err != nil || n < waitChunk {
			return total, err
		}
	}
}

// A claimed message is not due at the end of its deferral, and is left to its worker.
const dequeueSQL = `
with waiting as materialized (
    select id from outbox
    where state = 'ready' and waits_for = $1::text and due_at = deferred_until
    limit $3::integer
    for update skip locked
)
update outbox o set waits_for = null, due_at = o.created_at, deferred_until = $2::timestamptz from waiting where o.id = waiting.id`

// dequeue makes the messages that wait for something due again, the oldest first.
func (w *Worker) dequeue(ctx context.Context, waitsFor string) error {
	for {
		n, err := w.change(ctx, dequeueSQL, waitsFor, w.now(), waitChunk)
		if err != nil || n < waitChunk {
			return err
		}
	}
}

const deferToDomainSQL = `
update outbox set due_at = $3::timestamptz, deferred_until = $3::timestamptz, attempts = attempts - 1, waits_for = 'domain'
where id = $1::text::uuid and attempts = $2::integer and state = 'ready'`

// DeferForDomain returns a claimed delivery, without an attempt, until the rate of its domain allows it. It then has
// its place: see Delivery.HasPlace.
func (w *Worker) DeferForDomain(ctx context.Context, d Delivery, until time.Time) error {
	_, err := w.change(ctx, deferToDomainSQL, d.ID.String(), d.Attempt, until)
	return err
}

const domainsSQL = `
select id::text, encode(domain_hmac, 'hex'), kind <> 'none' and mailbox_proven_v1(subscriber_id, $2::timestamptz, id)
from outbox where id = any($1::text[]::uuid[]) and domain_hmac is not null`

// DomainOf is the limited domain of a message.
type DomainOf struct {
	Domain string // a pseudonym
	Proven bool   // the mailbox is proven, so that the rate of its domain does not delay it
}

// Domains returns the limited domains of deliveries by id.
func (w *Worker) Domains(ctx context.Context, deliveries []Delivery) (map[string]DomainOf, error) {
	ids := make([]string, len(deliveries))
	for i, d := range deliveries {
		ids[i] = d.ID.String()
	}
	var found map[string]DomainOf
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		found = map[string]DomainOf{}
		b.Queue(domainsSQL, ids, w.now()).Query(func(rows pgx.Rows) error {
			var id string
			var d DomainOf
			_, err := pgx.ForEachRow(rows, []any{&id, &d.Domain, &d.Proven}, func() error {
				found[id] = d
				return nil
			})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the domains of emails: %w", err)
	}
	return found, nil
}
