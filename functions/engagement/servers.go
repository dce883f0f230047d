package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"newsletter/shared/admission"
	"newsletter/shared/apikey"
	"newsletter/shared/httpapi"
	"newsletter/shared/serverauth"
	"newsletter/shared/subscription"
)

// authenticate returns the visit of a server whose key has the scope.
func (h *handler) authenticate(ctx context.Context, r *httpapi.Request, scope apikey.Scopes) (subscription.Visit, error) {
	key, err := serverauth.Authenticate(ctx, r, h.keys, scope)
	if err == nil && key == nil {
		err = httpapi.Unauthorized()
	}
	return subscription.Visit{RequestID: r.RequestID, Channel: "api", Key: key}, err
}

// Reported is one person who must get no more email, according to a sender.
type Reported struct {
	Email  string         `json:"email"`
	Reason string         `json:"reason"`
	At     httpapi.Moment `json:"at"`
}

// reports is the body of a request to suppress: one person, or a list.
type reports struct {
	Reported
	Suppressions []Reported `json:"suppressions"`
}

// maxReports limits the list of a request: one transaction, in a fraction of the function's time.
const maxReports = 100

// states are the states of a list that the reasons are.
var states = map[string]subscription.ListState{
	"unsubscribed": subscription.ListLeft, "bounced": subscription.ListBounced, "complained": subscription.ListComplained,
}

// result is the answer about one person. It does not depend on whether the address is known.
type result struct {
	Status string `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// suppressions takes what a sender reports, as an import takes who left: see subscription.Store.Import. Repeating it
// changes nothing.
func (h *handler) suppressions(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	visit, err := h.authenticate(ctx, r, apikey.Suppressions)
	if err != nil {
		return nil, err
	}
	body, err := httpapi.DecodeJSON[reports](r)
	if err != nil {
		return nil, err
	}
	all, mistakes := body.list()
	if len(mistakes) > 0 {
		return nil, httpapi.Invalid(mistakes...)
	}
	entries, results := h.entries(all)
	if _, err := h.store.Import(ctx, subscription.ListImport{Entries: entries, Visit: visit}); err != nil {
		return nil, serverauth.Problem(ctx, err, apikey.Suppressions)
	}
	return httpapi.JSON(http.StatusOK, map[string][]result{"results": results}).WithOutcome("suppressions"), nil
}

// list returns the people of a body, and what its author must correct.
func (b reports) list() (all []Reported, mistakes []httpapi.FieldError) {
	all = b.Suppressions
	switch {
	case b.Suppressions == nil:
		all = []Reported{b.Reported}
	case b.Reported != Reported{}:
		return nil, []httpapi.FieldError{{Detail: "Send one person or a list, not both.", Pointer: "#/suppressions"}}
	case len(all) == 0 || len(all) > maxReports:
		return nil, []httpapi.FieldError{{Detail: "Send 1 to 100 people at once.", Pointer: "#/suppressions"}}
	}
	for i, one := range all {
		pointer := "#/suppressions/" + strconv.Itoa(i) + "/"
		if b.Suppressions == nil {
			pointer = "#/"
		}
		if one.Email == "" {
			mistakes = append(mistakes, httpapi.FieldError{Detail: "This is required.", Pointer: pointer + "email"})
		}
		if states[one.Reason] == "" {
			mistakes = append(mistakes, httpapi.FieldError{Detail: `This must be "unsubscribed", "bounced" or "complained".`, Pointer: pointer + "reason"})
		}
		if one.At.Unreadable {
			mistakes = append(mistakes, httpapi.FieldError{Detail: `This must be a time such as "2026-01-31T12:00:00Z", or be left out.`, Pointer: pointer + "at"})
		}
	}
	return all, mistakes
}

// entries returns the entries of a list, the gravest first, because each address counts once; and the results in the
// order of the request.
func (h *handler) entries(all []Reported) ([]subscription.ListEntry, []result) {
	var entries []subscription.ListEntry
	results := make([]result, len(all))
	now := h.now()
	for i, one := range all {
		_, err := subscription.ParseAddress(one.Email)
		if invalid, ok := errors.AsType[*subscription.AddressError](err); ok {
			results[i] = result{"refused", invalid.Detail}
			continue
		}
		results[i].Status = "accepted"
		at := one.At.Time
		if at.After(now) { // by a wrong clock
			at = now
		}
		entries = append(entries, subscription.ListEntry{Line: i, Email: one.Email, State: states[one.Reason], EndedAt: at})
	}
	gravity := subscription.ListStates()
	slices.SortStableFunc(entries, func(a, b subscription.ListEntry) int {
		return slices.Index(gravity, b.State) - slices.Index(gravity, a.State)
	})
	return entries, results
}

// lookUp returns a subscriber by the id that webhooks have.
func (h *handler) lookUp(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	visit, err := h.authenticate(ctx, r, apikey.Read)
	if err != nil {
		return nil, err
	}
	id, err := uuid.Parse(r.PathID())
	if err != nil {
		return nil, httpapi.NotFound()
	}
	limit := admission.TakeLookUp(ctx, h.limiter, visit.Key.ID.String())
	if !limit.Allowed {
		return nil, httpapi.Limited(limit.Violated(), limit.RetryAfter, limit.Headers())
	}
	found, err := h.store.LookUp(ctx, id, visit)
	if errors.Is(err, subscription.ErrUnknown) {
		return nil, httpapi.NotFound()
	}
	if err != nil {
		return nil, serverauth.Problem(ctx, err, apikey.Read)
	}
	return httpapi.JSON(http.StatusOK, found).WithHeader(limit.Headers()).WithOutcome("found"), nil
}
