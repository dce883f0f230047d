// Package outbox is the queue in the database of work to do outside it. A message is enqueued in the transaction that
// decided it, then claimed, delivered and completed by the deliver function.
//
// Invariants: one worker at a time holds a message; a claim is a lease, and a message whose worker was lost becomes due
// again when the lease ends; every message is delivered at least once, with its id as the idempotency key; a worker
// whose lease expired cannot overwrite what the next one recorded. Messages contain ids, never an address in plain
// text.
//
// Failure policy: a failed delivery is retried with growing, random pauses and dead-lettered after MaxAttempts; it does
// not delay other messages. Database errors are returned wrapped; the message becomes due again when its lease ends.
package outbox

import (
	"cmp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Kind is the kind of a message.
type Kind string

// The kinds of messages.
const (
	// None is a decoy: it makes a request that sends no email cost the same as one that sends an email.
	None Kind = "none"
	// Change is a change of a subscription. The worker expands it into one message for each destination that receives
	// it.
	Change Kind = "change"
	// AlertFiring, AlertRepeated and AlertResolved notify the owner of an alert and are expanded in the same way.
	// EventID is the alert's id.
	AlertFiring   Kind = "alert.firing"
	AlertRepeated Kind = "alert.repeated"
	AlertResolved Kind = "alert.resolved"
	// CheckLoops asks Loops whether a subscriber left there, after a report at CreatedAt.
	CheckLoops Kind = checkPrefix + Loops
)

// EmailPrefix begins the kinds of emails, which the package subscription names.
const EmailPrefix = "email."

// Expand derives kinds with notifyPrefix from Change, and kinds with alertPrefix from alerts. A kind with checkPrefix asks
// a destination.
const (
	notifyPrefix = "notify."
	alertPrefix  = "alert."
	checkPrefix  = "check."
)

// notify returns the kind of the message that notifies a destination, such as "slack", of a change.
func notify(destination string) Kind { return Kind(notifyPrefix + destination) }

// NotifyOf returns the kind that Expand derives from k for a destination, such as "notify.slack" or
// "alert.firing.slack".
func NotifyOf(k Kind, destination string) Kind {
	if k == Change {
		return notify(destination)
	}
	return k + Kind("."+destination)
}

// Recipient returns the destination encoded in a kind of NotifyOf, or "" for other kinds.
func (k Kind) Recipient() string {
	if k.AlertChange() != "" {
		_, destination, _ := strings.Cut(strings.TrimPrefix(string(k), alertPrefix), ".")
		return destination
	}
	destination, found := strings.CutPrefix(string(k), notifyPrefix)
	if !found {
		return ""
	}
	return destination
}

// AlertChange returns "firing", "repeated" or "resolved" for a notification of an alert, or "" for other kinds.
func (k Kind) AlertChange() string {
	rest, found := strings.CutPrefix(string(k), alertPrefix)
	if !found {
		return ""
	}
	stage, _, _ := strings.Cut(rest, ".")
	return stage
}

// IsFanOut reports whether Expand turns messages of this kind into one for each destination.
func (k Kind) IsFanOut() bool {
	return k == Change || k == AlertFiring || k == AlertRepeated || k == AlertResolved
}

// IsEmail reports whether k is an email.
func (k Kind) IsEmail() bool { return strings.HasPrefix(string(k), EmailPrefix) }

// Destination returns Email, or the name of the destination that is notified or asked. For a kind without one, such as a message
// that is still to be expanded, it returns the kind itself.
func (k Kind) Destination() string {
	if k.IsEmail() {
		return Email
	}
	if destination, found := strings.CutPrefix(string(k), checkPrefix); found {
		return destination
	}
	return cmp.Or(k.Recipient(), string(k))
}

// Message is a message to enqueue.
type Message struct {
	ID   uuid.UUID // a UUIDv7; the idempotency key of the delivery
	Kind Kind
	// SubscriberID is the subscriber concerned; uuid.Nil for none.
	SubscriberID uuid.UUID
	// EventID is the ledger event that caused it; uuid.Nil for none.
	EventID uuid.UUID
	// Epoch is the subscriber's epoch at the decision. An email of an older epoch must not be sent.
	Epoch int32
	// CreatedAt is the time of the decision. DueAt is the earliest time of a claim; if zero, CreatedAt.
	CreatedAt, DueAt time.Time
	// DomainHMAC is the pseudonym of the recipient's registrable domain; nil for none that is limited.
	DomainHMAC []byte
	// Sealed is a payload sealed by a Vault, for data that the database no longer keeps; nil for none.
	Sealed []byte
	// HoldReason makes the message held with this reason; empty for a message that is not held.
	HoldReason string
}

const insertMessageSQL = `
insert into outbox (id, kind, subscriber_id, event_id, epoch, due_at, created_at, sealed, state, hold_reason, domain_hmac)
values ($1::text::uuid, $2::text, nullif($3::text, '')::uuid, nullif($4::text, '')::uuid, $5::integer, $6::timestamptz,
        $7::timestamptz, $8::bytea, case when $9::text = '' then 'ready' else 'held' end, nullif($9::text, ''), $10::bytea)
on conflict (id) do nothing`

// Enqueue adds m to the caller's batch, which commits it together with the decision behind it.
func Enqueue(b *pgx.Batch, m Message) {
	due := m.DueAt
	if due.IsZero() {
		due = m.CreatedAt
	}
	b.Queue(insertMessageSQL, m.ID.String(), string(m.Kind), idText(m.SubscriberID), idText(m.EventID), m.Epoch, due, m.CreatedAt,
		m.Sealed, m.HoldReason, m.DomainHMAC)
}

// idText returns id as text, or "" for uuid.Nil.
func idText(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}
