package faults

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"newsletter/shared/token"
)

// checkOneRow: an address has one row at most, whatever its spelling (I2).
func checkOneRow(h *History) []string {
	var found []string
	rows := map[string][]uuid.UUID{}
	for _, row := range h.Rows {
		if row.Norm != known(row.Email) {
			found = append(found, fmt.Sprintf("row %s: its address and what it is known by do not belong together", row.ID))
		}
		rows[known(row.Email)] = append(rows[known(row.Email)], row.ID)
	}
	for _, ids := range rows {
		if len(ids) > 1 {
			found = append(found, fmt.Sprintf("rows %v are of one address", ids))
		}
	}
	return found
}

// cell is an event's kind and outcome.
type cell struct{ kind, outcome string }

// cells are the transitions that DESIGN allows, as "from>to". "=" is any state that stays.
var cells = map[cell][]string{
	{kindRequested, "confirmation_queued"}:      {"none>pending", "erased>pending", "pending>pending", "unsubscribed>pending"},
	{kindRequested, "confirmation_capped"}:      {"none>pending", "erased>pending", "pending>pending", "unsubscribed>pending"},
	{kindRequested, "already_subscribed"}:       {"active>active"},
	{kindRequested, "already_subscribed_quiet"}: {"active>active"},
	{kindRequested, "silenced"}:                 {"="},
	{kindRequested, "dropped"}:                  {"="},
	{kindConfirmed, "confirmed"}:                {"pending>active"},
	{kindUnsubscribed, "unsubscribed"}:          {"active>unsubscribed"},
	{kindCancelled, "cancelled"}:                {"pending>none", "pending>unsubscribed"},
	{kindCancelled, "hushed"}:                   {"none>none", "unsubscribed>unsubscribed"},
	{kindExpired, "expired"}:                    {"pending>none", "pending>unsubscribed"},
	{kindSuppressed, "suppressed"}:              {"none>suppressed", "pending>suppressed", "active>suppressed", "unsubscribed>suppressed", "erased>suppressed"},
	{kindErased, "erased"}: {
		"none>erased", "pending>erased", "active>erased", "unsubscribed>erased", "suppressed>erased", "erased>erased",
	},
}

// checkTransitions: the ledger tells of every change of a person's state once, in their order, by the rules, and ends
// where the row stands (I4).
func checkTransitions(h *History) []string {
	x, found := newIndex(h), []string{}
	rows := map[uuid.UUID]Row{}
	for _, row := range h.Rows {
		rows[row.ID] = row
		if len(x.byPerson[row.ID]) == 0 {
			found = append(found, fmt.Sprintf("row %s: the ledger does not know it", row.ID))
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
			found = append(found, fmt.Sprintf("row %s is %s in epoch %d; by the ledger it is %s in epoch %d", id, row.Status, row.Epoch, state, epoch))
		case !exists && slices.Contains([]string{"pending", "active", "unsubscribed"}, state):
			found = append(found, fmt.Sprintf("person %s is %s by the ledger, and has no row", id, state))
		}
	}
	return found
}

// misstep says what is wrong with an event of a person in a state; "" for nothing.
func misstep(e Event, state string, returning bool) string {
	steps, known := cells[cell{e.Kind, e.Outcome}]
	step := slices.Contains(steps, e.From+">"+e.To) || slices.Contains(steps, "=") && e.From == e.To
	follows := e.From == state || rowless(e.From) && (state == "none" || state == "erased")
	switch {
	case !known:
		return fmt.Sprintf("%s with outcome %q is no transition", e.Kind, e.Outcome)
	case !step:
		return fmt.Sprintf("%s, %s: %s to %s is not allowed", e.Kind, e.Outcome, e.From, e.To)
	case !follows:
		return fmt.Sprintf("%s begins in %s, and the event before it ended in %s", e.Kind, e.From, state)
	case (e.Kind == kindCancelled || e.Kind == kindExpired) && e.From == "pending" && (e.To == "unsubscribed") != returning:
		return fmt.Sprintf("%s leads to %s; somebody who had unsubscribed before: %t", e.Kind, e.To, returning)
	}
	return ""
}

// rowless are the states that a person without a row may be in: what is held against their address decides.
func rowless(state string) bool { return state == "none" || state == "erased" || state == "suppressed" }

// ends says whether an event ends all older links.
func ends(e Event) bool {
	switch e.Kind {
	case kindUnsubscribed, kindSuppressed, kindErased:
		return true
	case kindCancelled:
		return e.Outcome == "cancelled"
	}
	return false
}

// checkConfirmed: nobody is active without a POST with the link of a mail to them (I6).
func checkConfirmed(h *History) []string {
	x, found := newIndex(h), []string{}
	for _, e := range h.Events {
		if e.Kind != kindConfirmed {
			continue
		}
		proven := slices.ContainsFunc(h.Calls, func(c Call) bool {
			return c.Op == opConfirm && (c.RequestID == e.RequestID || c.RequestID == "") && !c.Start.After(e.Committed) &&
				c.Claims.Purpose == token.Confirm && c.Claims.SubscriberID == e.SubscriberID && c.Claims.EventID == e.RequestEvent &&
				x.deliveries[c.Delivery].EventID == e.RequestEvent
		})
		if !proven {
			found = append(found, fmt.Sprintf("event %s: nobody pressed the button of a mail for person %s", e.ID, e.SubscriberID))
		}
	}
	for _, row := range h.Rows {
		if row.Status == "active" && !slices.ContainsFunc(x.byPerson[row.ID], func(e Event) bool { return e.Kind == kindConfirmed }) {
			found = append(found, fmt.Sprintf("row %s is active and was never confirmed", row.ID))
		}
	}
	return found
}
