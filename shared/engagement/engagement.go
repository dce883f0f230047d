// Package engagement records the events of emails that Amazon SES publishes, such as bounces, and finds the subscriber
// of each.
//
// Invariants: no email address, IP address or link is stored; a repeated event is stored once. A subscriber is found by
// the delivery ID in the event, or, if there is none or the delivery is no longer stored, by the keyed hash of the
// recipient's address.
//
// Failure policy: an event that is unreadable or about an unknown recipient is recorded as Unreadable, for an alert.
// Database errors are returned, and the event may be recorded again.
package engagement

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Kind is the kind of an event.
type Kind string

// The kinds.
const (
	Delivery  Kind = "delivery"
	Bounce    Kind = "bounce"
	Complaint Kind = "complaint"
	Open      Kind = "open"
	Click     Kind = "click"
	Reject    Kind = "reject"
	Delay     Kind = "delay"
	// Unreadable is an event that is unreadable or about an unknown recipient.
	Unreadable Kind = "unreadable"
)

// Event is one event of an email.
type Event struct {
	Kind Kind
	At   time.Time
	// DeliveryID is the outbox message of the email; uuid.Nil if unknown.
	DeliveryID uuid.UUID
	// MessageID is SES's ID of the email, or that of the notification if it is unreadable; SentAt is when SES accepted
	// it.
	MessageID string
	SentAt    time.Time
	// Recipient is the address of the recipient; empty if there is none or several.
	Recipient string
	// Detail is one word of the provider, such as "General" of a bounce.
	Detail string
	// Permanent is set if a bounce is permanent, or if a person made the complaint.
	Permanent bool
	// Suppress is set if the mailbox must be suppressed.
	Suppress bool
}

// database is a connection pool.
type database interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
}

// Subject is the subscriber of an event.
type Subject struct {
	// Known is set if the outbox has the email, if its recipient is or was a subscriber, or if the email log has an email
	// to their mailbox.
	Known bool
	// SubscriberID is uuid.Nil if the subscriber is unknown or erased.
	SubscriberID uuid.UUID
}

// An event without a delivery ID is about the email that was sent to its recipient when SES accepted it:
// outbox.finished_at follows SES's time by the duration of one call. The lock on the identity serializes the event with
// an erasure, so that it never names an erased subscriber.
const recordSQL = `
with delivery as (
    (select id, subscriber_id from outbox where id = nullif($6::text, '')::uuid)
    union all
    (select o.id, o.subscriber_id from outbox o join identities i using (subscriber_id)
     where $6::text = '' and i.email_hmac = $7::bytea and o.kind like 'email.%' and o.outcome = 'sent'
       and o.finished_at between $8::timestamptz - interval '1 minute' and $8::timestamptz + interval '1 minute'
     order by abs(extract(epoch from o.finished_at - $8::timestamptz)) limit 1)
), person as (
    select subscriber_id from identities
    where subscriber_id = coalesce(
        (select i.subscriber_id from delivery join identities i using (subscriber_id)),
        (select subscriber_id from identities where email_hmac = $7::bytea order by until is null desc, subscriber_id desc limit 1))
    for key share
), subject as (
    select (select id from delivery) as delivery_id, (select subscriber_id from person) as subscriber_id,
           exists (select from delivery) or exists (select from person)
           or exists (select from erasures where email_hmac = $7::bytea)
           or exists (select from email_log where mailbox_hmac = $11::bytea) as known
), known as (
    insert into engagement_events (id, at, kind, detail, permanent, subscriber_id, delivery_id)
    select $1::text::uuid, least($2::timestamptz, $10::timestamptz), $3::text, $4::text, $5::boolean, subscriber_id, coalesce(delivery_id, $9::text::uuid)
    from subject where known
    on conflict (delivery_id, kind, at) do nothing
), unknown as (
    insert into engagement_events (id, at, kind, detail, delivery_id)
    select $1::text::uuid, $10::timestamptz, 'unreadable', detail, $9::text::uuid
    from subject, (select case when $3::text = 'unreadable' then $4::text else $3::text end as detail) as why
    where not known and not exists (select from engagement_events e where e.delivery_id = $9::text::uuid and e.kind = 'unreadable' and e.detail = why.detail)
)
select known, coalesce(subscriber_id, '00000000-0000-0000-0000-000000000000')::text from subject`

// Record stores an event that was received at now, and returns its subscriber. emailHMAC and mailboxHMAC are the
// pseudonyms of the recipient's address and canonical mailbox; nil if unknown.
func Record(ctx context.Context, db database, now time.Time, e Event, emailHMAC, mailboxHMAC []byte) (Subject, error) {
	id := uuid.Must(uuid.NewV7())
	delivery := ""
	if e.DeliveryID != uuid.Nil {
		delivery = e.DeliveryID.String()
	}
	message := uuid.NewSHA1(uuid.NameSpaceOID, []byte("ses:"+e.MessageID))
	var s Subject
	err := db.Batch(ctx, func(b *pgx.Batch) {
		s = Subject{}
		b.Queue(recordSQL, id.String(), e.At, string(e.Kind), e.Detail, e.Permanent, delivery, emailHMAC, e.SentAt, message.String(), now, mailboxHMAC).
			QueryRow(func(row pgx.Row) error { return row.Scan(&s.Known, &s.SubscriberID) })
	})
	if err != nil {
		return Subject{}, fmt.Errorf("record an email event: %w", err)
	}
	return s, nil
}
