package subscription

import (
	"time"

	"newsletter/shared/ledger"
)

// ListState is the state of a person according to an imported list.
type ListState string

// The states of a list, from the mildest to the gravest.
const (
	ListIn         ListState = "in"         // receives the newsletter
	ListWaiting    ListState = "waiting"    // never confirmed
	ListOther      ListState = "other"      // is on the list for another reason, such as a purchase
	ListLeft       ListState = "left"       // unsubscribed
	ListBounced    ListState = "bounced"    // email to the address bounced for good
	ListSuppressed ListState = "suppressed" // blocked, for a reason that the list does not state
	ListComplained ListState = "complained" // reported email as spam
)

// ListStates returns all states, the mildest first.
func ListStates() []ListState {
	return []ListState{ListIn, ListWaiting, ListOther, ListLeft, ListBounced, ListSuppressed, ListComplained}
}

// reason returns the suppression of a state; empty for none.
func (l ListState) reason() SuppressionReason {
	switch l {
	case ListBounced:
		return Bounce
	case ListComplained:
		return Complaint
	case ListSuppressed:
		return ByOwner
	case ListIn, ListWaiting, ListOther, ListLeft:
	}
	return ""
}

// The outcomes that the ledger records for an import, besides UnsubscribedNow and SuppressedNow.
const (
	ImportedActive  Outcome = "imported"         // active, on the list's word
	ImportedLeft    Outcome = "imported_left"    // had left elsewhere, and had no subscription here
	ReconfirmQueued Outcome = "reconfirm_queued" // pending; the email that asks once more is queued
)

// importFacts is the input of a decision about an entry of a list.
type importFacts struct {
	facts
	// Rowless is true if there is no row.
	Rowless bool
	// Erased is true if the person had their data erased here.
	Erased bool
	// OtherSpelling is the state of another spelling of the address: Unsubscribed, if one has, else Pending or Active;
	// empty if there is none, or if the entry does not wait.
	OtherSpelling State
	// ConsentAt is when the person subscribed here, or asked to; zero if unknown.
	ConsentAt time.Time

	Listed    ListState
	EndedAt   time.Time // of the subscription, according to the list; zero if unknown
	Confirmed bool      // treat who waits as confirmed
	Reconfirm bool      // ask who waits once more
}

// Why an entry changes nothing, in one word.
const (
	becauseSuppressed   = "suppressed"
	becauseUnsubscribed = "unsubscribed"
	becauseErased       = "erased"
	becauseUnconfirmed  = "not_confirmed"  // waits for a confirmation here
	becauseWaiting      = "waiting"        // waits according to the list
	becauseOther        = "not_subscribed" // according to the list
	becauseSpelling     = "other_spelling" // of an address that is asked, or subscribed
	becauseNewer        = "newer_consent"  // subscribed here after the end that the list states
)

// importEntry decides the effect of an entry. It is pure and total. A decision without a kind of event changes nothing:
// with a reason, the entry is refused; without, it is in effect already. Nothing that a list states brings back who left
// here, is suppressed or was erased.
func importEntry(f importFacts) (d decision, reason string) {
	d = unchanged(f.facts, Unchanged)
	switch f.Listed {
	case ListIn:
		return importIn(f)
	case ListWaiting:
		if f.Confirmed {
			return importIn(f)
		}
		return importWaiting(f)
	case ListLeft:
		return importLeft(f)
	case ListBounced, ListComplained, ListSuppressed:
		return importSuppressed(f)
	case ListOther:
	}
	return d, becauseOther
}

// keptOut returns why a person must not be subscribed or asked; empty if they may be.
func (f importFacts) keptOut() string {
	switch {
	case f.State == Suppressed || f.Muted:
		return becauseSuppressed
	case f.State == Unsubscribed || f.Returning:
		return becauseUnsubscribed
	case f.State == Erased || f.Erased && f.State != Active: // also if someone has signed the address up since
		return becauseErased
	}
	return ""
}

func importIn(f importFacts) (decision, string) {
	d := unchanged(f.facts, Unchanged)
	reason := f.keptOut()
	switch {
	case reason != "" || f.State == Active:
	case f.State == Pending && !f.Confirmed:
		reason = becauseUnconfirmed
	default:
		d.To, d.Outcome, d.Ledger = Active, ImportedActive, ledger.Imported
	}
	return d, reason
}

func importWaiting(f importFacts) (decision, string) {
	d := unchanged(f.facts, Unchanged)
	reason := f.keptOut()
	switch {
	case reason != "" || f.State == Active || f.State == Pending:
	case f.OtherSpelling == Unsubscribed:
		reason = becauseUnsubscribed
	case !f.Reconfirm:
		reason = becauseWaiting
	case f.OtherSpelling != "":
		reason = becauseSpelling
	default:
		d.To, d.Outcome, d.Ledger, d.Email = Pending, ReconfirmQueued, ledger.Requested, ReconfirmEmail
	}
	return d, reason
}

// importLeft ends a subscription, unless it is certainly newer than the end. Who signed up here and has not confirmed yet
// may still do so, and is unsubscribed otherwise.
func importLeft(f importFacts) (decision, string) {
	d := unchanged(f.facts, Unchanged)
	switch {
	case f.State == Erased || f.State == None && f.Erased:
		return d, becauseErased
	case f.State == Active && f.isNewer():
		return d, becauseNewer
	case f.State == Active:
		d.To, d.Outcome, d.NewEpoch, d.Ledger = Unsubscribed, UnsubscribedNow, true, ledger.Unsubscribed
	case f.State == Pending && !f.Returning:
		d.Returning, d.Outcome, d.Ledger = true, ImportedLeft, ledger.Imported
	case f.State == None || f.State == Suppressed && f.Rowless: // the row outlasts the suppression
		d.To, d.Outcome, d.Ledger = Unsubscribed, ImportedLeft, ledger.Imported
	}
	return d, ""
}

func importSuppressed(f importFacts) (decision, string) {
	d := unchanged(f.facts, Unchanged)
	switch {
	case f.State == Suppressed:
		return d, ""
	case f.State == Erased || f.State == None && f.Erased:
		return d, becauseErased
	case (f.State == Active || f.State == Pending) && f.isNewer():
		return d, becauseNewer
	}
	return suppress(f.facts), ""
}

// isNewer reports whether the person certainly subscribed, or asked to, after the end that the list states.
func (f importFacts) isNewer() bool {
	return !f.EndedAt.IsZero() && f.ConsentAt.After(f.EndedAt)
}
