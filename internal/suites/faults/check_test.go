package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/token"
)

func brokenPromises(h *history) map[string][]string {
	broken := map[string][]string{}
	for _, p := range invariants() {
		if found := p.check(h); len(found) > 0 {
			broken[p.name] = found
		}
	}
	return broken
}

func TestAGoodHistoryKeepsEveryInvariant(t *testing.T) {
	if broken := brokenPromises(&goodHistory().h); len(broken) > 0 {
		t.Error(broken)
	}
}

// TestEveryViolationIsFound shows each check histories that violate its invariant.
func TestEveryViolationIsFound(t *testing.T) {
	tested := map[string]bool{}
	for name, test := range map[string]struct {
		invariant string
		spoil     func(t *testing.T, a *author)
	}{
		"a sign-up without its event": {"I1", func(t *testing.T, a *author) {
			a.h.Events = slices.DeleteFunc(a.h.Events, func(e event) bool { return e.SubscriberID == waits })
		}},
		"a sign-up without its outbox row": {"I1", func(t *testing.T, a *author) {
			a.h.Deliveries = slices.DeleteFunc(a.h.Deliveries, func(d delivery) bool { return d.Kind == "none" })
		}},
		"an answer before the commit": {"I1", func(t *testing.T, a *author) {
			e := a.eventOf(t, kindRequested)
			e.Committed = e.Committed.Add(time.Second)
		}},
		"a one-click that did nothing": {"I1", func(t *testing.T, a *author) {
			a.h.Events = slices.DeleteFunc(a.h.Events, func(e event) bool { return e.Kind == kindUnsubscribed })
		}},
		"a confirmation that did nothing": {"I1", func(t *testing.T, a *author) {
			a.h.Events = slices.DeleteFunc(a.h.Events, func(e event) bool { return e.Kind == kindConfirmed && e.SubscriberID == stays })
		}},
		"an erasure that did nothing": {"I1", func(t *testing.T, a *author) {
			a.h.Events = slices.DeleteFunc(a.h.Events, func(e event) bool { return e.Kind == kindErased })
		}},
		"a suppression that did nothing": {"I1", func(t *testing.T, a *author) {
			a.call(call{Op: opSuppress, Typed: "stays@example.org", Status: 200})
		}},
		"an email without its event": {"feedback", func(t *testing.T, a *author) { delete(a.h.Feedback, a.mailTo(t, "stays").Delivery) }},
		"an event counted twice":     {"feedback", func(t *testing.T, a *author) { a.h.Feedback[a.mailTo(t, "stays").Delivery] = 2 }},
		"two rows of one address": {"I2", func(t *testing.T, a *author) {
			a.h.Rows = append(a.h.Rows, row{ID: uuid.New(), Email: "STAYS@example.org", Norm: "stays@example.org", Status: "pending", Epoch: 1})
		}},
		"a row known by another address": {"I2", func(t *testing.T, a *author) { a.h.Rows[0].Norm = "x@example.org" }},
		"a row that still waits":         {"I3", func(t *testing.T, a *author) { a.h.Deliveries[0].State = "ready" }},
		"a row that is held":             {"I3", func(t *testing.T, a *author) { a.h.Deliveries[0].State = "held" }},
		"an email marked as sent that was not received": {"I3", func(t *testing.T, a *author) {
			a.h.Emails = slices.DeleteFunc(a.h.Emails, func(m email) bool { return strings.HasPrefix(m.To, "waits") })
		}},
		"an email dropped for no reason": {"I3", func(t *testing.T, a *author) {
			find(t, a.h.Deliveries, func(d delivery) bool { return d.SubscriberID == waits }).Outcome = "stale"
		}},
		"an email dropped for an erasure that was not": {"I3", func(t *testing.T, a *author) {
			find(t, a.h.Deliveries, func(d delivery) bool { return d.SubscriberID == leaves }).Outcome = "erased"
		}},
		"an email dropped for a later one that never was": {"I3", func(t *testing.T, a *author) {
			find(t, a.h.Deliveries, func(d delivery) bool { return d.SubscriberID == waits }).Outcome = "superseded"
		}},
		"a dead-lettered notification": {"I3", func(t *testing.T, a *author) {
			a.h.Deliveries[1].State, a.h.Deliveries[1].Outcome = "dead", "status_500"
		}},
		"an email refused that the service took": {"I3", func(t *testing.T, a *author) {
			a.h.Deliveries[0].State, a.h.Deliveries[0].Outcome = "dead", "rejected"
		}},
		"an email from nowhere": {"I3-twice", func(t *testing.T, a *author) {
			a.h.Emails = append(a.h.Emails, email{uuid.NewString(), "stays@example.org", a.later()})
		}},
		"an email to another person": {"I3-twice", func(t *testing.T, a *author) { a.mailTo(t, "stays").To = "leaves@example.org" }},
		"an email twice for no reason": {"I3-twice", func(t *testing.T, a *author) {
			again := *a.mailTo(t, "waits")
			again.At = again.At.Add(time.Minute)
			a.h.Emails = append(a.h.Emails, again)
			find(t, a.h.Deliveries, func(d delivery) bool { return d.SubscriberID == waits }).Attempts = 2
		}},
		"an email more often than it was tried": {"I3-twice", func(t *testing.T, a *author) {
			again := *a.mailTo(t, "waits")
			a.h.Faults = append(a.h.Faults, fault{Name: "killed", Target: "deliver", Start: again.At, End: again.At.Add(time.Second)})
			a.h.Emails = append(a.h.Emails, again)
		}},
		"a transition that is not allowed": {"I4", func(t *testing.T, a *author) {
			e := a.eventOf(t, kindUnsubscribed)
			e.From = "pending"
		}},
		"a transition recorded twice": {"I4", func(t *testing.T, a *author) {
			again := *a.eventOf(t, kindUnsubscribed)
			again.ID, again.Committed = uuid.New(), again.Committed.Add(time.Millisecond)
			a.h.Events = append(a.h.Events, again)
		}},
		"a transition missing in the ledger": {"I4", func(t *testing.T, a *author) {
			a.h.Events = slices.DeleteFunc(a.h.Events, func(e event) bool { return e.Kind == kindConfirmed && e.SubscriberID == leaves })
		}},
		"transitions out of order": {"I4", func(t *testing.T, a *author) {
			a.eventOf(t, kindUnsubscribed).Committed = a.now.Add(-time.Hour)
		}},
		"a row in another state": {"I4", func(t *testing.T, a *author) {
			find(t, a.h.Rows, func(r row) bool { return r.ID == leaves }).Status = "active"
		}},
		"a row in another epoch": {"I4", func(t *testing.T, a *author) {
			find(t, a.h.Rows, func(r row) bool { return r.ID == leaves }).Epoch = 1
		}},
		"a row that is lost": {"I4", func(t *testing.T, a *author) {
			a.h.Rows = slices.DeleteFunc(a.h.Rows, func(r row) bool { return r.ID == waits })
		}},
		"a row without a request": {"I4", func(t *testing.T, a *author) {
			a.h.Rows = append(a.h.Rows, row{ID: uuid.New(), Email: "new@example.org", Norm: "new@example.org", Status: "pending", Epoch: 1})
		}},
		"an unknown outcome": {"I4", func(t *testing.T, a *author) { a.eventOf(t, kindConfirmed).Outcome = "maybe" }},
		"a new person sent back to unsubscribed": {"I4", func(t *testing.T, a *author) {
			c := a.call(call{Op: opExpire, Status: 200})
			a.event(c, event{SubscriberID: waits, Kind: kindExpired, Outcome: "expired", From: "pending", To: "unsubscribed"})
			find(t, a.h.Rows, func(r row) bool { return r.ID == waits }).Status = "unsubscribed"
		}},
		"a call recorded twice": {"I4-once", func(t *testing.T, a *author) {
			again := *a.eventOf(t, kindRequested)
			again.ID = uuid.New()
			a.h.Events = append(a.h.Events, again)
		}},
		"a refused call that was recorded": {"I4-once", func(t *testing.T, a *author) {
			a.event(*find(t, a.h.Calls, func(c call) bool { return c.Op == opBad }), event{Kind: kindRequested, Outcome: "request_suppressed", From: "none", To: "none"})
		}},
		"a ledger that does not verify": {"I4-seals", func(t *testing.T, a *author) { a.h.Ledger = []string{"changed"} }},
		"an email sent after its person left": {"I5", func(t *testing.T, a *author) {
			a.mailTo(t, "leaves").At = a.eventOf(t, kindUnsubscribed).Committed.Add(inFlight + time.Millisecond)
		}},
		"an email sent after its person was erased": {"I5", func(t *testing.T, a *author) {
			a.mailTo(t, "goes").At = a.eventOf(t, kindErased).Committed.Add(inFlight + time.Millisecond)
		}},
		"an email after the page that says it is over": {"I5", func(t *testing.T, a *author) {
			a.h.Emails = append(a.h.Emails, email{"", "leaves@example.org", a.later()}) // of whatever delivery
		}},
		"an active subscriber without a click": {"I6", func(t *testing.T, a *author) {
			a.h.Calls = slices.DeleteFunc(a.h.Calls, func(c call) bool { return c.Op == opConfirm && c.Typed == "stays@example.org" })
		}},
		"a confirmation by a GET": {"I6", func(t *testing.T, a *author) {
			find(t, a.h.Calls, func(c call) bool { return c.Op == opConfirm }).Op = opLook
		}},
		"a confirmation by another person's link": {"I6", func(t *testing.T, a *author) {
			find(t, a.h.Calls, func(c call) bool { return c.Op == opConfirm }).Claims.SubscriberID = waits
		}},
		"a confirmation of another request": {"I6", func(t *testing.T, a *author) {
			a.eventOf(t, kindConfirmed).RequestEvent = uuid.New()
		}},
		"an active row without a confirmation": {"I6", func(t *testing.T, a *author) {
			find(t, a.h.Rows, func(r row) bool { return r.ID == waits }).Status = "active"
		}},
		"a call that never ends": {"I7", func(t *testing.T, a *author) { a.h.Calls[len(a.h.Calls)-1].Status = 503 }},
		"an error without Retry-After": {"I7", func(t *testing.T, a *author) {
			find(t, a.h.Calls, func(c call) bool { return c.Status == 503 }).RetryAfter = false
		}},
		"a 500": {"I7", func(t *testing.T, a *author) {
			find(t, a.h.Calls, func(c call) bool { return c.Status == 503 }).Status = 500
		}},
		"a valid link refused": {"I7", func(t *testing.T, a *author) {
			find(t, a.h.Calls, func(c call) bool { return c.Op == opLeave }).Status = 404
		}},
		"no answer of a running function": {"I7", func(t *testing.T, a *author) {
			find(t, a.h.Calls, func(c call) bool { return c.Status == 503 }).Gateway = true
		}},
		"a 503 for bad input": {"I8", func(t *testing.T, a *author) {
			find(t, a.h.Calls, func(c call) bool { return c.Op == opBad }).Status = 503
		}},
		"bad input that works": {"I8", func(t *testing.T, a *author) {
			find(t, a.h.Calls, func(c call) bool { return c.Op == opBad }).Status = 202
		}},
		"a message that an erasure has left": {"erased", func(t *testing.T, a *author) {
			a.delivery(*find(t, a.h.Events, func(e event) bool { return e.SubscriberID == goes }), "email.confirm", "sent")
		}},
		"a row that an erasure has left": {"I1", func(t *testing.T, a *author) {
			a.delivery(*find(t, a.h.Events, func(e event) bool { return e.SubscriberID == goes }), "email.confirm", "sent")
		}},
		"a row deleted before another person's erasure": {"I1", func(t *testing.T, a *author) {
			a.h.Deliveries = slices.DeleteFunc(a.h.Deliveries, func(d delivery) bool { return d.SubscriberID == leaves && isEmail(d.Kind) })
		}},
		"an email superseded by one that an erasure deleted before": {"I3", func(t *testing.T, a *author) {
			find(t, a.h.Deliveries, func(d delivery) bool { return d.SubscriberID == leaves }).Outcome = "superseded"
		}},
		"an email to an erased person from nowhere": {"I3-twice", func(t *testing.T, a *author) {
			a.h.Emails = append(a.h.Emails, email{uuid.NewString(), "goes@example.org", a.mailTo(t, "goes").At})
		}},
		"an email decided after its person was erased": {"I3-twice", func(t *testing.T, a *author) {
			at := a.eventOf(t, kindErased).Committed.Add(time.Millisecond)
			a.h.Emails = append(a.h.Emails, email{idAt(at).String(), "goes@example.org", at})
		}},
		"an erased person's email twice for no reason": {"I3-twice", func(t *testing.T, a *author) {
			again := *a.mailTo(t, "goes")
			again.At = again.At.Add(time.Millisecond)
			a.h.Emails = append(a.h.Emails, again)
		}},
		"an erased person's email to another person": {"I3-twice", func(t *testing.T, a *author) { a.mailTo(t, "goes").To = "stays@example.org" }},
		"an erased person confirmed without an email": {"I6", func(t *testing.T, a *author) {
			find(t, a.h.Calls, func(c call) bool { return c.Op == opConfirm && c.Typed == "goes@example.org" }).Delivery = uuid.NewString()
		}},
		"a link called ended that is not": {"I7", func(t *testing.T, a *author) {
			c := *find(t, a.h.Calls, func(c call) bool { return c.Op == opConfirm })
			a.call(call{Op: opLook, Typed: c.Typed, Claims: c.Claims, Status: 410})
		}},
		"an unsubscribe link called ended": {"I7", func(t *testing.T, a *author) {
			a.call(call{Op: opLook, Claims: token.Claims{Purpose: token.Unsubscribe, Expires: a.now.Add(-time.Hour)}, Status: 410})
		}},
		"a fourth confirmation email":          {"caps", func(t *testing.T, a *author) { a.h.EmailLog[0].Count = 4 }},
		"a fourth privacy email":               {"caps", func(t *testing.T, a *author) { a.h.EmailLog[2].Count = 3 }},
		"something left of an erased person":   {"erased", func(t *testing.T, a *author) { a.h.Leftovers[goes] = "an identity" }},
		"a suppression missing in the journal": {"journal", func(t *testing.T, a *author) { delete(a.h.Journal, a.eventOf(t, kindUnsubscribed).ID) }},
		"an erasure missing in the journal":    {"journal", func(t *testing.T, a *author) { delete(a.h.Journal, a.eventOf(t, kindErased).ID) }},
		"a stop that never was":                {"journal", func(t *testing.T, a *author) { a.h.Journal[uuid.New()] = true }},
		"a subscriber missing in Loops":        {"audience", func(t *testing.T, a *author) { delete(a.h.Contacts, "stays@example.org") }},
		"a former subscriber in Loops":         {"audience", func(t *testing.T, a *author) { a.h.Contacts["leaves@example.org"] = true }},
		"an erased subscriber in Loops":        {"audience", func(t *testing.T, a *author) { a.h.Contacts["goes@example.org"] = true }},
		"a row that refers to nothing":         {"database", func(t *testing.T, a *author) { a.h.Invalid = []string{"data: 1 outbox rows"} }},
		"a malformed request to a service":     {"fakes", func(t *testing.T, a *author) { a.h.Problems = []string{"not signed"} }},
		"a fault that could not be ended":      {"tools", func(t *testing.T, a *author) { a.h.Broken = []string{"port taken"} }},
	} {
		tested[test.invariant] = true
		t.Run(name, func(t *testing.T) {
			a := goodHistory()
			test.spoil(t, a)
			if broken := brokenPromises(&a.h); len(broken[test.invariant]) == 0 {
				t.Errorf("%s was not found broken; others: %v", test.invariant, broken)
			}
		})
	}
	for _, p := range invariants() {
		if !tested[p.name] {
			t.Errorf("no history shows that %s can be found broken", p.name)
		}
	}
}
