// Package outbox is the queue of everything that still has to be done outside the database: rows that are written in
// the transaction that decided them, then claimed, done and marked by the deliver function.
//
// Invariants: a row is claimed by one worker at a time; a claim is a lease, and a row whose worker was lost comes back by
// itself when the lease ends; every row is delivered at least once, with its id as the idempotency key; a worker whose
// lease ran out cannot overwrite what the next one recorded. Rows hold ids, never an address in clear.
//
// Failure policy: a failed delivery is retried with growing, random pauses and ends as "dead" after MaxAttempts; other
// rows are not held up by it. Errors of the database are returned as they are; the lease covers them.
package outbox

import (
	"cmp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Kind says what a row asks for.
type Kind string

// The kinds of rows.
const (
	// None asks for nothing: the decoy that makes a request without a mail look like one with a mail.
	None Kind = "none"
	// EmailConfirm asks the addressee to confirm a sign-up.
	EmailConfirm Kind = "email.confirm"
	// EmailReminder asks once more.
	EmailReminder Kind = "email.reminder"
	// EmailAlreadySubscribed tells an active subscriber that somebody signed the address up again.
	EmailAlreadySubscribed Kind = "email.already_subscribed"
	// EmailUnsubscribeLink carries a link that ends the subscription.
	EmailUnsubscribeLink Kind = "email.unsubscribe_link"
	// EmailPrivacyExport carries a link to the person's data.
	EmailPrivacyExport Kind = "email.privacy_export"
	// EmailPrivacyErase carries a link to the page that erases the person's data.
	EmailPrivacyErase Kind = "email.privacy_erase"
	// Change asks that a change of a subscription be told to whoever is set up to hear of it: the worker turns it into
	// one row for each of them.
	Change Kind = "change"
	// AlertFiring, AlertRepeated and AlertResolved ask that the owner be told of an alert, in the same way; the event is the
	// alert.
	AlertFiring   Kind = "alert.firing"
	AlertRepeated Kind = "alert.repeated"
	AlertResolved Kind = "alert.resolved"
)

// tell begins the kinds of the rows that an announcement of a change is turned into, alert those of an alert.
const (
	notifyPrefix = "notify."
	alertPrefix  = "alert."
)

// Notify is the kind of the row that tells a listener, such as "slack".
func Notify(listener string) Kind { return Kind(notifyPrefix + listener) }

// NotifyOf is the kind of the row that tells a listener of what a kind announces: "notify.slack", or "alert.firing.slack".
func NotifyOf(announcement Kind, listener string) Kind {
	if announcement == Change {
		return Notify(listener)
	}
	return announcement + Kind("."+listener)
}

// Destination is whom a row of a kind made by NotifyOf tells; "" for other kinds.
func (k Kind) Recipient() string {
	if k.AlertChange() != "" {
		_, listener, _ := strings.Cut(strings.TrimPrefix(string(k), alertPrefix), ".")
		return listener
	}
	listener, found := strings.CutPrefix(string(k), notifyPrefix)
	if !found {
		return ""
	}
	return listener
}

// Alert is what a row tells of an alert: "firing", "repeated" or "resolved"; "" for rows of other kinds.
func (k Kind) AlertChange() string {
	rest, found := strings.CutPrefix(string(k), alertPrefix)
	if !found {
		return ""
	}
	stage, _, _ := strings.Cut(rest, ".")
	return stage
}

// IsAnnouncement says whether a row is to be turned into one for each listener.
func (k Kind) IsFanOut() bool {
	return k == Change || k == AlertFiring || k == AlertRepeated || k == AlertResolved
}

// IsMail says whether a row asks for a mail.
func (k Kind) IsEmail() bool { return strings.HasPrefix(string(k), "email.") }

// Way is the way that a row takes out of here: "email", or the name of a listener. What is still to be turned into others
// takes none, and is named for its kind.
func (k Kind) Destination() string {
	if k.IsEmail() {
		return Email
	}
	return cmp.Or(k.Recipient(), string(k))
}

// Message is a row to be queued.
type Message struct {
	ID   uuid.UUID // a UUIDv7; the idempotency key of the delivery
	Kind Kind
	// SubscriberID is whom it concerns; uuid.Nil for nobody.
	SubscriberID uuid.UUID
	// EventID is the ledger event that caused it; uuid.Nil for none.
	EventID uuid.UUID
	// Epoch is the subscriber's epoch when it was decided: a mail of an older epoch must not leave.
	Epoch int32
	// CreatedAt is when it was decided; DueAt when it may be claimed, CreatedAt if zero.
	CreatedAt, DueAt time.Time
	// Sealed is what the row would otherwise lose, sealed by a Vault; nil for nothing.
	Sealed []byte
	// HoldReason is why the row waits until it is released; empty if it does not.
	HoldReason string
}

const insertMessageSQL = `
insert into outbox (id, kind, subscriber_id, event_id, epoch, due_at, created_at, sealed, state, hold_reason)
values ($1::text::uuid, $2::text, nullif($3::text, '')::uuid, nullif($4::text, '')::uuid, $5::integer, $6::timestamptz,
        $7::timestamptz, $8::bytea, case when $9::text = '' then 'ready' else 'held' end, nullif($9::text, ''))
on conflict (id) do nothing`

// Enqueue adds m to the caller's batch, which commits it together with the decision behind it.
func Enqueue(b *pgx.Batch, m Message) {
	due := m.DueAt
	if due.IsZero() {
		due = m.CreatedAt
	}
	b.Queue(insertMessageSQL, m.ID.String(), string(m.Kind), idText(m.SubscriberID), idText(m.EventID), m.Epoch, due, m.CreatedAt,
		m.Sealed, m.HoldReason)
}

// text is an id for a nullable column.
func idText(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}
