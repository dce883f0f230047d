// Command confirm serves the link in the confirmation email. GET shows a page with the buttons; POST confirms or
// declines. GET changes nothing, because email scanners open links too.
package main

import (
	"context"
	"errors"
	"net/http"

	"newsletter/shared/admission"
	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
	"newsletter/shared/subscription"
	"newsletter/shared/telemetry"
	"newsletter/shared/token"
	"newsletter/shared/visitor"
)

// agreed is the value of "agree", the box to tick.
const agreed = "yes"

// The values of "action".
const (
	decline = "decline" // declines the sign-up
	signUp  = "sign-up" // of a declined link: allows another sign-up
)

type handler struct {
	*visitor.Service
	ring    *token.Ring
	captcha bool // sign-ups require a CAPTCHA
}

// show returns the page with the buttons. It changes nothing.
func (h *handler) show(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	claims, err := h.ring.Verify(ctx, r.QueryToken(), r.Time)
	if err == nil || errors.Is(err, token.ErrRenewable) {
		if response, problem := h.declinedLink(ctx, r, claims); response != nil || problem != nil {
			return response, problem
		}
	}
	if err != nil {
		return h.ExpiredLink(ctx, r, claims, err, invalidPage)
	}
	text, err := h.Store.ConsentText(ctx, claims.Link)
	if err != nil {
		return nil, err
	}
	page := func(t *catalog.Translation) visitor.Page {
		if text.Rectifies {
			return confirmPage(t, t.Pages.Rectify, text)
		}
		return confirmPage(t, t.Pages.Confirm, text)
	}
	return h.RespondIn(visitor.Language(r, string(text.Locale)), r, http.StatusOK, visitor.State{Status: "pending"}, page).WithOutcome("shown"), nil
}

// act handles the buttons. Email scanners press them too, so confirming takes a ticked box, and declining takes the
// address.
func (h *handler) act(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	claims, invalid := h.ring.Verify(ctx, r.QueryToken(), r.Time)
	if invalid != nil && !errors.Is(invalid, token.ErrRenewable) {
		return h.InvalidLink(ctx, r, invalid, invalidPage)
	}
	form, err := httpapi.Form(r, "action", "agree", "email")
	if err != nil {
		return nil, err
	}
	do, status, page := h.Store.Confirm, "active", confirmedPage
	switch action := form.Get("action"); {
	case action == signUp:
		do, status, page = h.Store.EndMute, "mute_ended", h.muteEndedPage(r)
	case invalid != nil:
		return h.ExpiredLink(ctx, r, claims, invalid, invalidPage)
	case action == decline && httpapi.WantsHTML(r) && !form.Has("email"):
		return h.Respond(r, http.StatusOK, visitor.State{}, declinePage).WithOutcome("shown"), nil
	case action == decline:
		address, mistake := visitor.ParseAddress(form.Get("email"))
		if mistake != nil {
			return h.mismatch(r)
		}
		do = func(ctx context.Context, link token.Link, visit subscription.Visit) (subscription.Outcome, error) {
			return h.Store.Decline(ctx, link, address, visit)
		}
		status, page = "declined", declinedPage
	case action != "":
		return nil, httpapi.Invalid(httpapi.FieldError{Detail: `This must be "decline", or be left out.`, Pointer: "#/action"})
	case form.Get("agree") != agreed:
		return h.unticked(ctx, r, claims)
	}
	response, err := h.Admit(ctx, admission.Request{Client: r.Client}, func(admission.Decision) (*httpapi.Response, error) {
		outcome, err := do(ctx, claims.Link, visitor.Visit(r, "link"))
		if err != nil {
			return nil, err
		}
		if outcome == subscription.AddressChanged {
			page = rectifiedPage
		}
		return h.Respond(r, http.StatusOK, visitor.State{Status: status}, page).WithOutcome(string(outcome)), nil
	})
	if errors.Is(err, subscription.ErrNotTheAddress) {
		telemetry.SecurityEvent(ctx, "recipient_mismatch")
		return h.mismatch(r)
	}
	if !errors.Is(err, subscription.ErrUnknown) {
		return response, err
	}
	if response, problem := h.declinedLink(ctx, r, claims); response != nil || problem != nil {
		return response, problem
	}
	return h.InvalidLink(ctx, r, err, invalidPage)
}

// declinedLink returns the response to a declined link; nothing for any other.
func (h *handler) declinedLink(ctx context.Context, r *httpapi.Request, claims token.Claims) (*httpapi.Response, error) {
	use, err := h.Store.OldLink(ctx, claims)
	if err != nil || use != subscription.Declined {
		return nil, err
	}
	const detail = `Its sign-up was declined. To allow another one, send a form with "action=sign-up" to its URL.`
	return h.EndedLink(r, detail, func(t *catalog.Translation) visitor.Page {
		text := t.Pages.DeclinedLink
		return visitor.Page{Text: text, Forms: []httpapi.PageForm{visitor.ActionForm(text.Button, signUp)}}
	})
}

// unticked returns the form again, with what is missing.
func (h *handler) unticked(ctx context.Context, r *httpapi.Request, claims token.Claims) (*httpapi.Response, error) {
	if !httpapi.WantsHTML(r) {
		return nil, httpapi.Invalid(httpapi.FieldError{Detail: `This must be "yes": the subscriber's own consent.`, Pointer: "#/agree"})
	}
	text, err := h.Store.ConsentText(ctx, claims.Link)
	if err != nil {
		return nil, err
	}
	page := func(t *catalog.Translation) visitor.Page { return confirmPage(t, t.Pages.ConfirmUnticked, text) }
	language := visitor.Language(r, string(text.Locale))
	return h.RespondIn(language, r, http.StatusUnprocessableEntity, visitor.State{}, page).WithOutcome("validation-error"), nil
}

// mismatch returns the form that asks for the address again. It is the same for an address that is none and for that of
// another subscriber.
func (h *handler) mismatch(r *httpapi.Request) (*httpapi.Response, error) {
	if !httpapi.WantsHTML(r) {
		return nil, httpapi.Invalid(httpapi.FieldError{Detail: "This must be the address that the link was sent to.", Pointer: "#/email"})
	}
	page := func(t *catalog.Translation) visitor.Page {
		return visitor.Page{Text: t.Pages.DeclineMismatch, Forms: declineForms(t)}
	}
	return h.Respond(r, http.StatusUnprocessableEntity, visitor.State{}, page).WithOutcome("recipient-mismatch"), nil
}

// confirmPage returns the page with the consent text and the buttons, below text.
func confirmPage(t *catalog.Translation, text catalog.Page, consent subscription.ConsentText) visitor.Page {
	confirm := t.Pages.Confirm
	return visitor.Page{Text: text, Quote: consent.Body, Forms: []httpapi.PageForm{
		{Button: confirm.Button, Inputs: []httpapi.Field{{Name: "agree", Value: agreed, Label: confirm.Box, Type: "checkbox", Required: true}}},
		{Button: confirm.Secondary, Secondary: true, Hidden: []httpapi.Field{{Name: "action", Value: decline}}},
	}}
}

func declinePage(t *catalog.Translation) visitor.Page {
	return visitor.Page{Text: t.Pages.Decline, Forms: declineForms(t)}
}

func declineForms(t *catalog.Translation) []httpapi.PageForm {
	form := visitor.ActionForm(t.Pages.Decline.Button, decline)
	form.Inputs = []httpapi.Field{visitor.AddressField(t.Pages.Decline.Label)}
	return []httpapi.PageForm{form}
}

func (h *handler) muteEndedPage(r *httpapi.Request) visitor.Translate {
	return func(t *catalog.Translation) visitor.Page {
		return visitor.SignUpPage(r, t, t.Pages.MuteEnded, "declined-link", h.captcha)
	}
}

func confirmedPage(t *catalog.Translation) visitor.Page { return visitor.Page{Text: t.Pages.Confirmed} }

func rectifiedPage(t *catalog.Translation) visitor.Page { return visitor.Page{Text: t.Pages.Rectified} }

func declinedPage(t *catalog.Translation) visitor.Page { return visitor.Page{Text: t.Pages.Declined} }

func invalidPage(t *catalog.Translation) visitor.Page { return visitor.Page{Text: t.Pages.InvalidLink} }
