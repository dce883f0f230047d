package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

func isEmail(kind string) bool { return strings.HasPrefix(kind, "email.") }

// checkDelivered checks that every outbox row was delivered, or made obsolete by a later event of the person (I3).
func checkDelivered(h *history) []string {
	x, found, dead := newIndex(h), []string{}, 0
	sent := map[string]bool{}
	for _, m := range h.Emails {
		sent[m.Delivery] = true
	}
	for _, d := range h.Deliveries {
		what := ""
		switch {
		case d.State == "ready" || d.State == "held":
			what = "still pending"
		case d.State == "dead" && isEmail(d.Kind) && d.Outcome == "rejected":
			dead++
		case d.State == "dead":
			what = "dead-lettered: " + d.Outcome
		case !isEmail(d.Kind):
		case d.Outcome == "sent" && !sent[d.ID.String()]:
			what = "marked as sent, but not received"
		case d.Outcome == "sent":
		case d.Outcome == "stale" && !x.changed(d):
			what = "dropped without an event of the person"
		case d.Outcome == "erased" && !x.since(x.events[d.EventID], kindErased):
			what = "dropped without an erasure"
		case d.Outcome == "superseded" && !x.replaced(d):
			what = "dropped for another one that does not exist"
		case d.Outcome == "just_sent" && !x.sentBefore(d):
			what = "dropped for a sent one that does not exist"
		case !slices.Contains([]string{"stale", "erased", "superseded", "just_sent"}, d.Outcome):
			what = "an unknown end: " + d.Outcome
		}
		if what != "" {
			found = append(found, fmt.Sprintf("delivery %s, %s, %d attempts: %s", d.ID, d.Kind, d.Attempts, what))
		}
	}
	if dead > h.Refused {
		found = append(found, fmt.Sprintf("%d emails are dead-lettered as rejected, but the service rejected %d", dead, h.Refused))
	}
	return found
}

// changed reports whether an event of the person, or one about their mailbox, has made an email obsolete.
func (x *index) changed(d delivery) bool {
	e := x.events[d.EventID]
	return x.since(e, kindConfirmed, kindUnsubscribed, kindDeclined, kindExpired, kindSuppressed, kindErased) ||
		x.sinceInMailbox(e, kindUnsubscribed, kindDeclined, kindSuppressed, kindErased)
}

// replaced reports whether another message sends the same email to the mailbox: of several, one leaves when the first
// is due.
func (x *index) replaced(d delivery) bool {
	for _, other := range x.deliveries {
		if other.ID != d.ID && other.Kind == d.Kind && other.Outcome != "superseded" &&
			mailboxOf(x.address(other.SubscriberID)) == mailboxOf(x.address(d.SubscriberID)) {
			return true
		}
	}
	for _, e := range x.events { // of those that an erasure has deleted, only the events are left
		_, erased := x.erasure(e)
		if erased && x.emailOf(e) == d.Kind && e.At.After(d.Created) && mailboxOf(x.address(e.SubscriberID)) == mailboxOf(x.address(d.SubscriberID)) {
			return true
		}
	}
	return false
}

// sentBefore reports whether the same email was sent to the person before d was queued.
func (x *index) sentBefore(d delivery) bool {
	for _, other := range x.deliveries {
		if other.ID != d.ID && other.Kind == d.Kind && other.SubscriberID == d.SubscriberID && other.Outcome == "sent" {
			return true
		}
	}
	return false
}

// markTime is how long after an email was accepted a fault may lose its mark in the outbox.
const markTime = 12 * time.Second

// checkDuplicates checks that every email has an outbox row, goes to its recipient, and is sent again only if the
// first mark was lost (I3).
func checkDuplicates(h *history) []string {
	x, found := newIndex(h), []string{}
	emails := map[string][]email{}
	for _, m := range h.Emails {
		emails[m.Delivery] = append(emails[m.Delivery], m)
	}
	for delivery, same := range emails {
		d, known := x.deliveries[delivery]
		if !known || !isEmail(d.Kind) {
			found = append(found, fmt.Sprintf("%d emails tagged %q: no email delivery has this id", len(same), delivery))
			continue
		}
		slices.SortFunc(same, func(a, b email) int { return a.At.Compare(b.At) })
		if len(same) > d.Attempts && !d.Erased {
			found = append(found, fmt.Sprintf("delivery %s: sent %d times in %d attempts", delivery, len(same), d.Attempts))
		}
		for i, m := range same {
			// A retry names the newest request, which may have another spelling.
			if to := x.address(d.SubscriberID); !strings.EqualFold(m.To, to) && (len(same) == 1 || mailboxOf(strings.ToLower(m.To)) != mailboxOf(to)) {
				found = append(found, fmt.Sprintf("delivery %s: not sent to person %s", delivery, d.SubscriberID))
			}
			if i < len(same)-1 && !excused(h, m) {
				found = append(found, fmt.Sprintf("delivery %s: sent again after %s without a fault", delivery, same[i+1].At.Sub(m.At)))
			}
		}
	}
	return found
}

// excused reports whether a fault may have lost the mark of an email.
func excused(h *history, m email) bool {
	return slices.ContainsFunc(h.Faults, func(f fault) bool {
		return (f.Target == "postgres" || f.Target == "deliver" || f.Delivery == m.Delivery) && f.overlaps(m.At.Add(-time.Second), m.At.Add(markTime))
	})
}

// bounds are the mailbox budgets: the number of emails of these purposes together per day, of a confirmed mailbox, which
// has the larger ones.
var bounds = []struct {
	purposes []string
	most     int
}{
	{[]string{"confirm", "already_subscribed"}, 3}, {[]string{"unsubscribe_link", "privacy_export", "privacy_erase"}, 3},
}

// checkBudgets checks that no mailbox receives more email than its budget, whatever happens to Redis.
func checkBudgets(h *history) []string {
	var found []string
	counts := map[string]map[string]int{}
	for _, m := range h.EmailLog {
		if counts[m.Mailbox] == nil {
			counts[m.Mailbox] = map[string]int{}
		}
		counts[m.Mailbox][m.Purpose] += m.Count
	}
	for fold, count := range counts {
		for _, bound := range bounds {
			sum := 0
			for _, purpose := range bound.purposes {
				sum += count[purpose]
			}
			if most := bound.most * (h.Days + 1); sum > most {
				found = append(found, fmt.Sprintf("mailbox %.12s…: %d emails of %v in %d days, at most %d", fold, sum, bound.purposes, h.Days+1, most))
			}
		}
	}
	return found
}

// checkErased checks that nothing identifies an erased person or their network.
func checkErased(h *history) []string {
	var found []string
	for id, what := range h.Leftovers {
		found = append(found, fmt.Sprintf("person %s was erased; kept: %s", id, what))
	}
	x := newIndex(h)
	for _, d := range h.Deliveries {
		if _, erased := x.erasure(x.events[d.EventID]); erased {
			found = append(found, fmt.Sprintf("person %s was erased; kept: delivery %s, %s", d.SubscriberID, d.ID, d.Kind))
		}
	}
	return found
}

// checkJournal checks that every suppression is in the journal, or is followed by an erasure that is.
func checkJournal(h *history) []string {
	x, found := newIndex(h), []string{}
	for _, e := range h.Events {
		stop := slices.Contains([]string{kindUnsubscribed, kindDeclined, kindSuppressed, kindErased}, e.Kind)
		if stop && !h.Journal[e.ID] && (e.Kind == kindErased || !x.since(e, kindErased)) {
			found = append(found, fmt.Sprintf("event %s, %s: not in the journal", e.ID, e.Kind))
		}
	}
	for id := range h.Journal {
		if _, exists := x.events[id]; !exists {
			found = append(found, fmt.Sprintf("event %s is in the journal, but not in the ledger", id))
		}
	}
	return found
}

// checkLoops checks that Loops has exactly the subscribers.
func checkLoops(h *history) []string {
	var found []string
	active := map[string]uuid.UUID{}
	for _, row := range h.Rows {
		if row.Status == "active" {
			active[known(row.Email)] = row.ID
			if !h.Contacts[known(row.Email)] {
				found = append(found, fmt.Sprintf("row %s is active, and is not subscribed in Loops", row.ID))
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
