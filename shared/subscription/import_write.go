package subscription

import (
	"encoding/hex"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

// The rows and events of an import are written by one statement each for all entries. A row that came in meanwhile stays
// as it is, and its entry gets no identity and no event.
const (
	insertListedSQL = `
insert into subscribers (id, email, email_norm, status, locale, source, request_event_id, requested_at, confirmed_at, ended_at, evidence, fields, fields_at)
select l.id::uuid, l.email, l.norm, l.status, nullif(l.locale, ''), l.source::jsonb, l.event::uuid, coalesce(nullif(l.at, '')::timestamptz, $11::timestamptz),
       case when l.status = 'active' then coalesce(nullif(l.at, '')::timestamptz, $11::timestamptz) end, nullif(l.ended, '')::timestamptz, nullif(l.evidence, ''),
       nullif(l.fields, '')::jsonb, case when l.fields <> '' then $11::timestamptz end
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
            $12::text[])
     as l (id, email, norm, status, locale, source, event, at, ended, evidence, fields)
on conflict (email_norm) do nothing`

	// A confirmation by the list is the consent of the row then.
	updateListedSQL = `
update subscribers s
set status = l.status, returning_from = nullif(l.origin, ''), epoch = s.epoch + l.epochs::integer,
    request_event_id = case when l.status = 'active' then l.event::uuid else s.request_event_id end,
    confirmed_at = case when l.status = 'active' then coalesce(nullif(l.at, '')::timestamptz, $8::timestamptz) else s.confirmed_at end,
    ended_at = case when l.epochs = '1' then coalesce(s.ended_at, $8::timestamptz) else s.ended_at end,
    evidence = case when l.status = 'active' then nullif(l.evidence, '') else s.evidence end,
    fields = case when l.fields <> '' then coalesce(s.fields, '{}') || l.fields::jsonb else s.fields end,
    fields_at = case when l.fields <> '' then $8::timestamptz else s.fields_at end
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $9::text[])
     as l (id, status, origin, epochs, event, at, evidence, fields)
where s.id = l.id::uuid`

	// Of who is asked once more, the values wait for the confirmation.
	requestListedFieldsSQL = `
insert into requested_fields (subscriber_id, event_id, at, fields)
select l.id::uuid, l.event::uuid, $4::timestamptz, l.fields::jsonb
from unnest($1::text[], $2::text[], $3::text[]) as l (id, event, fields)
where l.fields <> '' and exists (select from subscribers s where s.id = l.id::uuid)`

	insertListedIdentitiesSQL = `
insert into identities (subscriber_id, email_hmac, mailbox_hmac, key_id, until)
select l.id::uuid, decode(l.email, 'hex'), decode(l.mailbox, 'hex'), $4::text, case when l.rowless::boolean then $6::timestamptz end
from unnest($1::text[], $2::text[], $3::text[], $5::text[]) as l (id, email, mailbox, rowless)
where l.rowless::boolean or exists (select from subscribers s where s.id = l.id::uuid)
on conflict (subscriber_id) do nothing`

	suppressListedSQL = `
insert into suppressions (email_hmac, mailbox_hmac, key_id, reason, created_at)
select decode(l.email, 'hex'), nullif(decode(l.mailbox, 'hex'), ''), $4::text, l.reason, $5::timestamptz
from unnest($1::text[], $2::text[], $3::text[]) as l (email, mailbox, reason)
on conflict (email_hmac) do update set
    mailbox_hmac = excluded.mailbox_hmac, reason = excluded.reason, created_at = excluded.created_at, until = null
where suppressions.until is not null or suppressions.reason = 'restriction'`

	insertListedEventsSQL = `
insert into ledger_events (id, at, kind, subscriber_id, actor, channel, source, consent_text_id, request_id, data)
select l.event::uuid, $7::timestamptz, l.kind, l.id::uuid, $8::text, $9::text, l.source::jsonb, nullif(l.text, '')::uuid, $10::text, l.data::jsonb
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) as l (event, kind, id, source, text, data)
where exists (select from identities i where i.subscriber_id = l.id::uuid)
returning id::text`

	insertListedContextsSQL = `
insert into event_context (event_id, at, ip, user_agent, source)
select l.event::uuid, $5::timestamptz, nullif(l.ip, '')::inet, nullif(l.agent, ''), nullif(l.source, '{}')::jsonb
from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as l (event, ip, agent, source) join ledger_events e on e.id = l.event::uuid
where l.ip <> '' or l.agent <> '' or l.source <> '{}'`
)

// write decides about all entries and writes what changes.
func (t *importTx) write(b *pgx.Batch, now time.Time) error {
	t.now, t.written = now, map[string]bool{}
	asked := map[string]bool{} // by mailbox
	var added, moved, suppressed, all []*imported
	for _, p := range t.people {
		if p.d, p.reason = importEntry(p.state); p.d.Outcome == ReconfirmQueued {
			if asked[p.address.MailboxKey] {
				p.d, p.reason = unchanged(p.state.facts, Unchanged), becauseSpelling
			}
			asked[p.address.MailboxKey] = true
		}
		if p.d.Ledger == "" {
			continue
		}
		all = append(all, p)
		if p.State.reason() != "" {
			suppressed = append(suppressed, p)
		}
		switch {
		case p.row.exists:
			moved = append(moved, p)
		case p.d.To != Suppressed: // a suppression needs no row
			added = append(added, p)
		}
	}
	if t.DryRun || len(all) == 0 {
		return nil
	}
	t.insert(b, added)
	t.update(b, moved)
	t.suppress(b, suppressed)
	t.identify(b, all)
	t.record(b, all)
	t.enqueue(b, all)
	return nil
}

func (t *importTx) insert(b *pgx.Batch, people []*imported) {
	if len(people) == 0 {
		return
	}
	b.Queue(insertListedSQL,
		texts(people, id), texts(people, func(p *imported) string { return p.address.Mailbox }),
		texts(people, func(p *imported) string { return p.address.Normalized }), texts(people, func(p *imported) string { return string(p.d.To) }),
		texts(people, func(p *imported) string { return string(p.Locale) }), texts(people, t.source), texts(people, event),
		texts(people, consentAt), texts(people, endedAt), texts(people, note), t.now, texts(people, t.fields(Active)))
	b.Queue(requestListedFieldsSQL, texts(people, id), texts(people, event), texts(people, t.fields(Pending)), t.now)
}

func (t *importTx) update(b *pgx.Batch, people []*imported) {
	if len(people) == 0 {
		return
	}
	b.Queue(updateListedSQL,
		texts(people, id), texts(people, func(p *imported) string { return string(p.d.To) }),
		texts(people, func(p *imported) string { return row{Returning: p.d.Returning && p.d.To == Pending}.returningFrom() }),
		texts(people, func(p *imported) string {
			if p.d.NewEpoch {
				return "1"
			}
			return "0"
		}),
		texts(people, event), texts(people, consentAt), texts(people, note), t.now, texts(people, t.fields(Active)))
}

func (t *importTx) suppress(b *pgx.Batch, people []*imported) {
	if len(people) == 0 {
		return
	}
	b.Queue(suppressListedSQL,
		texts(people, func(p *imported) string { return hex.EncodeToString(p.hashes.email) }),
		texts(people, func(p *imported) string {
			if !p.State.reason().CoversMailbox() {
				return ""
			}
			return hex.EncodeToString(p.hashes.mailbox)
		}),
		texts(people, func(p *imported) string { return string(p.State.reason()) }), t.store.key.ID(), t.now)
}

// identify links the events to the people. Of who is suppressed without a subscription here, only for a while, as after a
// bounce: the suppression itself stays.
func (t *importTx) identify(b *pgx.Batch, people []*imported) {
	b.Queue(insertListedIdentitiesSQL, texts(people, id),
		texts(people, func(p *imported) string { return hex.EncodeToString(p.hashes.email) }),
		texts(people, func(p *imported) string { return hex.EncodeToString(p.hashes.mailbox) }), t.store.key.ID(),
		texts(people, func(p *imported) string { return strconv.FormatBool(p.d.To == Suppressed) }), t.now.Add(identityGrace))
}

// record appends one event for each entry that changes something. What the list states about the consent of a subscriber
// is the evidence of that event; of other people nothing but the time of the end is kept.
func (t *importTx) record(b *pgx.Batch, people []*imported) {
	events := make([]ledger.Event, len(people))
	for i, p := range people {
		events[i] = t.Visit.cause(t.event(p))
	}
	ofEvents := func(of func(ledger.Event) string) []string {
		all := make([]string, len(events))
		for i, e := range events {
			all[i] = of(e)
		}
		return all
	}
	b.Queue(insertListedEventsSQL, texts(people, event), ofEvents(func(e ledger.Event) string { return string(e.Kind) }), texts(people, id),
		ofEvents(func(e ledger.Event) string { return e.Source.JSON() }), ofEvents(func(e ledger.Event) string { return idText(e.ConsentTextID) }),
		ofEvents(func(e ledger.Event) string { return dataText(e.Data) }), t.now, string(t.actor()), t.Visit.Channel, t.Visit.RequestID).
		Query(func(rows pgx.Rows) error {
			var id string
			_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
				t.written[id] = true
				return nil
			})
			return err
		})
	contexts := make([]ledger.Context, len(people))
	for i, p := range people {
		if p.d.To == Active {
			contexts[i] = ledger.Context{IP: p.IP, UserAgent: p.UserAgent, Source: p.Sent}
		}
	}
	columns := func(n int) []string {
		all := make([]string, len(contexts))
		for i, c := range contexts {
			all[i], _ = c.Columns()[n].(string)
		}
		return all
	}
	b.Queue(insertListedContextsSQL, texts(people, event), columns(0), columns(1), columns(2), t.now)
}

// enqueue enqueues what the entries cause, spread over time.
func (t *importTx) enqueue(b *pgx.Batch, people []*imported) {
	byKind := map[outbox.Kind][]outbox.Message{}
	for _, p := range people {
		kind := t.message(p)
		if kind == "" {
			continue
		}
		m := outbox.Message{ID: newID(), Kind: kind, SubscriberID: p.rowID, EventID: p.eventID, Epoch: p.row.epoch, CreatedAt: t.now}
		if kind.IsEmail() {
			m.Epoch, m.DomainHMAC = 1, t.store.limitedDomain(p.address) // of a new row
		}
		byKind[kind] = append(byKind[kind], m)
	}
	for kind, messages := range byKind {
		every := changeEvery
		switch {
		case kind.IsEmail():
			every = reconfirmEvery
		case kind == outbox.NotifyOf(outbox.Change, outbox.Loops):
			every = joinEvery
		}
		outbox.EnqueueSpread(b, kind, messages, every)
	}
}
