package subscription

import (
	"time"

	"newsletter/shared/ledger"
	"newsletter/shared/token"
)

// State is the state of a subscription.
type State string

// The states. None and Erased have no row. Erased may have left an objection.
const (
	None         State = "none"
	Pending      State = "pending"
	Active       State = "active"
	Unsubscribed State = "unsubscribed"
	Suppressed   State = "suppressed"
	Erased       State = "erased"
)

// states returns all states.
func states() []State {
	return []State{None, Pending, Active, Unsubscribed, Suppressed, Erased}
}

// stateEvent is an event that may change a subscription.
type stateEvent string

// The events.
const (
	onRequest           stateEvent = "request"            // a sign-up form was submitted
	onConfirm           stateEvent = "confirm"            // the button of a valid confirm link was pressed
	onUnsubscribe       stateEvent = "unsubscribe"        // a valid unsubscribe link was used
	onDecline           stateEvent = "decline"            // "this wasn't me" was pressed on a valid confirm link
	onSuppress          stateEvent = "suppress"           // complaint, hard bounce, objection or the operator's decision
	onErase             stateEvent = "erase"              // by the subscriber, the operator or the retention period
	onExpire            stateEvent = "expire"             // pending for pendingLifetime
	onRemoveSuppression stateEvent = "remove-suppression" // the operator removes a suppression
)

// stateEvents returns all events.
func stateEvents() []stateEvent {
	return []stateEvent{onRequest, onConfirm, onUnsubscribe, onDecline, onSuppress, onErase, onExpire, onRemoveSuppression}
}

// Outcome is the result of an event, for logs, the ledger and the choice of the answer. It is never revealed to a
// visitor without a valid link.
type Outcome string

// The outcomes.
const (
	ConfirmationQueued Outcome = "confirmation_queued" // pending; the confirmation email is queued
	AlreadySubscribed  Outcome = "already_subscribed"  // active; the notice is queued
	Activated          Outcome = "activated"           // by SingleOptIn; no confirmed event follows
	RequestSuppressed  Outcome = "request_suppressed"  // suppressed, objected or muted: nothing is sent
	ConfirmedNow       Outcome = "confirmed"
	AlreadyConfirmed   Outcome = "already_confirmed"
	UnsubscribedNow    Outcome = "unsubscribed"
	AlreadyEnded       Outcome = "already_ended" // there was no subscription
	DeclinedNow        Outcome = "declined"      // the request was canceled
	MutedNow           Outcome = "muted"         // nothing to cancel; no email for mutePeriod
	SuppressedNow      Outcome = "suppressed"
	AlreadySuppressed  Outcome = "already_suppressed"
	ErasedNow          Outcome = "erased"
	ExpiredNow         Outcome = "expired"
	SuppressionRemoved Outcome = "suppression_removed"
	Unchanged          Outcome = "unchanged"
)

const (
	// pendingLifetime is how long a request waits for its confirmation, counted from the newest sign-up.
	pendingLifetime = token.RenewalPeriod
	// mutePeriod is how long a decline suppresses all email.
	mutePeriod = 30 * 24 * time.Hour
)

// facts is the input of a decision besides the event.
type facts struct {
	State State
	// Returning is true for a pending row that was unsubscribed before.
	Returning bool
	// Muted is true while a mute period runs.
	Muted bool
	// Remembered is true if pseudonyms are kept without a row, as after an unconfirmed request.
	Remembered bool
	// Objected is true if an erased subscriber objected to all email.
	Objected bool
	// SingleOptIn activates a new address at once. Only the owner's settings allow it.
	SingleOptIn bool
}

// decision is the effect of an event.
type decision struct {
	// To is the state after the event; the same as before if nothing changes.
	To State
	// Outcome is the result to record.
	Outcome Outcome
	// Refused is true if the link must be answered like one that does not exist.
	Refused bool
	// Returning is true for a pending row that becomes unsubscribed again if it is not confirmed.
	Returning bool
	// Email is the email to send; NoEmail for none.
	Email Email
	// NewEpoch invalidates all older links.
	NewEpoch bool
	// Mute starts or extends the mute period.
	Mute bool
	// Ledger is the kind of the event to append; empty for none. Every request and every change of state appends one.
	Ledger ledger.Kind
}

// transition decides the effect of an event. It is pure and total: it has a decision for every state and event.
func transition(f facts, e stateEvent) decision {
	switch e {
	case onRequest:
		return request(f)
	case onConfirm:
		return confirm(f)
	case onUnsubscribe, onDecline:
		return leave(f, e == onDecline)
	case onSuppress:
		return suppress(f)
	case onErase:
		return erase(f)
	case onRemoveSuppression:
		return removeSuppression(f)
	case onExpire:
		if f.State == Pending {
			return decision{To: origin(f), Outcome: ExpiredNow, Ledger: ledger.Expired}
		}
	}
	return unchanged(f, Unchanged)
}

func unchanged(f facts, o Outcome) decision {
	return decision{To: f.State, Outcome: o, Returning: f.Returning}
}

// origin returns the state that a pending row falls back to.
func origin(f facts) State {
	if f.Returning {
		return Unsubscribed
	}
	return None
}

func request(f facts) decision {
	d := unchanged(f, RequestSuppressed)
	d.Ledger = ledger.Requested
	suppressed := f.Muted || f.State == Suppressed || (f.State == Erased && f.Objected)
	switch {
	case suppressed:
	case f.State == Active:
		d.Outcome, d.Email = AlreadySubscribed, AlreadySubscribedEmail
	case f.SingleOptIn && (f.State == None || f.State == Erased):
		d.To, d.Outcome = Active, Activated
	default: // none, pending, unsubscribed, erased without an objection
		d.To, d.Outcome, d.Email = Pending, ConfirmationQueued, ConfirmEmail
		d.Returning = f.Returning || f.State == Unsubscribed
	}
	return d
}

func confirm(f facts) decision {
	switch f.State {
	case Pending:
		return decision{To: Active, Outcome: ConfirmedNow, Ledger: ledger.Confirmed}
	case Active:
		return unchanged(f, AlreadyConfirmed)
	case None, Unsubscribed, Suppressed, Erased:
	}
	d := unchanged(f, Unchanged)
	d.Refused = true
	return d
}

// leave ends a request or a subscription. A decline also mutes the mailbox, even if the request has already ended.
func leave(f facts, decline bool) decision {
	switch f.State {
	case Pending:
		return decision{To: origin(f), Outcome: DeclinedNow, NewEpoch: true, Mute: decline, Ledger: ledger.Declined}
	case Active:
		return decision{To: Unsubscribed, Outcome: UnsubscribedNow, NewEpoch: true, Mute: decline, Ledger: ledger.Unsubscribed}
	case None, Unsubscribed:
		if decline && !f.Muted {
			return decision{To: f.State, Outcome: MutedNow, Mute: true, Ledger: ledger.Declined}
		}
	case Suppressed, Erased:
	}
	return unchanged(f, AlreadyEnded)
}

func suppress(f facts) decision {
	if f.State == Suppressed || f.State == Erased && f.Objected { // an objection is permanent and takes precedence
		return unchanged(f, AlreadySuppressed)
	}
	return decision{To: Suppressed, Outcome: SuppressedNow, NewEpoch: true, Ledger: ledger.Suppressed}
}

// removeSuppression ends every kind of suppression. It never makes a subscription active, which takes a new consent.
func removeSuppression(f facts) decision {
	switch {
	case f.State == Suppressed:
		return decision{To: Unsubscribed, Outcome: SuppressionRemoved, NewEpoch: true, Ledger: ledger.SuppressionRemoved}
	case f.State == Erased && f.Objected, f.Muted:
		return decision{To: f.State, Outcome: SuppressionRemoved, Returning: f.Returning, Ledger: ledger.SuppressionRemoved}
	}
	return unchanged(f, Unchanged)
}

func erase(f facts) decision {
	if (f.State == None || f.State == Erased) && !f.Remembered {
		return unchanged(f, Unchanged)
	}
	return decision{To: Erased, Outcome: ErasedNow, NewEpoch: true, Ledger: ledger.Erased}
}
