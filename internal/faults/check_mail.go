package faults

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

func isMail(kind string) bool { return strings.HasPrefix(kind, "email.") }

// checkDelivered: every row of the outbox came to an end that it may have: sent, or overtaken by what happened to the
// person (I3).
func checkDelivered(h *History) []string {
	x, found, dead := newIndex(h), []string{}, 0
	sent := map[string]bool{}
	for _, m := range h.Mails {
		sent[m.Delivery] = true
	}
	for _, d := range h.Deliveries {
		what := ""
		switch {
		case d.State == "ready" || d.State == "held":
			what = "it still waits"
		case d.State == "dead" && isMail(d.Kind) && d.Outcome == "rejected":
			dead++
		case d.State == "dead":
			what = "it was given up: " + d.Outcome
		case !isMail(d.Kind):
		case d.Outcome == "sent" && !sent[d.ID.String()]:
			what = "marked as sent, and nobody got it"
		case d.Outcome == "sent":
		case d.Outcome == "stale" && !x.since(x.events[d.EventID], kindConfirmed, kindUnsubscribed, kindCancelled, kindExpired, kindSuppressed, kindErased) &&
			!x.sinceInMailbox(x.events[d.EventID], kindUnsubscribed, kindCancelled, kindSuppressed, kindErased):
			what = "dropped, and nothing had happened to the person"
		case d.Outcome == "erased" && !x.since(x.events[d.EventID], kindErased):
			what = "dropped, and nobody had erased the person"
		case d.Outcome == "overtaken" && !x.overtaken(d):
			what = "dropped for a later one, and there is none"
		case d.Outcome != "stale" && d.Outcome != "erased" && d.Outcome != "overtaken":
			what = "an unknown end: " + d.Outcome
		}
		if what != "" {
			found = append(found, fmt.Sprintf("delivery %s, %s, %d attempts: %s", d.ID, d.Kind, d.Attempts, what))
		}
	}
	if dead > h.Refused {
		found = append(found, fmt.Sprintf("%d mails were given up as refused, and the service refused %d", dead, h.Refused))
	}
	return found
}

// overtaken says whether the same mailbox was queued the same mail later. Ids sort by time.
func (x *index) overtaken(d Delivery) bool {
	for _, other := range x.deliveries {
		later := bytes.Compare(other.ID[:], d.ID[:]) > 0
		if later && other.Kind == d.Kind && mailboxOf(x.address(other.SubscriberID)) == mailboxOf(x.address(d.SubscriberID)) {
			return true
		}
	}
	return false
}

// markTime is how long after a mail was taken its mark in the outbox may be lost by a fault.
const markTime = 12 * time.Second

// checkDuplicates: every mail is a row of the outbox, goes to whom it is for, and comes twice at most: when the mark of the
// first one was lost (I3).
func checkDuplicates(h *History) []string {
	x, found := newIndex(h), []string{}
	mails := map[string][]Mail{}
	for _, m := range h.Mails {
		mails[m.Delivery] = append(mails[m.Delivery], m)
	}
	for delivery, same := range mails {
		d, known := x.deliveries[delivery]
		if !known || !isMail(d.Kind) {
			found = append(found, fmt.Sprintf("%d mails tagged %q: no delivery of a mail has this id", len(same), delivery))
			continue
		}
		slices.SortFunc(same, func(a, b Mail) int { return a.At.Compare(b.At) })
		if len(same) > d.Attempts {
			found = append(found, fmt.Sprintf("delivery %s: sent %d times in %d attempts", delivery, len(same), d.Attempts))
		}
		for i, m := range same {
			if to := x.address(d.SubscriberID); !strings.EqualFold(m.To, to) {
				found = append(found, fmt.Sprintf("delivery %s: it went to somebody else than person %s", delivery, d.SubscriberID))
			}
			if i < len(same)-1 && !excused(h, m) {
				found = append(found, fmt.Sprintf("delivery %s: sent again after %s, and nothing was broken at its time", delivery, same[i+1].At.Sub(m.At)))
			}
		}
	}
	return found
}

// excused says whether a fault may have kept the mark of a mail out of the outbox.
func excused(h *History, m Mail) bool {
	return slices.ContainsFunc(h.Faults, func(f Fault) bool {
		return (f.Target == "postgres" || f.Target == "deliver" || f.Delivery == m.Delivery) && f.overlaps(m.At.Add(-time.Second), m.At.Add(markTime))
	})
}

// inFlight is how long before its arrival at the mail service a mail may have been begun.
const inFlight = time.Second

// checkSilence: no mail that was decided before somebody left is begun after that has committed (I5).
func checkSilence(h *History) []string {
	x, found := newIndex(h), []string{}
	notMe := map[string]bool{}
	for _, c := range h.Calls {
		if c.Op == opNotMe {
			notMe[c.RequestID] = true
		}
	}
	for _, m := range h.Mails {
		d := x.deliveries[m.Delivery]
		decided := x.events[d.EventID]
		for _, e := range x.byPerson[d.SubscriberID] {
			if !ends(e) || !decided.before(e) || !e.Committed.Add(inFlight).Before(m.At) || !silences(e, d.Kind, notMe[e.RequestID]) {
				continue
			}
			if d.Kind == "email.unsubscribe_link" && x.askedAgain(e, m.At) {
				continue
			}
			found = append(found, fmt.Sprintf("delivery %s, %s: sent %s after %s", d.ID, d.Kind, m.At.Sub(e.Committed).Round(time.Millisecond), e.Kind))
		}
	}
	return append(found, visibleSilence(h)...)
}

// silences says whether an event ends mails of a kind: after an unsubscription a person may still ask for their data.
func silences(e Event, kind string, notMe bool) bool {
	service := kind == "email.privacy_export" || kind == "email.privacy_erase"
	return !service || notMe || e.Kind == kindSuppressed || e.Kind == kindErased
}

// askedAgain says whether a person was signed up again after an event and before a time: links to leave are welcome then.
func (x *index) askedAgain(e Event, until time.Time) bool {
	return slices.ContainsFunc(x.byPerson[e.SubscriberID], func(other Event) bool {
		return other.Kind == kindRequested && e.before(other) && other.Committed.Before(until)
	})
}

// visibleSilence is what people see without looking into the database: after the page that says that it is over, nothing
// comes, as long as nobody types the address again.
func visibleSilence(h *History) []string {
	var found []string
	calls, mails := map[string][]Call{}, map[string][]Mail{}
	for _, c := range h.Calls {
		if c.Op != opLook && c.Op != opBad {
			calls[c.Typed] = append(calls[c.Typed], c)
		}
	}
	for _, m := range h.Mails {
		mails[known(m.To)] = append(mails[known(m.To)], m)
	}
	for address, own := range calls {
		for _, c := range own {
			left := (c.Op == opErase || c.Op == opLeave && !mayBeParked(h, c)) && c.Status == 200 && c.Typed != ""
			if !left {
				continue
			}
			for _, m := range mails[address] {
				if m.At.After(c.End.Add(inFlight)) && !typedAgain(own, c, m.At) {
					found = append(found, fmt.Sprintf("call %d, %s: a mail came %s after its answer, and nobody had typed the address since",
						c.Number, c.Op, m.At.Sub(c.End).Round(time.Millisecond)))
				}
			}
		}
	}
	return found
}

// typedAgain says whether somebody typed an address so that what they asked for may have been decided after a call began.
// Whoever asked for their data shortly before they left still gets it.
func typedAgain(own []Call, left Call, until time.Time) bool {
	return slices.ContainsFunc(own, func(c Call) bool {
		asks := c.Op == opSubscribe || c.Op == opAskLeave || c.Op == opAskExport || c.Op == opAskErase
		service := left.Op == opLeave && (c.Op == opAskExport || c.Op == opAskErase)
		return asks && c.Start.Before(until) && (c.unknown() || service || c.End.After(left.Start))
	})
}

// bounds are the caps on mail to strangers: so many of these purposes together for one mailbox in a day. Confirmation
// mails may be three, but not within 15 minutes, and no history lasts as long.
var bounds = []struct {
	purposes []string
	most     int
}{
	{[]string{"confirm"}, 1}, {[]string{"already_subscribed"}, 1}, {[]string{"unsubscribe_link"}, 2}, {[]string{"privacy_export", "privacy_erase"}, 2},
}

// checkCaps: nobody is mailed more often than the caps allow, whatever happens to Redis.
func checkCaps(h *History) []string {
	var found []string
	counts := map[string]map[string]int{}
	for _, m := range h.MailLog {
		if counts[m.Fold] == nil {
			counts[m.Fold] = map[string]int{}
		}
		counts[m.Fold][m.Purpose] += m.Count
	}
	for fold, count := range counts {
		for _, bound := range bounds {
			sum := 0
			for _, purpose := range bound.purposes {
				sum += count[purpose]
			}
			if most := bound.most * (h.Days + 1); sum > most {
				found = append(found, fmt.Sprintf("mailbox %.12s…: %d mails of %v in %d days, at most %d", fold, sum, bound.purposes, h.Days+1, most))
			}
		}
	}
	return found
}

// checkErased: of an erased person nothing is kept that names them, or where they were.
func checkErased(h *History) []string {
	var found []string
	for id, what := range h.Leftovers {
		found = append(found, fmt.Sprintf("person %s was erased; kept: %s", id, what))
	}
	return found
}

// checkJournal: every stop is told outside the database, or overtaken by an erasure that is.
func checkJournal(h *History) []string {
	x, found := newIndex(h), []string{}
	for _, e := range h.Events {
		stop := slices.Contains([]string{kindUnsubscribed, kindCancelled, kindSuppressed, kindErased}, e.Kind)
		if stop && !h.Journal[e.ID] && (e.Kind == kindErased || !x.since(e, kindErased)) {
			found = append(found, fmt.Sprintf("event %s, %s: not in the journal", e.ID, e.Kind))
		}
	}
	for id := range h.Journal {
		if _, exists := x.events[id]; !exists {
			found = append(found, fmt.Sprintf("the journal tells of event %s, which never was", id))
		}
	}
	return found
}

// checkAudience: the audience provider has exactly the subscribed.
func checkAudience(h *History) []string {
	var found []string
	active := map[string]uuid.UUID{}
	for _, row := range h.Rows {
		if row.Status == "active" {
			active[known(row.Email)] = row.ID
			if !h.Contacts[known(row.Email)] {
				found = append(found, fmt.Sprintf("row %s is active, and is not subscribed there", row.ID))
			}
		}
	}
	strangers := 0
	for address, subscribed := range h.Contacts {
		if _, wanted := active[address]; subscribed && !wanted {
			strangers++
		}
	}
	if strangers > 0 {
		found = append(found, fmt.Sprintf("%d contacts are subscribed there, and not here", strangers))
	}
	return found
}
