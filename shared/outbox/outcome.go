package outbox

// Outcome is the result of an attempt in one word, for the message's row, the log and metrics. The outcomes of an
// operator's decision are in the statements of this package.
type Outcome string

// The outcomes of attempts.
const (
	Sent     Outcome = "sent"     // an email
	Notified Outcome = "notified" // the owner, of a change or an alert
	Counted  Outcome = "counted"  // by Google Analytics
	Written  Outcome = "written"  // into the suppression journal
	Expanded Outcome = "expanded" // into one message for each destination

	// The contact at Loops.
	Subscribed   Outcome = "subscribed"
	Unsubscribed Outcome = "unsubscribed"
	Deleted      Outcome = "deleted"
	Absent       Outcome = "absent" // there was no such contact
	// Loops does not let the subscriber be subscribed: an email bounced or caused a complaint; they unsubscribed at
	// Loops; they declined Loops' own double opt-in. The contact is unchanged.
	RefusedSuppressed   Outcome = "refused_suppressed"
	RefusedUnsubscribed Outcome = "refused_unsubscribed"
	RefusedDeclined     Outcome = "refused_declined"

	OverBudget  Outcome = "over_budget"  // deferred by the mailbox budget
	RateLimited Outcome = "rate_limited" // deferred by an email rate
	Stopped     Outcome = "stopped"      // deferred by the sending circuit breaker
	Paused      Outcome = "paused"       // deferred because the destination is paused
	Deferred    Outcome = "deferred"     // the whole destination fails
	HeldBack    Outcome = "held"         // for the owner
	Retried     Outcome = "retry"        // failed, and is due again later
	Errored     Outcome = "error"        // the database failed: claimed again after the lease
	Panicked    Outcome = "panic"

	Decoy      Outcome = "none"       // nothing to deliver
	Stale      Outcome = "stale"      // the state changed after the message was decided
	Outdated   Outcome = "outdated"   // an email that waited longer than its lifetime
	JustSent   Outcome = "just_sent"  // an email that says the same left a short time before the request
	Superseded Outcome = "superseded" // another email of this purpose left for the mailbox
	Skipped    Outcome = "skipped"    // the destination no longer receives such messages
	LeaseLost  Outcome = "lease_lost" // another worker has the message

	DeadLettered Outcome = "dead"
)

// Result is the effect of an outcome on the message.
type Result string

// The results.
const (
	Delivered Result = "delivered"
	Later     Result = "later"   // due again
	Dropped   Result = "dropped" // not to be delivered, or not by this worker
	Dead      Result = "dead"
)

// Result returns what o means for the message; empty for a word that is no Outcome. It has no default case, so that the
// linter finds a forgotten outcome.
func (o Outcome) Result() Result {
	switch o {
	case Sent, Notified, Counted, Written, Expanded,
		Subscribed, Unsubscribed, Deleted, Absent, RefusedSuppressed, RefusedUnsubscribed, RefusedDeclined:
		return Delivered
	case OverBudget, RateLimited, Stopped, Paused, Deferred, HeldBack, Retried, Errored, Panicked:
		return Later
	case Decoy, Stale, Outdated, JustSent, Superseded, Skipped, LeaseLost:
		return Dropped
	case DeadLettered:
		return Dead
	}
	return ""
}
