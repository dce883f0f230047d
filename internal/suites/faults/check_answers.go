package main

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"newsletter/shared/outbox"
	"newsletter/shared/token"
)

// checkAcknowledged checks that what was answered with success is in the database (I1).
func checkAcknowledged(h *history) []string {
	x, found := newIndex(h), []string{}
	for _, c := range h.Calls {
		if c.Status/100 != 2 {
			continue
		}
		if what := x.unfulfilled(h, c); what != "" {
			found = append(found, fmt.Sprintf("call %d, %s, answered %d: %s", c.Number, c.Op, c.Status, what))
		}
	}
	return found
}

// unfulfilled returns what is missing of an acknowledged call, or "".
func (x *index) unfulfilled(h *history, c call) string {
	switch c.Op {
	case opSubscribe:
		return x.recorded(c, kindRequested, 1)
	case opAskLeave, opAskExport, opAskErase:
		return x.recorded(c, kindLinkRequested, 1)
	case opExport:
		return x.recorded(c, kindExported, 0)
	case opConfirm:
		if !slices.Contains(x.states(c.Claims.SubscriberID, time.Time{}, c.End), "active") {
			return "never active"
		}
	case opLeave, opNotMe:
		until := c.End
		if mayBeQueued(h, c) {
			until = c.End.Add(24 * time.Hour)
		}
		if !slices.ContainsFunc(x.states(c.Claims.SubscriberID, c.Start, until), func(s string) bool { return s != "active" && s != "pending" }) {
			return "still subscribed"
		}
	case opErase:
		if !slices.ContainsFunc(x.states(c.Claims.SubscriberID, c.Start, c.End), func(s string) bool { return s == "none" || s == "erased" || s == "suppressed" }) {
			return "still there"
		}
	case opSuppress:
		if !slices.ContainsFunc(x.byAddress[c.Typed], func(e event) bool { return (e.Kind == kindSuppressed || e.Objected) && !e.Committed.After(c.End) }) {
			return "never suppressed"
		}
	}
	return ""
}

// withoutDecoys leaves out the decoys that keep the place of an email in a queue. A decoy alone stays.
func withoutDecoys(caused []delivery) []delivery {
	decoy := func(d delivery) bool { return d.Kind == string(outbox.None) }
	if !slices.ContainsFunc(caused, func(d delivery) bool { return !decoy(d) }) {
		return caused
	}
	return slices.DeleteFunc(slices.Clone(caused), decoy)
}

// recorded checks that a call appended one event of a kind, with a number of outbox rows.
func (x *index) recorded(c call, kind string, rows int) string {
	events := x.byRequest[c.RequestID]
	if len(events) != 1 || events[0].Kind != kind {
		return fmt.Sprintf("%d events, want one %s", len(events), kind)
	}
	if events[0].Committed.After(c.End) {
		return "committed after the answer"
	}
	if _, erased := x.erasure(events[0]); erased {
		rows = 0 // deleted, although it had been delivered
	}
	if n := len(withoutDecoys(x.caused[events[0].ID])); n != rows {
		return fmt.Sprintf("%d rows in the outbox, want %d", n, rows)
	}
	return ""
}

// broken reports whether a target was faulty between two times.
func broken(h *history, target string, from, to time.Time) bool {
	return slices.ContainsFunc(h.Faults, func(f fault) bool { return f.Target == target && f.overlaps(from, to) })
}

// aftermath is how long connections may still fail after the database is back.
const aftermath = 5 * time.Second

// mayBeQueued reports whether a one-click request may have been queued because the database was down.
func mayBeQueued(h *history, c call) bool {
	return c.Op == opLeave && broken(h, "postgres", c.Start.Add(-aftermath), c.End)
}

// checkOnce checks that no call is recorded twice, whatever happened to its answer, and no refused call is recorded
// (I4, I7).
func checkOnce(h *history) []string {
	x, found := newIndex(h), []string{}
	for _, c := range h.Calls {
		switch n := len(x.byRequest[c.RequestID]); {
		case c.RequestID == "":
		case n > 1:
			found = append(found, fmt.Sprintf("call %d, %s: recorded %d times", c.Number, c.Op, n))
		case n == 1 && c.Status/100 == 4:
			found = append(found, fmt.Sprintf("call %d, %s: refused with %d, and recorded as %s", c.Number, c.Op, c.Status, x.byRequest[c.RequestID][0].Kind))
		}
	}
	return found
}

// allowed lists the acceptable answers to a good request; a lost answer or a 503 is always acceptable.
var allowed = map[string][]int{
	opSubscribe: {202, 429}, opAskLeave: {202, 429}, opAskExport: {202, 429}, opAskErase: {202, 429},
	opConfirm: {200, 404, 410, 429}, opNotMe: {200, 429}, opLeave: {200}, opExport: {200, 404}, opErase: {200, 404, 429}, opMistyped: {200, 404, 422, 429},
	opLook: {200, 404, 410}, opSuppress: {200}, opExpire: {200},
}

// checkConverges checks that an error asks to retry and that a retry ends it (I7).
func checkConverges(h *history) []string {
	x, found := newIndex(h), []string{}
	repeated := map[int]bool{}
	for _, c := range h.Calls {
		repeated[c.Repeats] = true
	}
	for _, c := range h.Calls {
		what := ""
		switch {
		case c.unknown() && !repeated[c.Number]:
			what = "its outcome is unknown even after all repetitions"
		case c.Status == 0 || c.Op == opBad:
		case c.Status >= 500 && c.Gateway:
			if !broken(h, function(c), c.Start, c.End) {
				what = "no answer of ours, although the function was not killed"
			}
		case c.Status == http.StatusServiceUnavailable && c.RetryAfter:
		case !slices.Contains(allowed[c.Op], c.Status):
			what = "not an acceptable answer to a good request"
		case c.Op == opMistyped && c.Status == http.StatusOK && !x.erasedBefore(c):
			what = "the address of another person was accepted"
		case c.Status == http.StatusGone && !x.ended(h, c):
			what = "the link has neither expired nor been declined"
		}
		if what != "" {
			found = append(found, fmt.Sprintf("call %d, %s, answered %d: %s", c.Number, c.Op, c.Status, what))
		}
	}
	return found
}

// ended reports whether the link of a call had expired, or was a confirm link of an address that had declined.
func (x *index) ended(h *history, c call) bool {
	if c.Claims.Purpose != token.Unsubscribe && !c.Claims.Expires.IsZero() && c.End.After(c.Claims.Expires) {
		return true
	}
	return c.Claims.Purpose == token.Confirm && slices.ContainsFunc(x.byAddress[c.Typed], func(e event) bool {
		return !e.Committed.After(c.End) && (e.Kind == kindDeclined || e.Kind == kindUnsubscribed && mayBeNotMe(h, e))
	})
}

// erasedBefore reports whether the person of a call's link was erased: then the answer is the same for every address.
func (x *index) erasedBefore(c call) bool {
	return slices.ContainsFunc(x.byPerson[c.Claims.SubscriberID], func(e event) bool { return e.Kind == kindErased && !e.Committed.After(c.End) })
}

// mayBeNotMe reports whether "this was not me" may have caused an event: a lost answer has no request id.
func mayBeNotMe(h *history, e event) bool {
	answered := slices.IndexFunc(h.Calls, func(c call) bool { return c.RequestID == e.RequestID })
	return answered < 0 || h.Calls[answered].Op == opNotMe
}

// function returns the function that answers a call.
func function(c call) string {
	switch c.Op {
	case opConfirm, opNotMe:
		return "confirm"
	case opLeave, opAskLeave:
		return "unsubscribe"
	case opAskExport, opAskErase, opExport, opErase, opMistyped:
		return "privacy"
	case opBad:
		return path.Base(strings.SplitN(badInputs[c.Input].path, "?", 2)[0])
	case opLook:
		return map[byte]string{1: "confirm", 2: "unsubscribe", 3: "privacy", 4: "privacy"}[byte(c.Claims.Purpose)]
	}
	return "subscribe"
}

// checkBadInput checks that an invalid request is never answered as a server error (I8).
func checkBadInput(h *history) []string {
	var found []string
	for _, c := range h.Calls {
		if c.Op != opBad || c.Status/100 == 4 {
			continue
		}
		if (c.Gateway || c.Status == 0) && broken(h, function(c), c.Start, c.End) {
			continue
		}
		found = append(found, fmt.Sprintf("call %d, %s: answered %d", c.Number, c.Input, c.Status))
	}
	return found
}
