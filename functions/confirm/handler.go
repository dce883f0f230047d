// Command confirm serves the link in the confirmation email. GET shows a page with the buttons; POST confirms or
// declines. GET changes nothing, because email scanners open links too.
package main

import (
	"context"
	"net/http"

	"newsletter/shared/admission"
	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
	"newsletter/shared/token"
	"newsletter/shared/visitor"
)

// decline is the value of "action" that declines the sign-up.
const decline = "decline"

type handler struct {
	*visitor.Service
	ring *token.Ring
}

// show returns the page with the buttons. It changes nothing.
func (h *handler) show(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	claims, err := h.ring.Verify(ctx, r.QueryToken(), r.Time)
	if err != nil {
		return h.InvalidLink(ctx, r, err, invalidPage)
	}
	text, err := h.Store.ConsentText(ctx, claims.Link)
	if err != nil {
		return nil, err
	}
	page := func(t *catalog.Translation) visitor.Page {
		return visitor.Page{Text: t.Pages.Confirm, Quote: text.Body, Forms: []httpapi.PageForm{
			{Button: t.Pages.Confirm.Button},
			{Button: t.Pages.Confirm.Secondary, Secondary: true, Hidden: []httpapi.Field{{Name: "action", Value: decline}}},
		}}
	}
	return h.RespondIn(visitor.Language(r, string(text.Locale)), r, http.StatusOK, visitor.State{Status: "pending"}, page).WithOutcome("shown"), nil
}

// act handles the buttons. A POST without a body confirms.
func (h *handler) act(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	claims, err := h.ring.Verify(ctx, r.QueryToken(), r.Time)
	if err != nil {
		return h.InvalidLink(ctx, r, err, invalidPage)
	}
	form, err := httpapi.Form(r, "action")
	if err != nil {
		return nil, err
	}
	do, status, page := h.Store.Confirm, "active", confirmedPage
	switch form.Get("action") {
	case "":
	case decline:
		do, status, page = h.Store.Decline, "declined", declinedPage
	default:
		return nil, httpapi.Invalid(httpapi.FieldError{Detail: `This must be "decline", or be left out.`, Pointer: "#/action"})
	}
	response, err := h.Admit(ctx, admission.Request{Client: r.Client}, func(admission.Decision) (*httpapi.Response, error) {
		outcome, err := do(ctx, claims.Link, visitor.Visit(r, "link"))
		if err != nil {
			return nil, err
		}
		return h.Respond(r, http.StatusOK, visitor.State{Status: status}, page).WithOutcome(string(outcome)), nil
	})
	if err != nil {
		return h.InvalidLink(ctx, r, err, invalidPage)
	}
	return response, nil
}

func confirmedPage(t *catalog.Translation) visitor.Page { return visitor.Page{Text: t.Pages.Confirmed} }

func declinedPage(t *catalog.Translation) visitor.Page { return visitor.Page{Text: t.Pages.Declined} }

func invalidPage(t *catalog.Translation) visitor.Page { return visitor.Page{Text: t.Pages.InvalidLink} }
