package subscription

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/token"
)

// maxExported limits the events and deliveries in an export, newest first. That is about 2 MB; a Lambda response may
// have 6 MB. Only an address that bots sign up repeatedly comes near it.
const maxExported = 4000

// maxRequestedFields limits the sign-ups whose values wait for a confirmation, newest first: at most 700 KB.
const maxRequestedFields = 100

// PersonalData is all data that is kept about a subscriber. Each member is JSON by the published schema of the export
// (docs/privacy-export.schema.json).
type PersonalData struct {
	Profile         json.RawMessage   // null without a row
	Events          []json.RawMessage // with their consent texts and contexts
	Deliveries      []json.RawMessage
	Engagement      []json.RawMessage
	Suppressions    []json.RawMessage // of all spellings of the address
	Identities      []json.RawMessage // the ids under which the subscriber is or was known
	EmailLog        []json.RawMessage // what the budgets of the mailbox count
	Erasures        []json.RawMessage // of earlier data of the address
	PrivacyRequests []json.RawMessage
	RequestedFields []json.RawMessage // of sign-ups that wait for their confirmation
}

const (
	// An imported subscriber has a confirmation time only if the list had one, and no request time. Exported lists do
	// the same (cmd/newsletter/internal/lists).
	profileSQL = `
select to_jsonb(p)::text from (
    select s.id, s.email, s.email_norm, s.status, s.returning_from, s.epoch, s.locale, s.source, s.evidence, s.request_event_id, s.reminded_at,
           case when e.kind is distinct from 'subscription.imported' then s.requested_at end as requested_at,
           case when e.kind is distinct from 'subscription.imported' or e.data ? 'original_at' then s.confirmed_at end as confirmed_at,
           s.ended_at, s.fields, s.fields_at
    from subscribers s left join ledger_events e on e.id = s.request_event_id where s.id = any($1::text[]::uuid[])) as p`
	exportEventsSQL = `
select to_jsonb(e)::text from (
    select a.id, a.at, a.kind, a.actor, a.channel, a.source, a.request_id, a.data, host(c.ip) as ip, c.user_agent, c.source as source_sent,
           case when t.id is not null
                then jsonb_build_object('version', t.version, 'locale', t.locale, 'body', t.body, 'sha256', encode(t.sha256, 'hex'))
           end as consent_text
    from ledger_events a left join event_context c on c.event_id = a.id left join consent_texts t on t.id = a.consent_text_id
    where a.subscriber_id = any($1::text[]::uuid[]) order by a.at desc, a.id desc limit $2::integer) as e`
	exportDeliveriesSQL = `
select to_jsonb(o)::text from (
    select id, kind, event_id, epoch, counted, state, hold_reason, waits_for, outcome, attempts, due_at, deferred_until, created_at, finished_at
    from outbox where subscriber_id = any($1::text[]::uuid[]) and kind <> 'none'
    order by created_at desc limit $2::integer) as o`
	exportEngagementSQL = `
select to_jsonb(g)::text from (
    select id, at, kind, detail, permanent, delivery_id
    from engagement_events where subscriber_id = any($1::text[]::uuid[]) order by at desc limit $2::integer) as g`
	exportSuppressionsSQL = `
select to_jsonb(s)::text from (
    select reason, created_at, until, email_hmac <> $1::bytea as other_spelling from suppressions
    where email_hmac = $1::bytea or mailbox_hmac in (select mailbox_hmac from identities where email_hmac = $1::bytea)
    order by created_at) as s`
	exportRequestedFieldsSQL = `
select to_jsonb(r)::text from (
    select event_id, at, fields
    from requested_fields where subscriber_id = any($1::text[]::uuid[]) order by at desc, event_id limit $2::integer) as r`
	exportIdentitiesSQL = `
select to_jsonb(i)::text from (
    select subscriber_id, key_id, until from identities where email_hmac = $1::bytea order by subscriber_id) as i`
	exportEmailLogSQL = `
select to_jsonb(l)::text from (
    select id, purpose, at from email_log
    where mailbox_hmac in (select mailbox_hmac from identities where email_hmac = $1::bytea) order by at desc limit $2::integer) as l`
	exportErasuresSQL = `
select to_jsonb(e)::text from (select id, at, key_id from erasures where email_hmac = $1::bytea order by at) as e`
	exportRequestsSQL = `
select to_jsonb(r)::text from (
    select id, kind, channel, received_at, due_at, done_at, outcome, sign_up_event_id
    from privacy_requests where subscriber_id = any($1::text[]::uuid[]) order by received_at) as r`
	// As with suppressionsByIDSQL, an erasure waits for an export that has begun.
	exportIDsSQL = `
select subscriber_id::text from identities where email_hmac = $1::bytea for key share`
	addressOfSQL = `
select email_hmac from identities where subscriber_id = $1::text::uuid`
)

// Export returns all data about the subscriber of an export link and records the export. The error is ErrUnknown for an
// unknown link, or the database's.
func (s *Store) Export(ctx context.Context, link token.Link, visit Visit) (PersonalData, error) {
	var email []byte
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		email = nil
		b.Queue(addressOfSQL, link.SubscriberID.String()).QueryRow(func(found pgx.Row) error { return ignoreNoRows(found.Scan(&email)) })
	})
	if err != nil {
		return PersonalData{}, fmt.Errorf("export personal data: %w", err)
	}
	if email == nil {
		return PersonalData{}, ErrUnknown
	}
	return s.export(ctx, email, ledger.Subscriber, visit)
}

// ExportByLetter returns the same as Export for an address whose holder the operator has identified.
func (s *Store) ExportByLetter(ctx context.Context, a Address, visit Visit) (PersonalData, error) {
	return s.export(ctx, s.key.Address(a.Normalized), ledger.Operator, visit)
}

func (s *Store) export(ctx context.Context, email []byte, actor ledger.Actor, visit Visit) (PersonalData, error) {
	var r PersonalData
	var ids []string
	event := ledger.Event{ID: newID(), Kind: ledger.Exported, Actor: actor, Data: ledger.Data{Outcome: "exported"}}
	load := func(b *pgx.Batch, _ time.Time) {
		r, ids = PersonalData{Profile: json.RawMessage("null")}, nil
		b.Queue(exportIDsSQL, email).Query(func(rows pgx.Rows) error {
			var err error
			ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
	}
	err := s.transact(ctx, 0, load, func(b *pgx.Batch, now time.Time) error {
		event.At = now
		into := func(list *[]json.RawMessage) func(pgx.Rows) error {
			return func(rows pgx.Rows) error {
				*list = nil
				var text string
				_, err := pgx.ForEachRow(rows, []any{&text}, func() error {
					*list = append(*list, json.RawMessage(text))
					return nil
				})
				return err
			}
		}
		switch {
		case len(ids) > 0:
			event.SubscriberID = mustID(ids[0])
		case actor == ledger.Subscriber: // erased in the meantime
			return ErrUnknown
		}
		s.record(b, event, visit) // first, so that the export contains this event
		closeRequest(b, RightOfAccess, ids, visit, now)
		b.Queue(profileSQL, ids).QueryRow(func(found pgx.Row) error {
			var text string
			err := found.Scan(&text)
			if err == nil {
				r.Profile = json.RawMessage(text)
			}
			return ignoreNoRows(err)
		})
		b.Queue(exportEventsSQL, ids, maxExported).Query(into(&r.Events))
		b.Queue(exportDeliveriesSQL, ids, maxExported).Query(into(&r.Deliveries))
		b.Queue(exportEngagementSQL, ids, maxExported).Query(into(&r.Engagement))
		b.Queue(exportSuppressionsSQL, email).Query(into(&r.Suppressions))
		b.Queue(exportRequestsSQL, ids).Query(into(&r.PrivacyRequests))
		b.Queue(exportRequestedFieldsSQL, ids, maxRequestedFields).Query(into(&r.RequestedFields))
		b.Queue(exportIdentitiesSQL, email).Query(into(&r.Identities))
		b.Queue(exportEmailLogSQL, email, maxExported).Query(into(&r.EmailLog))
		b.Queue(exportErasuresSQL, email).Query(into(&r.Erasures))
		return nil
	})
	if err != nil {
		return PersonalData{}, fmt.Errorf("export personal data: %w", err)
	}
	return r, nil
}
