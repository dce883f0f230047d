package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
)

// Each statement reads a part of the database as the superuser, past everything that could hide rows.
const (
	eventsSQL = `
select id, coalesce(subscriber_id, '00000000-0000-0000-0000-000000000000'::uuid),
       coalesce((data ->> 'request_event')::uuid, '00000000-0000-0000-0000-000000000000'::uuid), kind, coalesce(data ->> 'outcome', ''),
       coalesce(data ->> 'from', ''), coalesce(data ->> 'to', ''), request_id, channel, coalesce((data ->> 'returning')::boolean, false),
       kind = 'subscription.erased' and coalesce(data -> 'reasons' ? 'objection', false), at, pg_xact_commit_timestamp(xmin), xmin::text::bigint,
       coalesce(data ->> 'purpose', '')
from ledger_events order by 13, 14`
	rowsSQL = `
select id, email, email_norm, status, epoch from subscribers`
	deliveriesSQL = `
select id, coalesce(subscriber_id, '00000000-0000-0000-0000-000000000000'::uuid),
       coalesce(event_id, '00000000-0000-0000-0000-000000000000'::uuid), kind, state, coalesce(outcome, ''), attempts, created_at,
       coalesce(finished_at, 'epoch'::timestamptz)
from outbox`
	mailLogSQL = `
select encode(mailbox_hmac, 'hex'), purpose, count(*)::integer from email_log group by 1, 2`
	feedbackSQL = `
select delivery_id::text, count(*)::integer from engagement_events where kind = 'delivery' group by 1`
	leftoversSQL = `
with erased as (select distinct subscriber_id from ledger_events where kind = 'subscription.erased')
select e.subscriber_id, 'a row of subscribers' from erased e join subscribers s on s.id = e.subscriber_id
union all select subscriber_id, 'an identity' from erased join identities using (subscriber_id)
union all select subscriber_id, 'a network address of ' || a.kind || ', ' || coalesce(a.data ->> 'outcome', '')
from erased join ledger_events a using (subscriber_id) join event_context c on c.event_id = a.id
union all select subscriber_id, 'a sealed delivery' from erased join outbox o using (subscriber_id) where o.sealed is not null`
)

// read collects the history: what was done, and the final state of everything.
func (r *run) read(ctx context.Context) (h history, err error) {
	d := r.system.Fakes
	h = history{
		Calls: r.recorder.calls, Faults: r.recorder.faults, Days: r.recorder.days, Leftovers: map[uuid.UUID]string{}, Journal: map[uuid.UUID]bool{},
		Contacts: map[string]bool{}, Problems: append(d.SES.Problems(), d.Loops.Problems()...), Broken: r.recorder.broken,
	}
	h.Problems = append(append(h.Problems, d.Sentry.Problems()...), d.SQS.Problems()...)
	h.Refused = int(r.refused.Load())
	for _, m := range d.SES.Since(0) {
		h.Emails = append(h.Emails, email{m.Tags["delivery"], m.To, m.At})
	}
	for _, c := range d.Loops.Contacts() {
		h.Contacts[known(c.Email)] = c.Subscribed
	}
	var written []uuid.UUID // messages
	for entry, err := range r.system.journal.Read(ctx, time.Time{}) {
		if err != nil {
			return h, fmt.Errorf("read the journal: %w", err)
		}
		written = append(written, entry.ID)
	}
	if h.Ledger, err = r.verifyLedger(ctx); err != nil {
		return h, err
	}
	if err := r.system.Validate(ctx); err != nil {
		h.Invalid = append(h.Invalid, err.Error())
	}
	return h, r.system.admin(ctx, func(conn *pgx.Conn) error {
		// The messages of subscribers who were erased later are gone.
		rows, err := conn.Query(ctx, `select event_id from outbox where id = any($1) and event_id is not null`, written)
		if err != nil {
			return err
		}
		events, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		for _, id := range events {
			h.Journal[id] = true
		}
		return errors.Join(err, h.load(ctx, conn))
	})
}

// verifyLedger seals everything, as if hours had passed, and verifies it.
func (r *run) verifyLedger(ctx context.Context) ([]string, error) {
	sealer := ledger.NewSealer(r.system.own, func() time.Time { return time.Now().Add(3 * time.Hour) })
	var outside ledger.Outside
	for {
		seal, more, err := sealer.Next(ctx)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		outside.Known = append(outside.Known, seal.Hash)
	}
	report, err := sealer.Verify(ctx, outside)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, f := range report.Findings {
		found = append(found, f.What)
	}
	if report.Seals == 0 {
		found = append(found, "nothing was sealed")
	}
	return found, nil
}

func (h *history) load(ctx context.Context, conn *pgx.Conn) error {
	h.Events, h.Rows, h.Deliveries, h.EmailLog = nil, nil, nil, nil
	var e event
	err := each(ctx, conn, eventsSQL, func() { h.Events = append(h.Events, e) }, &e.ID, &e.SubscriberID, &e.RequestEvent, &e.Kind, &e.Outcome,
		&e.From, &e.To, &e.RequestID, &e.Channel, &e.Returning, &e.Objected, &e.At, &e.Committed, &e.Transaction,
		&e.Purpose)
	if err != nil {
		return err
	}
	var row row
	if err := each(ctx, conn, rowsSQL, func() { h.Rows = append(h.Rows, row) }, &row.ID, &row.Email, &row.Norm, &row.Status, &row.Epoch); err != nil {
		return err
	}
	var d delivery
	err = each(ctx, conn, deliveriesSQL, func() { h.Deliveries = append(h.Deliveries, d) }, &d.ID, &d.SubscriberID, &d.EventID, &d.Kind, &d.State,
		&d.Outcome, &d.Attempts, &d.Created, &d.Finished)
	if err != nil {
		return err
	}
	var m emailCount
	if err := each(ctx, conn, mailLogSQL, func() { h.EmailLog = append(h.EmailLog, m) }, &m.Mailbox, &m.Purpose, &m.Count); err != nil {
		return err
	}
	h.Feedback = map[string]int{}
	var about string
	var count int
	if err := each(ctx, conn, feedbackSQL, func() { h.Feedback[about] = count }, &about, &count); err != nil {
		return err
	}
	var id uuid.UUID
	var what string
	return each(ctx, conn, leftoversSQL, func() { h.Leftovers[id] = what }, &id, &what)
}

// each runs a query and calls keep for each scanned row.
func each(ctx context.Context, conn *pgx.Conn, sql string, keep func(), into ...any) error {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, into, func() error {
		keep()
		return nil
	})
	return err
}
