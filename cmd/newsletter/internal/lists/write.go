package lists

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
)

// What keeps a person from being imported is read in the transaction that imports the others.
const existingStateSQL = `
select coalesce(s.status, ''), coalesce(s.returning_from, ''),
       exists (select from suppressions p
               where (p.email_hmac = decode(l.hmac, 'hex') or p.mailbox_hmac = decode(l.fold, 'hex'))
                 and (p.until is null or p.until > $4::timestamptz)),
       exists (select from erasures e where e.email_hmac = decode(l.hmac, 'hex'))
from unnest($1::text[], $2::text[], $3::text[]) with ordinality as l (norm, hmac, fold, n)
left join subscribers s on s.email_norm = l.norm
order by l.n`

// existingState is the state of an address in this installation.
type existingState struct {
	status, returning  string
	suppressed, erased bool
}

// decide returns the outcome for a person: Imported, Unchanged or Refused, with the reason.
func (s existingState) decide(confirmed bool) (Outcome, string) {
	switch {
	case s.suppressed:
		return Refused, "suppressed"
	case s.status == string(subscription.Active):
		return Unchanged, ""
	case s.status == string(subscription.Unsubscribed) || s.returning != "":
		return Refused, "unsubscribed"
	case s.status == string(subscription.Suppressed):
		return Refused, "suppressed"
	case s.status == string(subscription.Pending) && !confirmed:
		return Refused, "not_confirmed"
	case s.erased:
		return Refused, "erased"
	}
	return Imported, ""
}

// A row that came in meanwhile stays as it is; of a request that waits, the row is taken over with its id.
const (
	insertPeopleSQL = `
insert into subscribers (id, email, email_norm, status, locale, source, request_event_id, requested_at, confirmed_at, evidence)
select l.id::uuid, l.email, l.norm, 'active', nullif(l.locale, ''), l.source::jsonb, l.event::uuid, l.at::timestamptz, l.at::timestamptz,
       nullif(l.evidence, '')
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $9::text[])
     as l (id, email, norm, locale, source, event, at, evidence)
on conflict (email_norm) do update set status = 'active', confirmed_at = excluded.confirmed_at, request_event_id = excluded.request_event_id,
    evidence = excluded.evidence
where subscribers.status = 'pending' and subscribers.returning_from is null and $8::boolean`
	insertIdentitiesSQL = `
insert into identities (subscriber_id, email_hmac, mailbox_hmac, key_id)
select s.id, decode(l.hmac, 'hex'), decode(l.fold, 'hex'), $4::text
from unnest($1::text[], $2::text[], $3::text[]) as l (event, hmac, fold) join subscribers s on s.request_event_id = l.event::uuid
on conflict (subscriber_id) do nothing`
	// The events of rows that another request was faster with are left out.
	insertEventsSQL = `
insert into ledger_events (id, at, kind, subscriber_id, actor, channel, source, consent_text_id, request_id, data)
select l.event::uuid, $5::timestamptz, $6::text, s.id, $7::text, $8::text, l.source::jsonb, nullif(l.text, '')::uuid, $9::text, l.data::jsonb
from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as l (event, source, text, data)
join subscribers s on s.request_event_id = l.event::uuid
returning id::text`
	insertContextsSQL = `
insert into event_context (event_id, at, ip, user_agent, source)
select l.event::uuid, $4::timestamptz, nullif(l.ip, '')::inet, nullif(l.agent, ''), nullif(l.source, '{}')::jsonb
from unnest($1::text[], $2::text[], $3::text[], $5::text[]) as l (event, ip, agent, source) join ledger_events e on e.id = l.event::uuid
where l.ip <> '' or l.agent <> '' or l.source <> '{}'`
)

// write imports people in one transaction and reports each result.
func (m *Importer) write(ctx context.Context, people []person) error {
	if len(people) == 0 {
		return nil
	}
	now := m.now()
	norms, hmacs := columns(people, func(p person) string { return p.address.Normalized }), columns(people, func(p person) string { return p.hmac })
	folds := m.folds(people)
	var standings []existingState
	var wanted []person
	written := map[string]bool{}
	err := m.db.Transact(ctx, 0,
		func(b *pgx.Batch) {
			b.Queue(existingStateSQL, norms, hmacs, folds, now).Query(func(rows pgx.Rows) error {
				var err error
				standings, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (s existingState, err error) {
					return s, row.Scan(&s.status, &s.returning, &s.suppressed, &s.erased)
				})
				return err
			})
		},
		func(b *pgx.Batch) error {
			wanted, written = nil, map[string]bool{}
			for i, p := range people {
				if outcome, _ := standings[i].decide(m.options.Confirmed); outcome == Imported {
					wanted = append(wanted, p)
				}
			}
			if m.options.DryRun {
				return nil
			}
			m.queue(b, wanted, now, written)
			return nil
		})
	if err != nil {
		return fmt.Errorf("import lines %d to %d: %w", people[0].line, people[len(people)-1].line, err)
	}
	for i, p := range people {
		outcome, reason := standings[i].decide(m.options.Confirmed)
		if outcome == Imported && !m.options.DryRun && !written[p.event.ID.String()] {
			outcome = Unchanged // added concurrently
		}
		result := Result{Line: p.line, Outcome: outcome, Reason: reason}
		if outcome == Imported {
			result.Unreadable = p.unreadable
		}
		m.report(result)
	}
	return nil
}

func (m *Importer) queue(b *pgx.Batch, people []person, now time.Time, written map[string]bool) {
	events := columns(people, func(p person) string { return p.event.ID.String() })
	sources := columns(people, func(p person) string { return p.event.Source.JSON() })
	b.Queue(insertPeopleSQL,
		columns(people, func(p person) string { return p.id.String() }), columns(people, func(p person) string { return p.address.Mailbox }),
		columns(people, func(p person) string { return p.address.Normalized }), columns(people, func(p person) string { return string(p.locale) }), sources, events,
		columns(people, func(p person) string { return p.at.Format(time.RFC3339Nano) }), m.options.Confirmed,
		columns(people, func(p person) string { return p.evidence }))
	b.Queue(insertIdentitiesSQL, events, columns(people, func(p person) string { return p.hmac }),
		m.folds(people), m.key.ID())
	b.Queue(insertEventsSQL, events, sources, columns(people, func(p person) string { return p.textID() }),
		columns(people, func(p person) string { return data(p.event.Data) }), now, string(ledger.Imported), string(ledger.Operator), "import", "operator").
		Query(func(rows pgx.Rows) error {
			var id string
			_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
				written[id] = true
				return nil
			})
			return err
		})
	b.Queue(insertContextsSQL, events, columns(people, func(p person) string { return p.ip }), columns(people, func(p person) string { return p.agent }), now,
		columns(people, func(p person) string { return ledger.Source(p.sent.Clean()).JSON() }))
}

// folds returns the keyed hashes of the people's mailboxes.
func (m *Importer) folds(people []person) []string {
	return columns(people, func(p person) string { return hex.EncodeToString(m.key.Mailbox(p.address.MailboxKey)) })
}

func (p person) textID() string {
	if p.event.ConsentTextID == uuid.Nil {
		return ""
	}
	return p.event.ConsentTextID.String()
}

// data returns the JSON of an event's data, which cannot fail.
func data(d ledger.Data) string {
	encoded, err := json.Marshal(d)
	if err != nil {
		return "{}"
	}
	return string(encoded)
}

func columns(people []person, of func(person) string) []string {
	all := make([]string, len(people))
	for i, p := range people {
		all[i] = of(p)
	}
	return all
}
