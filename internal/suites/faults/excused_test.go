package main

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/token"
)

// TestExcusedViolations shows each check what looks like a violation and has an accepted cause.
func TestExcusedViolations(t *testing.T) {
	for name, excuse := range map[string]func(t *testing.T, a *author){
		"sent twice, because deliver was killed": func(t *testing.T, a *author) {
			m := *a.mailTo(t, "waits")
			a.h.Faults = append(a.h.Faults, fault{Name: "killed", Target: "deliver", Start: m.At, End: m.At.Add(time.Millisecond)})
			m.At = m.At.Add(time.Minute)
			a.h.Emails = append(a.h.Emails, m)
			find(t, a.h.Deliveries, func(d delivery) bool { return d.SubscriberID == waits }).Attempts = 2
		},
		"queued, and applied later": func(t *testing.T, a *author) {
			c := find(t, a.h.Calls, func(c call) bool { return c.Op == opLeave })
			a.h.Faults = append(a.h.Faults, fault{Name: "refused", Target: "postgres", Start: c.Start, End: c.End})
			e := a.eventOf(t, kindUnsubscribed)
			e.Committed = c.End.Add(500 * time.Millisecond)
		},
		"in flight when the person left": func(t *testing.T, a *author) {
			a.mailTo(t, "leaves").At = a.eventOf(t, kindUnsubscribed).Committed.Add(inFlight)
		},
		"no answer of a function that was killed": func(t *testing.T, a *author) {
			c := find(t, a.h.Calls, func(c call) bool { return c.Status == 503 })
			c.Status, c.Gateway, c.RetryAfter = 500, true, false
			a.h.Faults = append(a.h.Faults, fault{Name: "killed", Target: "subscribe", Start: c.Start, End: c.End})
		},
		"overtaken by \"this was not me\" of an older link, which committed first": func(t *testing.T, a *author) {
			find(t, a.h.Deliveries, func(d delivery) bool { return d.SubscriberID == waits }).Outcome = "stale"
			asked := find(t, a.h.Events, func(e event) bool { return e.SubscriberID == waits })
			older := token.Claims{Purpose: token.Confirm, Link: token.Link{SubscriberID: uuid.New()}}
			muted := a.step(opNotMe, "waits@example.org", older, event{Kind: kindDeclined, Outcome: "muted", From: "none", To: "none"})
			asked.At, a.h.Journal[muted.ID] = asked.Committed.Add(-time.Millisecond), true
			a.h.Events[len(a.h.Events)-1].Committed = asked.Committed.Add(-time.Microsecond)
			a.h.Calls[len(a.h.Calls)-1].Start, a.h.Calls[len(a.h.Calls)-1].End = asked.At, asked.At.Add(time.Second)
		},
		"a complaint of a subscriber who objects to all email": func(t *testing.T, a *author) {
			a.eventOf(t, kindErased).Objected = true
			a.call(call{Op: opSuppress, Typed: "goes@example.org", Status: 200})
		},
		"refused permanently, as instructed": func(t *testing.T, a *author) {
			a.h.Deliveries[0].State, a.h.Deliveries[0].Outcome, a.h.Refused = "dead", "rejected", 1
		},
		"superseded by one that an erasure deleted": func(t *testing.T, a *author) {
			spelled, other := uuid.New(), uuid.New()
			_, first := a.signUp(spelled, "p.7@gmail.com")
			find(t, a.h.Deliveries, func(d delivery) bool { return d.ID == first.ID }).Outcome = "superseded"
			a.h.Rows = append(a.h.Rows, row{ID: spelled, Email: "p.7@gmail.com", Norm: "p.7@gmail.com", Status: "pending", Epoch: 1})
			claims, later := a.signUp(other, "p7@gmail.com")
			e := a.step(opErase, "p7@gmail.com", claims, event{Kind: kindErased, Outcome: "erased", From: "pending", To: "erased"})
			a.h.Journal[e.ID] = true
			a.h.Deliveries = slices.DeleteFunc(a.h.Deliveries, func(d delivery) bool { return d.ID == later.ID })
		},
		"the message about an erasure, after another one": func(t *testing.T, a *author) {
			returns := uuid.New()
			claims := a.activate(returns, "goes@example.org")
			e := a.step(opErase, "goes@example.org", claims, event{Kind: kindErased, Outcome: "erased", From: "active", To: "erased"})
			a.h.Journal[e.ID] = true
			a.h.Deliveries = slices.DeleteFunc(a.h.Deliveries, func(d delivery) bool { return d.SubscriberID == returns })
			a.delivery(e, "change", "expanded")
		},
		"a link that has expired": func(t *testing.T, a *author) {
			a.call(call{Op: opLook, Claims: token.Claims{Purpose: token.Erase, Expires: a.now.Add(-time.Hour)}, Status: 410})
		},
		"a link that was declined": func(t *testing.T, a *author) {
			claims := token.Claims{Purpose: token.Confirm, Link: token.Link{SubscriberID: waits}}
			e := a.step(opNotMe, "waits@example.org", claims, event{Kind: kindDeclined, Outcome: "declined", From: "pending", To: "none"})
			a.h.Journal[e.ID] = true
			a.h.Rows = slices.DeleteFunc(a.h.Rows, func(r row) bool { return r.ID == waits })
			a.call(call{Op: opLook, Typed: "waits@example.org", Claims: claims, Status: 410})
		},
		"a fourth confirmation email, a day later": func(t *testing.T, a *author) { a.h.EmailLog[0].Count, a.h.Days = 4, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			a := goodHistory()
			excuse(t, a)
			if broken := brokenPromises(&a.h); len(broken) > 0 {
				t.Error(broken)
			}
		})
	}
}
