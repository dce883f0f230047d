package main

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The kinds of ledger events as they are stored. They are repeated here, because a check that shared the code's
// constants would share its mistakes.
const (
	kindRequested     = "subscription.requested"
	kindConfirmed     = "subscription.confirmed"
	kindUnsubscribed  = "subscription.unsubscribed"
	kindDeclined      = "subscription.declined"
	kindExpired       = "subscription.expired"
	kindSuppressed    = "subscription.suppressed"
	kindErased        = "subscription.erased"
	kindExported      = "privacy.exported"
	kindLinkRequested = "link.requested"
)

// index finds things in a history.
type index struct {
	byRequest  map[string][]event
	byPerson   map[uuid.UUID][]event // in commit order
	byAddress  map[string][]event    // in commit order, of everyone who ever had the address
	events     map[uuid.UUID]event
	deliveries map[string]delivery      // by id
	caused     map[uuid.UUID][]delivery // by event, except notifications
	notified   map[uuid.UUID][]delivery // by event, only notifications
	addresses  map[uuid.UUID]string
}

func newIndex(h *history) *index {
	x := &index{
		byRequest: map[string][]event{}, byPerson: map[uuid.UUID][]event{}, byAddress: map[string][]event{}, events: map[uuid.UUID]event{},
		deliveries: map[string]delivery{}, caused: map[uuid.UUID][]delivery{}, notified: map[uuid.UUID][]delivery{}, addresses: map[uuid.UUID]string{},
	}
	ordered := slices.Clone(h.Events)
	slices.SortStableFunc(ordered, func(a, b event) int {
		switch {
		case a.before(b):
			return -1
		case b.before(a):
			return 1
		}
		return 0
	})
	typed := map[string]string{}
	for _, c := range h.Calls {
		if c.RequestID != "" && c.Typed != "" {
			typed[c.RequestID] = c.Typed
		}
		if c.Claims.SubscriberID != uuid.Nil {
			x.addresses[c.Claims.SubscriberID] = c.Typed
		}
	}
	for _, row := range h.Rows {
		x.addresses[row.ID] = known(row.Email)
	}
	for _, e := range ordered {
		if address := typed[e.RequestID]; address != "" && e.SubscriberID != uuid.Nil {
			x.addresses[e.SubscriberID] = address
		}
	}
	for _, e := range ordered {
		x.events[e.ID] = e
		if e.RequestID != "" {
			x.byRequest[e.RequestID] = append(x.byRequest[e.RequestID], e)
		}
		if e.SubscriberID != uuid.Nil {
			x.byPerson[e.SubscriberID] = append(x.byPerson[e.SubscriberID], e)
			x.byAddress[x.address(e.SubscriberID)] = append(x.byAddress[x.address(e.SubscriberID)], e)
		}
	}
	for _, d := range h.Deliveries {
		x.deliveries[d.ID.String()] = d
		if strings.HasPrefix(d.Kind, "notify.") {
			x.notified[d.EventID] = append(x.notified[d.EventID], d)
		} else {
			x.caused[d.EventID] = append(x.caused[d.EventID], d)
		}
	}
	for _, m := range h.Emails {
		if _, kept := x.deliveries[m.Delivery]; !kept {
			x.restore(m)
		}
	}
	return x
}

// restore adds the delivery of an email that an erasure has deleted since. Its id has the time at which the first
// request was decided, under the lock of the mailbox, so the latest request before that time is that one. The email may
// carry a later one of its kind.
func (x *index) restore(m email) {
	id, err := uuid.Parse(m.Delivery)
	if err != nil || id.Version() != 7 {
		return
	}
	decided := time.Unix(id.Time().UnixTime())
	var cause event
	mailbox := mailboxOf(known(m.To))
	for address, events := range x.byAddress {
		for _, e := range events {
			requests := e.Kind == kindRequested || e.Kind == kindLinkRequested
			if mailboxOf(address) == mailbox && requests && !e.At.Truncate(time.Millisecond).After(decided) && !e.At.Before(cause.At) {
				cause = e
			}
		}
	}
	kind := x.emailOf(cause)
	for _, e := range x.byAddress[known(m.To)] {
		if x.emailOf(e) == kind && e.At.Before(m.At) && (e.At.After(cause.At) || x.address(cause.SubscriberID) != known(m.To)) {
			cause = e
		}
	}
	erased, found := x.erasure(cause)
	if found && kind != "" && decided.Before(erased.Committed) {
		x.deliveries[m.Delivery] = delivery{
			ID: id, SubscriberID: cause.SubscriberID, EventID: cause.ID, Kind: kind, Created: cause.At, Erased: true,
		}
	}
}

// erasure returns the erasure that deletes the messages of an event: the first one of that address after it; false if there was
// none. The messages of an erasure stay, because a later one no longer knows whose they were.
func (x *index) erasure(e event) (event, bool) {
	if e.Kind == kindErased {
		return event{}, false
	}
	all := x.byAddress[x.address(e.SubscriberID)]
	i := slices.IndexFunc(all, func(other event) bool { return other.Kind == kindErased && e.before(other) })
	if i < 0 {
		return event{}, false
	}
	return all[i], true
}

// emailOf returns the kind of the email that an event caused, or "".
func (x *index) emailOf(e event) string {
	switch {
	case e.Kind == kindRequested && e.Outcome == "confirmation_queued":
		return "email.confirm"
	case e.Kind == kindRequested && e.Outcome == "already_subscribed":
		return "email.already_subscribed"
	case e.Kind == kindLinkRequested && e.Outcome == "link_queued":
		return "email." + e.Purpose
	}
	return ""
}

// address returns the address of an id, or the id itself if the address is unknown.
func (x *index) address(id uuid.UUID) string {
	if address := x.addresses[id]; address != "" {
		return address
	}
	return id.String()
}

// moves reports whether an event records a state before and after it.
func (e event) moves() bool { return e.To != "" }

// states lists the states of a person between two times.
func (x *index) states(id uuid.UUID, from, to time.Time) []string {
	at, during := "none", []string{}
	for _, e := range x.byPerson[id] {
		switch {
		case !e.moves() || e.Committed.After(to):
		case e.Committed.After(from):
			during = append(during, e.To)
		default:
			at = e.To
		}
	}
	return append(during, at)
}

// sinceInMailbox extends since to all spellings of the mailbox.
func (x *index) sinceInMailbox(e event, kinds ...string) bool {
	mailbox := mailboxOf(x.address(e.SubscriberID))
	for address, events := range x.byAddress {
		if mailboxOf(address) == mailbox && happened(events, e, kinds) {
			return true
		}
	}
	return false
}

// since finds an event of one of the kinds that an address had after another one began. It may have committed first
// and still come later in every order that explains both.
func (x *index) since(e event, kinds ...string) bool {
	return happened(x.byAddress[x.address(e.SubscriberID)], e, kinds)
}

func happened(events []event, e event, kinds []string) bool {
	return slices.ContainsFunc(events, func(other event) bool {
		return other.ID != e.ID && other.Committed.After(e.At) && slices.Contains(kinds, other.Kind)
	})
}

// mailboxOf returns the mailbox of an address: the people of a history write Gmail addresses with and without a dot.
func mailboxOf(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	if domain == "gmail.com" {
		local = strings.ReplaceAll(local, ".", "")
	}
	return local + "@" + domain
}
