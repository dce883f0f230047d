// Package audit writes the ledger: the append-only record that is audit trail, proof of consent and source of the
// analytics at once.
//
// Invariants: an event is queued into the caller's batch, so it commits with the change it tells of or not at all; it
// carries no address, no hash of one and no network address, because it outlives the person's data (those stand in
// identities and event_context, which are deletable); the same event queued twice is written once, so a transaction
// whose commit was lost on the way back can be repeated. The application's role may insert and read events only.
//
// Failure policy: Append never fails by itself. A refused statement fails the caller's transaction.
package ledger

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Kind says what happened. The names are kept for ever: analytics and proofs read old rows.
type Kind string

// The kinds of ledger events. Each transition of a subscription writes exactly one.
const (
	Requested          Kind = "subscription.requested"    // an admitted sign-up request, whatever its outcome
	Confirmed          Kind = "subscription.confirmed"    // pending → active; consent granted
	Unsubscribed       Kind = "subscription.unsubscribed" // active → unsubscribed; consent withdrawn
	Declined           Kind = "subscription.declined"     // a request ended by its addressee before it was confirmed, or "this was not me"
	Expired            Kind = "subscription.expired"      // pending for too long
	Suppressed         Kind = "subscription.suppressed"   // complaint, hard bounce, objection or the operator's decision
	Erased             Kind = "subscription.erased"       // the person's data were deleted
	Exported           Kind = "privacy.exported"          // the person got a copy of their data
	PrivacyRequested   Kind = "privacy.requested"         // a letter that asks for a copy or an erasure came in
	HoldReleased       Kind = "hold.released"             // the owner lets a held mail go out
	HoldRejected       Kind = "hold.rejected"             // the owner ends a held mail and its sign-up
	Maintained         Kind = "maintenance.run"           // what had to be deleted by its age was; the counts say how much
	ConsentTextAdded   Kind = "consent.text_added"        // a text that people agree to was added
	ConsentProved      Kind = "consent.proved"            // the operator printed the proof of somebody's consent
	SuppressionRemoved Kind = "suppression.removed"       // a suppression was ended by the operator
	Retried            Kind = "outbox.retried"            // dead letters were put back
	Dropped            Kind = "outbox.dropped"            // deliveries were given up by the operator
	Imported           Kind = "subscription.imported"     // somebody came in with a list, active
	ListExported       Kind = "list.exported"             // the operator wrote the list of subscribers into a file
	Paused             Kind = "destination.paused"        // the operator stopped mails, or a listener
	Resumed            Kind = "destination.resumed"       // and let them go on
	Reminded           Kind = "subscription.reminded"     // a request that was not confirmed was mailed about once more
	LinkRequested      Kind = "link.requested"            // somebody typed an address to get an unsubscribe or privacy link
)

// Kinds lists every kind that this version writes.
func Kinds() []Kind {
	return []Kind{
		Requested, Confirmed, Unsubscribed, Declined, Expired, Suppressed, Erased, Exported, PrivacyRequested, HoldReleased, HoldRejected,
		Maintained, ConsentTextAdded, ConsentProved, SuppressionRemoved, Retried, Dropped, Imported,
		ListExported, Paused, Resumed, Reminded, LinkRequested,
	}
}

// Actor says who caused an event.
type Actor string

// The actors that the schema allows.
const (
	Visitor    Actor = "visitor"    // somebody at a form; nothing proves who
	Subscriber Actor = "subscriber" // the holder of a signed link from the mailbox
	Provider   Actor = "provider"   // a mail provider's event
	Operator   Actor = "operator"   // the site's owner
	System     Actor = "system"     // a schedule
)

// Data is the part of an event that depends on its kind. It is a fixed list so that no address, token or free text can
// slip into rows that are never deleted. Empty members are left out.
type Data struct {
	// Outcome is the one word for what came of it, such as "confirmation_queued".
	Outcome string `json:"outcome,omitempty"`
	// Reasons are the names of the checks that spoke against a request, such as "honeypot".
	Reasons []string `json:"reasons,omitempty"`
	// Provider is the bucket of the address's mailbox provider, such as "google".
	Provider string `json:"provider,omitempty"`
	// From and To are the states before and after; equal when nothing changed.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Returning marks a person who had been unsubscribed before.
	Returning bool `json:"returning,omitempty"`
	// Granted records that the form sent an explicit consent.
	Granted bool `json:"granted,omitempty"`
	// Purpose is what an asked link is for.
	Purpose string `json:"purpose,omitempty"`
	// Locale is the language of the form, as a BCP 47 tag.
	Locale string `json:"locale,omitempty"`
	// Workflow is the way that led to the consent and its version, such as "double-opt-in/1".
	Workflow string `json:"workflow,omitempty"`
	// TextVersion is the version of a consent text: of a request or an import the one that it names, also where the
	// language that it was shown in is not known.
	TextVersion string `json:"text_version,omitempty"`
	// TextToShow is the id of the text that the page with the button shows after a request that showed none for certain.
	TextToShow string `json:"text_to_show,omitempty"`
	// OriginalAt is when it happened, as RFC 3339, where it was recorded later: of an import the time of the consent, empty if
	// it is not known. Evidence is what the list said of the consent, at most 500 bytes without an address.
	OriginalAt string `json:"original_at,omitempty"`
	Evidence   string `json:"evidence,omitempty"`
	// Counts are numbers by name, such as how many rows of a table were deleted.
	Counts map[string]int64 `json:"counts,omitempty"`
	// RequestEvent is the event whose consent text this one confirms or withdraws.
	RequestEvent string `json:"request_event,omitempty"`
}

// Event is one row of the ledger.
type Event struct {
	ID   uuid.UUID // a UUIDv7, chosen before the transaction so that a repeated transaction writes one row
	At   time.Time
	Kind Kind
	// SubscriberID is the pseudonym of the person; uuid.Nil when the event belongs to nobody that is known.
	SubscriberID uuid.UUID
	Actor        Actor
	Channel      string // "api", "form", "link", "one-click", "schedule" and so on
	Source       Source
	// ConsentTextID is the text that was shown; uuid.Nil if none was, or if it is not known.
	ConsentTextID uuid.UUID
	// RequestID finds the log line of what caused the event. It is stored without control characters and cut to 64 bytes.
	RequestID string
	Data      Data
}

const insertEventSQL = `
insert into ledger_events (id, at, kind, subscriber_id, actor, channel, source, consent_text_id, request_id, data)
values ($1::text::uuid, $2::timestamptz, $3::text, nullif($4::text, '')::uuid, $5::text, $6::text, $7::text::jsonb,
        nullif($8::text, '')::uuid, $9::text, $10::text::jsonb)
on conflict (id) do nothing`

// maxRequestID is longer than the ids of AWS: API Gateway's have 16 bytes, those of SNS are UUIDs of 36.
const maxRequestID = 64

// Append adds e to the caller's batch, which commits it together with the change it tells of. The source and the request's id
// are cleaned.
func Append(b *pgx.Batch, e Event) {
	b.Queue(insertEventSQL, e.ID.String(), e.At, string(e.Kind), text(e.SubscriberID), string(e.Actor), e.Channel,
		e.Source.Clean().JSON(), text(e.ConsentTextID), Printable(e.RequestID, maxRequestID), object(e.Data))
}

// maxUserAgent is enough to tell a browser and its version; longer ones are cut.
const maxUserAgent = 256

const insertContextSQL = `
insert into event_context (event_id, at, ip, user_agent)
values ($1::text::uuid, $2::timestamptz, nullif($3::text, '')::inet, nullif($4::text, ''))
on conflict (event_id) do nothing`

// Context is the deletable part of an event: from which network address and with which program.
type Context struct {
	EventID   uuid.UUID
	At        time.Time
	IP        netip.Addr // the zero Addr is stored as null
	UserAgent string     // cut to 256 bytes; what is not UTF-8 or holds a NUL is mended
}

// AppendContext adds c to the caller's batch.
func AppendContext(b *pgx.Batch, c Context) {
	ip := ""
	if c.IP.IsValid() {
		ip = c.IP.Unmap().WithZone("").String()
	}
	b.Queue(insertContextSQL, c.EventID.String(), c.At, ip, Printable(c.UserAgent, maxUserAgent))
}

// text is an id for a nullable column.
func text(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}

// object is the JSON of a struct of strings, numbers, lists of strings and booleans, which cannot fail.
func object(v any) string {
	encoded, err := json.Marshal(v)
	if err != nil {
		return "{}"
	}
	return string(encoded)
}
