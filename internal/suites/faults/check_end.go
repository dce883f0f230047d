package main

import (
	"fmt"
	"slices"
	"time"
)

// inFlight is how long before its arrival at the email service an email may have been begun, on a machine that is busy
// with other tests.
const inFlight = 3 * time.Second

// checkNoEmailAfterEnd checks that no email that was decided before a subscriber left is begun after that has
// committed (I5).
func checkNoEmailAfterEnd(h *history) []string {
	x, found := newIndex(h), []string{}
	notMe := map[string]bool{}
	for _, c := range h.Calls {
		if c.Op == opNotMe {
			notMe[c.RequestID] = true
		}
	}
	for _, m := range h.Emails {
		d := x.deliveries[m.Delivery]
		decided := x.events[d.EventID]
		for _, e := range x.byPerson[d.SubscriberID] {
			if !ends(e) || !decided.before(e) || !e.Committed.Add(inFlight).Before(m.At) || !stopsEmail(e, d.Kind, notMe[e.RequestID]) {
				continue
			}
			if d.Kind == "email.unsubscribe_link" && x.requestedAgain(e, m.At) {
				continue
			}
			found = append(found, fmt.Sprintf("delivery %s, %s: sent %s after %s", d.ID, d.Kind, m.At.Sub(e.Committed).Round(time.Millisecond), e.Kind))
		}
	}
	return append(found, visibleEnd(h)...)
}

// stopsEmail reports whether an event stops emails of a kind: after an unsubscribe a person may still request their
// data.
func stopsEmail(e event, kind string, notMe bool) bool {
	service := kind == "email.privacy_export" || kind == "email.privacy_erase"
	return !service || notMe || e.Kind == kindSuppressed || e.Kind == kindErased
}

// requestedAgain reports whether a person was signed up again after an event and before a time; unsubscribe links are
// then allowed.
func (x *index) requestedAgain(e event, until time.Time) bool {
	return slices.ContainsFunc(x.byPerson[e.SubscriberID], func(other event) bool {
		return other.Kind == kindRequested && e.before(other) && other.Committed.Before(until)
	})
}

// visibleEnd checks the invariant as subscribers see it: after the page that confirms the end, no email arrives
// unless the address is typed again.
func visibleEnd(h *history) []string {
	var found []string
	calls, emails := map[string][]call{}, map[string][]email{}
	for _, c := range h.Calls {
		if c.Op != opLook && c.Op != opBad {
			calls[c.Typed] = append(calls[c.Typed], c)
		}
	}
	for _, m := range h.Emails {
		emails[known(m.To)] = append(emails[known(m.To)], m)
	}
	for address, own := range calls {
		for _, c := range own {
			left := (c.Op == opErase || c.Op == opLeave && !mayBeQueued(h, c)) && c.Status == 200 && c.Typed != ""
			if !left {
				continue
			}
			for _, m := range emails[address] {
				if m.At.After(c.End.Add(inFlight)) && !typedAgain(own, c, m.At) {
					found = append(found, fmt.Sprintf("call %d, %s: an email came %s after its answer, and the address had not been typed since",
						c.Number, c.Op, m.At.Sub(c.End).Round(time.Millisecond)))
				}
			}
		}
	}
	return found
}

// typedAgain reports whether an address was typed so that the request may have been decided after a call began. A
// request for data shortly before leaving is still answered.
func typedAgain(own []call, left call, until time.Time) bool {
	return slices.ContainsFunc(own, func(c call) bool {
		asks := c.Op == opSubscribe || c.Op == opAskLeave || c.Op == opAskExport || c.Op == opAskErase
		service := left.Op == opLeave && (c.Op == opAskExport || c.Op == opAskErase)
		return asks && c.Start.Before(until) && (c.unknown() || service || c.End.After(left.Start))
	})
}
