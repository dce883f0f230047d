package main

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"newsletter/shared/token"
)

// checkOneRow checks that an address has at most one row, whatever its spelling (I2).
func checkOneRow(h *history) []string {
	var found []string
	rows := map[string][]uuid.UUID{}
	for _, row := range h.Rows {
		if row.Norm != known(row.Email) {
			found = append(found, fmt.Sprintf("row %s: its address and its normalized address do not match", row.ID))
		}
		rows[known(row.Email)] = append(rows[known(row.Email)], row.ID)
	}
	for _, ids := range rows {
		if len(ids) > 1 {
			found = append(found, fmt.Sprintf("rows %v have the same address", ids))
		}
	}
	return found
}

// cell is the kind and outcome of an event.
type cell struct{ kind, outcome string }

// cells lists the allowed transitions as "from>to"; "=" is any state that does not change.
var cells = map[cell][]string{
	{kindRequested, "confirmation_queued"}: {"none>pending", "erased>pending", "pending>pending", "unsubscribed>pending"},
	{kindRequested, "already_subscribed"}:  {"active>active"},
	{kindRequested, "request_suppressed"}:  {"="},
	{kindConfirmed, "confirmed"}:           {"pending>active"},
	{kindUnsubscribed, "unsubscribed"}:     {"active>unsubscribed"},
	{kindDeclined, "declined"}:             {"pending>none", "pending>unsubscribed"},
	{kindDeclined, "muted"}:                {"none>none", "unsubscribed>unsubscribed"},
	{kindExpired, "expired"}:               {"pending>none", "pending>unsubscribed", "suppressed>suppressed"},
	{kindSuppressed, "suppressed"}:         {"none>suppressed", "pending>suppressed", "active>suppressed", "unsubscribed>suppressed", "erased>suppressed"},
	{kindErased, "erased"}: {
		"none>erased", "pending>erased", "active>erased", "unsubscribed>erased", "suppressed>erased", "erased>erased",
	},
}

// checkTransitions checks that the ledger contains every transition of a person once, in order and by the rules, and
// ends in the state of the row (I4).
func checkTransitions(h *history) []string {
	x, found := newIndex(h), []string{}
	rows := map[uuid.UUID]row{}
	for _, row := range h.Rows {
		rows[row.ID] = row
		if len(x.byPerson[row.ID]) == 0 {
			found = append(found, fmt.Sprintf("row %s: not in the ledger", row.ID))
		}
	}
	for id, events := range x.byPerson {
		state, epoch, returning := "none", 1, false
		for _, e := range events {
			if !e.moves() {
				continue
			}
			if what := misstep(e, state, returning); what != "" {
				found = append(found, fmt.Sprintf("event %s of person %s: %s", e.ID, id, what))
			}
			state, returning = e.To, e.To == "pending" && (returning || e.From == "unsubscribed")
			if ends(e) {
				epoch++
			}
		}
		row, exists := rows[id]
		switch {
		case exists && (row.Status != state || row.Epoch != epoch):
			found = append(found, fmt.Sprintf("row %s is %s in epoch %d; in the ledger it is %s in epoch %d", id, row.Status, row.Epoch, state, epoch))
		case !exists && slices.Contains([]string{"pending", "active", "unsubscribed"}, state):
			found = append(found, fmt.Sprintf("person %s is %s in the ledger, and has no row", id, state))
		}
	}
	return found
}

// misstep returns what is wrong with an event of a person in a state, or "".
func misstep(e event, state string, returning bool) string {
	steps, known := cells[cell{e.Kind, e.Outcome}]
	step := slices.Contains(steps, e.From+">"+e.To) || slices.Contains(steps, "=") && e.From == e.To
	follows := e.From == state || rowless(e.From) && (state == "none" || state == "erased")
	switch {
	case !known:
		return fmt.Sprintf("%s with outcome %q is no transition", e.Kind, e.Outcome)
	case !step:
		return fmt.Sprintf("%s, %s: %s to %s is not allowed", e.Kind, e.Outcome, e.From, e.To)
	case !follows:
		return fmt.Sprintf("%s begins in %s, but the previous event ended in %s", e.Kind, e.From, state)
	case (e.Kind == kindDeclined || e.Kind == kindExpired) && e.From == "pending" && (e.To == "unsubscribed") != returning:
		return fmt.Sprintf("%s leads to %s; unsubscribed before: %t", e.Kind, e.To, returning)
	}
	return ""
}

// rowless lists the states of a person without a row; the suppression of the address decides.
func rowless(state string) bool { return state == "none" || state == "erased" || state == "suppressed" }

// ends reports whether an event invalidates all older links.
func ends(e event) bool {
	switch e.Kind {
	case kindUnsubscribed, kindSuppressed, kindErased:
		return true
	case kindDeclined:
		return e.Outcome == "declined"
	}
	return false
}

// carries reports whether a delivery has the link of a request. Of one that an erasure deleted, only the kind and the
// address are known.
func (x *index) carries(d delivery, request uuid.UUID) bool {
	e := x.events[request]
	return d.EventID == request || d.Erased && x.emailOf(e) == d.Kind && x.address(e.SubscriberID) == x.address(d.SubscriberID)
}

// checkConfirmed checks that activation takes a POST with the link of an email to the address (I6).
func checkConfirmed(h *history) []string {
	x, found := newIndex(h), []string{}
	for _, e := range h.Events {
		if e.Kind != kindConfirmed {
			continue
		}
		proven := slices.ContainsFunc(h.Calls, func(c call) bool {
			return c.Op == opConfirm && (c.RequestID == e.RequestID || c.RequestID == "") && !c.Start.After(e.Committed) &&
				c.Claims.Purpose == token.Confirm && c.Claims.SubscriberID == e.SubscriberID && c.Claims.EventID == e.RequestEvent &&
				x.carries(x.deliveries[c.Delivery], e.RequestEvent)
		})
		if !proven {
			found = append(found, fmt.Sprintf("event %s: no button of an email was pressed for person %s", e.ID, e.SubscriberID))
		}
	}
	for _, row := range h.Rows {
		if row.Status == "active" && !slices.ContainsFunc(x.byPerson[row.ID], func(e event) bool { return e.Kind == kindConfirmed }) {
			found = append(found, fmt.Sprintf("row %s is active and was never confirmed", row.ID))
		}
	}
	return found
}
