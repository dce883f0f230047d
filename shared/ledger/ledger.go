// Package ledger writes the ledger: the append-only table that is audit trail, proof of consent and source of
// analytics.
//
// Invariants: an event is appended to the caller's batch, so it commits with the change that it records or not at
// all. It contains no address, no hash of one and no network address, because it outlives the subscriber's data;
// those are stored in identities and event_context, which can be deleted. An event that is appended twice is stored
// once, so that a transaction with a lost commit confirmation can be repeated. The role of the functions may only
// insert and read events. WriteTombstones deletes the content of events that prove nothing.
//
// Failure policy: Append itself never fails. A refused statement fails the caller's transaction.
package ledger

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Kind names what happened. Names never change: analytics and proofs read old rows.
type Kind string

// The kinds of ledger events. Each transition of a subscription appends exactly one.
const (
	Requested          Kind = "subscription.requested"        // an admitted sign-up request, whatever its outcome
	Confirmed          Kind = "subscription.confirmed"        // pending → active; consent granted
	Unsubscribed       Kind = "subscription.unsubscribed"     // active → unsubscribed; consent withdrawn
	Declined           Kind = "subscription.declined"         // the addressee ended the request before confirming, or chose "This wasn't me"
	Expired            Kind = "subscription.expired"          // pending for too long
	Suppressed         Kind = "subscription.suppressed"       // complaint, hard bounce, objection or the operator's decision
	Erased             Kind = "subscription.erased"           // the subscriber's data were deleted
	Rectified          Kind = "subscription.rectified"        // the subscriber has another address, which its reader confirmed
	FieldsRectified    Kind = "subscription.fields_rectified" // values of declared fields were corrected, by a letter; the event has none
	Exported           Kind = "privacy.exported"              // the subscriber received a copy of their data
	PrivacyRequested   Kind = "privacy.requested"             // a letter requested a copy or an erasure
	HoldReleased       Kind = "hold.released"                 // the owner released a held email
	HoldRejected       Kind = "hold.rejected"                 // the owner rejected a held email and its sign-up
	Maintained         Kind = "maintenance.run"               // expired data were deleted; the counts are in Data.Counts
	ConsentTextAdded   Kind = "consent.text_added"            // the operator added a consent text
	ConsentProved      Kind = "consent.proved"                // the operator printed a subscriber's proof of consent
	SuppressionRemoved Kind = "suppression.removed"           // the operator removed a suppression, or the reader of a mailbox took a decline back
	Retried            Kind = "outbox.retried"                // the operator requeued dead letters
	Dropped            Kind = "outbox.dropped"                // the operator dropped messages
	Imported           Kind = "subscription.imported"         // an import added a subscriber, active or who had left elsewhere
	ListExported       Kind = "list.exported"                 // the operator exported the list of subscribers
	Paused             Kind = "destination.paused"            // the operator paused a destination
	Resumed            Kind = "destination.resumed"           // the operator resumed a destination
	Reminded           Kind = "subscription.reminded"         // a reminder of an unconfirmed sign-up was queued
	SubscriberRead     Kind = "subscriber.read"               // a server looked a subscriber up by its key
	KeyCreated         Kind = "key.created"                   // the operator created a key of a server
	KeyRevoked         Kind = "key.revoked"                   // the operator revoked a key of a server
	LinkRequested      Kind = "link.requested"                // a visitor typed an address to get an unsubscribe or privacy link, or a subscriber renewed one
)

// Actor is who caused an event.
type Actor string

// The actors that the schema allows.
const (
	Visitor    Actor = "visitor"    // unproven: used a form
	Subscriber Actor = "subscriber" // the holder of a signed link from the mailbox
	Provider   Actor = "provider"   // the email service
	Operator   Actor = "operator"   // the owner, by the operator's tool
	System     Actor = "system"     // a schedule
)

// Data is the part of an event that depends on its kind. Its fields are fixed, so that no address, token or free text
// enters rows that are never deleted. Empty fields are omitted.
type Data struct {
	// Outcome is the result in one word, such as "confirmation_queued".
	Outcome string `json:"outcome,omitempty"`
	// Reasons names the checks that a request failed, such as "honeypot".
	Reasons []string `json:"reasons,omitempty"`
	// Cleaned names the fields of a request whose values were cleaned, such as "utm_campaign": the page sends what
	// nothing can use.
	Cleaned []string `json:"cleaned,omitempty"`
	// Provider is the mailbox provider's bucket, such as "google".
	Provider string `json:"provider,omitempty"`
	// From and To are the states before and after; equal if nothing changed.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Returning marks a former subscriber who had unsubscribed.
	Returning bool `json:"returning,omitempty"`
	// Granted records that the form sent explicit consent.
	Granted bool `json:"granted,omitempty"`
	// Purpose is the purpose of a requested link, or what an operator's act is about.
	Purpose string `json:"purpose,omitempty"`
	// Locale is the language of the form. Append keeps language, script and region.
	Locale Locale `json:"locale,omitempty"`
	// Workflow is how consent was obtained, with a version, such as "double-opt-in/1".
	Workflow string `json:"workflow,omitempty"`
	// TextVersion is the version of a consent text. For a request or an import it is the version that it names, even
	// if the language shown is unknown.
	TextVersion string `json:"text_version,omitempty"`
	// TextToShow is the id of the text that the confirmation page shows if it is not certain that the form showed one.
	TextToShow string `json:"text_to_show,omitempty"`
	// OriginalAt is the time of an event that was recorded later, in RFC 3339: for an import the time of the consent
	// or of its end, empty if unknown.
	OriginalAt string `json:"original_at,omitempty"`
	// Counts are numbers by name, such as the deleted rows of a table.
	Counts map[string]int64 `json:"counts,omitempty"`
	// KeyID is the id of the server's key that a request used, or that the event is about. The visitor's network
	// address and program of such a request are those that the server named.
	KeyID string `json:"key_id,omitempty"`
	// Scopes are those of a created key.
	Scopes []string `json:"scopes,omitempty"`
	// RequestEvent is the event whose consent this one confirms or withdraws.
	RequestEvent string `json:"request_event,omitempty"`
}

// Event is a row of the ledger.
type Event struct {
	ID   uuid.UUID // a UUIDv7, chosen before the transaction, so that a repeated transaction stores one row
	At   time.Time
	Kind Kind
	// SubscriberID is the subscriber's pseudonym; uuid.Nil if the event concerns no known subscriber.
	SubscriberID uuid.UUID
	Actor        Actor
	Channel      string // "api", "form", "link", "one-click", "schedule" and so on
	Source       Source
	// ConsentTextID is the text that was shown; uuid.Nil if there was none or it is unknown.
	ConsentTextID uuid.UUID
	// RequestID identifies the log line of the cause. It is stored without control characters and cut to 64 bytes.
	RequestID string
	Data      Data
}

const insertEventSQL = `
insert into ledger_events (id, at, kind, subscriber_id, actor, channel, source, consent_text_id, request_id, data)
values ($1::text::uuid, $2::timestamptz, $3::text, nullif($4::text, '')::uuid, $5::text, $6::text, $7::text::jsonb,
        nullif($8::text, '')::uuid, $9::text, $10::text::jsonb)
on conflict (id) do nothing`

// maxRequestID exceeds the ids of AWS: API Gateway's have 16 bytes, those of SNS are UUIDs of 36.
const maxRequestID = 64

// Append adds e to the caller's batch, which commits it together with the change that it records.
func Append(b *pgx.Batch, e Event) {
	b.Queue(insertEventSQL, e.Columns()...)
}

// Columns returns the columns of e as they are stored, in the order of the table: id, at, kind, subscriber, actor,
// channel, source, consent text, request id and data; an empty text is no id. The locale and the request id
// are shortened.
func (e Event) Columns() []any {
	e.Data.Locale = e.Data.Locale.Short()
	return []any{
		e.ID.String(), e.At, string(e.Kind), text(e.SubscriberID), string(e.Actor), e.Channel,
		e.Source.JSON(), text(e.ConsentTextID), Printable(e.RequestID, maxRequestID), object(e.Data),
	}
}

// maxUserAgent is enough to identify a browser and its version; longer user agents are cut.
const maxUserAgent = 256

const insertContextSQL = `
insert into event_context (event_id, at, ip, user_agent, source)
values ($1::text::uuid, $2::timestamptz, nullif($3::text, '')::inet, nullif($4::text, ''), nullif($5::text, '{}')::jsonb)
on conflict (event_id) do nothing`

// Context is the deletable part of an event: network address, user agent, and the source as sent.
type Context struct {
	EventID   uuid.UUID
	At        time.Time
	IP        netip.Addr // the zero Addr is stored as null
	UserAgent string     // cut to 256 bytes; invalid UTF-8 and control characters are removed
	Source    SentSource // stored as Clean returns it
}

// AppendContext adds c to the caller's batch.
func AppendContext(b *pgx.Batch, c Context) {
	b.Queue(insertContextSQL, append([]any{c.EventID.String(), c.At}, c.Columns()...)...)
}

// Columns returns network address, user agent and source as they are stored; empty for none.
func (c Context) Columns() []any {
	ip := ""
	if c.IP.IsValid() {
		ip = c.IP.Unmap().WithZone("").String()
	}
	return []any{ip, Printable(c.UserAgent, maxUserAgent), Source(c.Source.Clean()).JSON()}
}

// text formats an id for a nullable column.
func text(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}

// object encodes a struct of strings, numbers, booleans and lists of strings, which cannot fail.
func object(v any) string {
	encoded, err := json.Marshal(v)
	if err != nil {
		return "{}"
	}
	return string(encoded)
}
