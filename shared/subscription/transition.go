package subscription

import (
	"time"

	"newsletter/shared/ledger"
)

// State is where a person's subscription stands.
type State string

// The states. None and Erased have no row; Erased differs from None in the objection to mail that may be left of it.
const (
	None         State = "none"
	Pending      State = "pending"
	Active       State = "active"
	Unsubscribed State = "unsubscribed"
	Suppressed   State = "suppressed"
	Erased       State = "erased"
)

// States lists all states.
func States() []State {
	return []State{None, Pending, Active, Unsubscribed, Suppressed, Erased}
}

// Event is what may happen to a subscription.
type Event string

// The events.
const (
	OnRequest           Event = "request"            // a sign-up form was sent
	OnConfirm           Event = "confirm"            // the button behind a valid confirm link was pressed
	OnUnsubscribe       Event = "unsubscribe"        // a valid unsubscribe link was used
	OnDecline           Event = "decline"            // "this was not me" was pressed behind a valid confirm link
	OnSuppress          Event = "suppress"           // complaint, hard bounce, objection or the operator's decision
	OnErase             Event = "erase"              // the person, or the operator for them, erases their data
	OnExpire            Event = "expire"             // pending for PendingLifetime
	OnRemoveSuppression Event = "remove-suppression" // the operator ends a suppression
)

// Events lists all events.
func Events() []Event {
	return []Event{OnRequest, OnConfirm, OnUnsubscribe, OnDecline, OnSuppress, OnErase, OnExpire, OnRemoveSuppression}
}

// Outcome is what came of an event, in one word for logs, the ledger and the answer's text. It is never shown to a
// visitor who proved nothing.
type Outcome string

// The outcomes.
const (
	ConfirmationQueued       Outcome = "confirmation_queued"         // a confirmation email will go out
	ConfirmationOverBudget   Outcome = "confirmation_over_budget"    // pending, but enough emails went there lately
	AlreadySubscribed        Outcome = "already_subscribed"          // active; an email says so
	AlreadySubscribedNoEmail Outcome = "already_subscribed_no_email" // active; that email went out in the last day
	Activated                Outcome = "activated"                   // at once, by SIGNUP_DOUBLE_OPT_IN=false; no confirmed event follows
	RequestSuppressed        Outcome = "request_suppressed"          // suppressed, objected or "not me": nothing is sent
	Dropped                  Outcome = "dropped"                     // taken for a robot: nothing is sent
	ConfirmedNow             Outcome = "confirmed"
	AlreadyConfirmed         Outcome = "already_confirmed"
	UnsubscribedNow          Outcome = "unsubscribed"
	AlreadyEnded             Outcome = "already_ended" // nothing was subscribed
	DeclinedNow              Outcome = "declined"      // the request was taken back
	MutedNow                 Outcome = "muted"         // nothing to take back, but no email for MutePeriod
	SuppressedNow            Outcome = "suppressed"
	AlreadySuppressed        Outcome = "already_suppressed"
	ErasedNow                Outcome = "erased"
	ExpiredNow               Outcome = "expired"
	SuppressionRemoved       Outcome = "suppression_removed"
	Unchanged                Outcome = "unchanged"
)

const (
	// PendingLifetime is how long a request waits for its confirmation.
	PendingLifetime = 7 * 24 * time.Hour
	// MutePeriod is how long "this was not me" keeps all email away.
	MutePeriod = 30 * 24 * time.Hour
)

// Facts is what a decision depends on besides the event.
type Facts struct {
	State State
	// Returning marks a pending row that was unsubscribed before.
	Returning bool
	// Hushed means that a "not me" period is running.
	Muted bool
	// Remembered means that something is kept of the person although there is no row: pseudonyms of a request that was
	// never confirmed.
	Remembered bool
	// Objected means that an erased person does not want to be written to again.
	Objected bool
	// SingleOptIn is true only by the owner's settings.
	SingleOptIn bool
	// SentEmails is what was sent lately.
	SentEmails SentEmails
}

// Decision is what an event does.
type Decision struct {
	// To is the state after it, equal to the one before when nothing changes.
	To State
	// Outcome is what came of it.
	Outcome Outcome
	// Refused means that the link is to be answered like one that does not exist.
	Refused bool
	// Returning is set when a pending row goes back to unsubscribed if it is not confirmed.
	Returning bool
	// Mail is what to send; NoEmail for nothing.
	Email Purpose
	// NewEpoch ends all older links.
	NewEpoch bool
	// Hush starts or renews the "not me" period.
	Mute bool
	// Ledger is the kind of the event to write; empty for none. Every request writes one, and every change of state.
	Ledger ledger.Kind
}

// Transition decides what an event does. It is pure and total: every state and event has an answer.
func Transition(f Facts, e Event) Decision {
	switch e {
	case OnRequest:
		return request(f)
	case OnConfirm:
		return confirm(f)
	case OnUnsubscribe, OnDecline:
		return leave(f, e == OnDecline)
	case OnSuppress:
		return suppress(f)
	case OnErase:
		return erase(f)
	case OnRemoveSuppression:
		return lift(f)
	case OnExpire:
		if f.State == Pending {
			return Decision{To: origin(f), Outcome: ExpiredNow, Ledger: ledger.Expired}
		}
	}
	return unchanged(f, Unchanged)
}

func unchanged(f Facts, o Outcome) Decision {
	return Decision{To: f.State, Outcome: o, Returning: f.Returning}
}

// origin returns where a pending row goes back to: only what was never confirmed vanishes.
func origin(f Facts) State {
	if f.Returning {
		return Unsubscribed
	}
	return None
}

func request(f Facts) Decision {
	d := unchanged(f, RequestSuppressed)
	d.Ledger = ledger.Requested
	silent := f.Muted || f.State == Suppressed || (f.State == Erased && f.Objected)
	switch {
	case silent:
	case f.State == Active:
		d.Outcome = AlreadySubscribedNoEmail
		if f.SentEmails.Allows(AlreadySubscribedEmail) {
			d.Outcome, d.Email = AlreadySubscribed, AlreadySubscribedEmail
		}
	case f.SingleOptIn && (f.State == None || f.State == Erased):
		d.To, d.Outcome = Active, Activated
	default: // none, pending, unsubscribed, erased without an objection
		d.To, d.Outcome = Pending, ConfirmationOverBudget
		d.Returning = f.Returning || f.State == Unsubscribed
		if f.SentEmails.Allows(ConfirmEmail) {
			d.Outcome, d.Email = ConfirmationQueued, ConfirmEmail
		}
	}
	return d
}

func confirm(f Facts) Decision {
	switch f.State {
	case Pending:
		return Decision{To: Active, Outcome: ConfirmedNow, Ledger: ledger.Confirmed}
	case Active:
		return unchanged(f, AlreadyConfirmed)
	case None, Unsubscribed, Suppressed, Erased:
	}
	d := unchanged(f, Unchanged)
	d.Refused = true
	return d
}

// leave ends what there is to end. "Not me" also keeps mail away for a while, even if the request is gone already.
func leave(f Facts, notMe bool) Decision {
	switch f.State {
	case Pending:
		return Decision{To: origin(f), Outcome: DeclinedNow, NewEpoch: true, Mute: notMe, Ledger: ledger.Declined}
	case Active:
		return Decision{To: Unsubscribed, Outcome: UnsubscribedNow, NewEpoch: true, Mute: notMe, Ledger: ledger.Unsubscribed}
	case None, Unsubscribed:
		if notMe && !f.Muted {
			return Decision{To: f.State, Outcome: MutedNow, Mute: true, Ledger: ledger.Declined}
		}
	case Suppressed, Erased:
	}
	return unchanged(f, AlreadyEnded)
}

func suppress(f Facts) Decision {
	if f.State == Suppressed || f.State == Erased && f.Objected { // the objection lasts as long, and is what is kept
		return unchanged(f, AlreadySuppressed)
	}
	return Decision{To: Suppressed, Outcome: SuppressedNow, NewEpoch: true, Ledger: ledger.Suppressed}
}

// lift returns the way back from all that keeps mail away. Nobody becomes a subscriber by it: that takes a fresh consent.
func lift(f Facts) Decision {
	switch {
	case f.State == Suppressed:
		return Decision{To: Unsubscribed, Outcome: SuppressionRemoved, NewEpoch: true, Ledger: ledger.SuppressionRemoved}
	case f.State == Erased && f.Objected, f.Muted:
		return Decision{To: f.State, Outcome: SuppressionRemoved, Returning: f.Returning, Ledger: ledger.SuppressionRemoved}
	}
	return unchanged(f, Unchanged)
}

func erase(f Facts) Decision {
	if (f.State == None || f.State == Erased) && !f.Remembered {
		return unchanged(f, Unchanged)
	}
	return Decision{To: Erased, Outcome: ErasedNow, NewEpoch: true, Ledger: ledger.Erased}
}

// dropped returns a request that was taken for a robot's: recorded, and nothing else.
func dropped(f Facts) Decision {
	d := unchanged(f, Dropped)
	d.Ledger = ledger.Requested
	return d
}
