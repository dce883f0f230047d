package main

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/token"
)

// author writes histories whose events happen one after the other.
type author struct {
	h    history
	now  time.Time
	last int64
}

// later returns a time a second after everything so far.
func (a *author) later() time.Time {
	a.now = a.now.Add(time.Second)
	return a.now
}

func (a *author) call(c call) call {
	c.Number, c.Start, c.End = len(a.h.Calls)+1, a.later(), a.later()
	c.RequestID = "request-" + strconv.Itoa(c.Number)
	a.h.Calls = append(a.h.Calls, c)
	return c
}

// event adds the event of a call, between its start and its end.
func (a *author) event(c call, e event) event {
	a.last++
	e.ID, e.RequestID, e.Committed, e.Transaction = uuid.Must(uuid.NewV7()), c.RequestID, c.Start.Add(500*time.Millisecond), a.last
	e.At = e.Committed
	a.h.Events = append(a.h.Events, e)
	return e
}

// idAt returns an id that was created at a time.
func idAt(t time.Time) uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	ms := binary.BigEndian.AppendUint64(nil, uint64(t.UnixMilli()))
	copy(id[:6], ms[2:])
	return id
}

func (a *author) delivery(e event, kind, outcome string) delivery {
	d := delivery{
		ID: idAt(e.At), SubscriberID: e.SubscriberID, EventID: e.ID, Kind: kind, State: "done", Outcome: outcome, Attempts: 1,
		Created: e.At, Finished: e.At.Add(time.Second),
	}
	a.h.Deliveries = append(a.h.Deliveries, d)
	return d
}

// signUp adds a sign-up whose email arrives, and returns the claims of its links.
func (a *author) signUp(id uuid.UUID, address string) (token.Claims, delivery) {
	c := a.call(call{Op: opSubscribe, Typed: address, Status: 202})
	e := a.event(c, event{SubscriberID: id, Kind: kindRequested, Outcome: "confirmation_queued", From: "none", To: "pending"})
	d := a.delivery(e, "email.confirm", "sent")
	a.h.Emails = append(a.h.Emails, email{d.ID.String(), address, a.later()})
	a.h.Feedback[d.ID.String()]++
	return token.Claims{Purpose: token.Confirm, Link: token.Link{SubscriberID: id, EventID: e.ID, Epoch: 1}}, d
}

// step adds the POST behind a link and the event that it causes.
func (a *author) step(op, address string, claims token.Claims, e event) event {
	c := a.call(call{Op: op, Typed: address, Claims: claims, Status: 200})
	e.SubscriberID = claims.SubscriberID
	return a.event(c, e)
}

func (a *author) activate(id uuid.UUID, address string) token.Claims {
	claims, d := a.signUp(id, address)
	e := a.step(opConfirm, address, claims, event{Kind: kindConfirmed, Outcome: "confirmed", From: "pending", To: "active", RequestEvent: claims.EventID})
	a.h.Calls[len(a.h.Calls)-1].Delivery = d.ID.String()
	a.delivery(e, "change", "expanded")
	return claims
}

var (
	stays, leaves, goes, waits = uuid.New(), uuid.New(), uuid.New(), uuid.New()
)

// goodHistory returns a history that keeps every invariant: one subscriber stays, one leaves, one is erased, and one
// has not confirmed yet.
func goodHistory() *author {
	a := &author{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	a.h.Journal, a.h.Contacts, a.h.Leftovers, a.h.Feedback = map[uuid.UUID]bool{}, map[string]bool{}, map[uuid.UUID]string{}, map[string]int{}
	a.activate(stays, "stays@example.org")
	a.h.Contacts["stays@example.org"] = true
	claims := a.activate(leaves, "leaves@example.org")
	e := a.step(opLeave, "leaves@example.org", claims, event{Kind: kindUnsubscribed, Outcome: "unsubscribed", From: "active", To: "unsubscribed"})
	a.h.Journal[e.ID], a.h.Contacts["leaves@example.org"] = true, false
	claims = a.activate(goes, "goes@example.org")
	e = a.step(opErase, "goes@example.org", claims, event{Kind: kindErased, Outcome: "erased", From: "active", To: "erased"})
	a.h.Journal[e.ID] = true
	a.h.Deliveries = slices.DeleteFunc(a.h.Deliveries, func(d delivery) bool { return d.SubscriberID == goes })
	a.delivery(e, "change", "expanded")
	a.signUp(waits, "waits@example.org")
	a.call(call{Op: opBad, Input: "no address", Status: 422})
	lost := a.call(call{Op: opSubscribe, Typed: "lost@example.org", Status: 503, RetryAfter: true})
	again := a.call(call{Op: opSubscribe, Typed: "lost@example.org", Status: 202, Repeats: lost.Number})
	e = a.event(again, event{Kind: kindRequested, Outcome: "request_suppressed", From: "suppressed", To: "suppressed"})
	a.delivery(e, "none", "none")
	for id, status := range map[uuid.UUID]string{stays: "active", leaves: "unsubscribed", waits: "pending"} {
		a.h.Rows = append(a.h.Rows, row{ID: id, Email: map[uuid.UUID]string{stays: "stays", leaves: "leaves", waits: "waits"}[id] + "@example.org", Status: status, Epoch: 1})
	}
	for i := range a.h.Rows {
		a.h.Rows[i].Norm = a.h.Rows[i].Email
		if a.h.Rows[i].ID == leaves {
			a.h.Rows[i].Epoch = 2
		}
	}
	a.h.EmailLog = []emailCount{{"f1", "confirm", 1}, {"f2", "privacy_export", 1}, {"f2", "privacy_erase", 1}}
	return a
}

// find returns a pointer to the first matching element.
func find[T any](t *testing.T, list []T, fits func(T) bool) *T {
	t.Helper()
	i := slices.IndexFunc(list, fits)
	if i < 0 {
		t.Fatal("the good history has none")
	}
	return &list[i]
}

func (a *author) eventOf(t *testing.T, kind string) *event {
	t.Helper()
	return find(t, a.h.Events, func(e event) bool { return e.Kind == kind })
}

func (a *author) mailTo(t *testing.T, name string) *email {
	t.Helper()
	return find(t, a.h.Emails, func(m email) bool { return strings.HasPrefix(m.To, name) })
}
