package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
	"newsletter/shared/subscription"
	"newsletter/shared/telemetry"
	"newsletter/shared/token"
	"newsletter/shared/visitor"
)

// forget erases the subscriber of the link. The request must contain the subscriber's address.
func (h *handler) forget(ctx context.Context, r *httpapi.Request, link token.Link) (*httpapi.Response, error) {
	address, object, err := readErasure(r)
	if err != nil {
		return nil, visitor.WithForms(err, "", func(t *catalog.Translation) []httpapi.PageForm { return eraseForms(t.Pages.Erase) })
	}
	outcome, err := h.eraser.Erase(ctx, subscription.Erasure{
		Address: address, SubscriberID: link.SubscriberID, Object: object, Visit: visitor.Visit(r, "link"),
	})
	if errors.Is(err, subscription.ErrNotTheAddress) {
		telemetry.SecurityEvent(ctx, "recipient_mismatch")
		if !httpapi.WantsHTML(r) {
			return nil, httpapi.Invalid(httpapi.FieldError{Detail: "This must be the address that the link was sent to.", Pointer: "#/email"})
		}
		return h.Respond(r, http.StatusUnprocessableEntity, visitor.State{}, mismatchPage).WithOutcome("recipient-mismatch"), nil
	}
	if err != nil {
		return h.InvalidLink(ctx, r, err, requestPage)
	}
	return h.Respond(r, http.StatusOK, visitor.State{Status: "erased"}, erasedPage).WithOutcome(string(outcome)), nil
}

type erasureBody struct {
	Email  string `json:"email"`
	Object bool   `json:"object"`
}

// readErasure returns the address that was entered, and whether its owner objects to all further email.
func readErasure(r *httpapi.Request) (address subscription.Address, object bool, err error) {
	var body erasureBody
	if httpapi.IsForm(r) {
		form, formErr := httpapi.Form(r, "email", "object")
		body, err = erasureBody{form.Get("email"), strings.TrimSpace(form.Get("object")) == "true"}, formErr
	} else {
		body, err = httpapi.DecodeJSON[erasureBody](r)
	}
	if err != nil {
		return address, false, err
	}
	address, mistake := visitor.ParseAddress(body.Email)
	if mistake != nil {
		return address, false, httpapi.Invalid(*mistake)
	}
	return address, body.Object, nil
}

func erasePage(t *catalog.Translation) visitor.Page {
	return visitor.Page{Text: t.Pages.Erase, Forms: eraseForms(t.Pages.Erase)}
}

func mismatchPage(t *catalog.Translation) visitor.Page {
	return visitor.Page{Text: t.Pages.AddressMismatch, Forms: eraseForms(t.Pages.AddressMismatch)}
}

func erasedPage(t *catalog.Translation) visitor.Page { return visitor.Page{Text: t.Pages.Erased} }

// eraseForms returns the forms for erasure without and with an objection.
func eraseForms(text catalog.Page) []httpapi.PageForm {
	form := httpapi.PageForm{Button: text.Button, Inputs: []httpapi.Field{visitor.AddressField(text.Label)}}
	objecting := form
	objecting.Button, objecting.Secondary = text.Secondary, true
	objecting.Hidden = []httpapi.Field{{Name: "object", Value: "true"}}
	return []httpapi.PageForm{form, objecting}
}
