package main

import (
	"context"
	"errors"
	"net/http"

	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
	"newsletter/shared/subscription"
	"newsletter/shared/telemetry"
	"newsletter/shared/token"
)

// forget erases the subscriber of the link. The request must contain the subscriber's address.
func (h *handler) forget(ctx context.Context, r *httpapi.Request, claims token.Claims) (*httpapi.Response, error) {
	address, object, err := readErasure(r)
	if err != nil {
		return nil, err
	}
	outcome, err := h.eraser.Erase(ctx, subscription.Erasure{
		Address: address, SubscriberID: claims.SubscriberID, Object: object, Visit: visit(r, "link"),
	})
	if errors.Is(err, subscription.ErrNotTheAddress) {
		telemetry.SecurityEvent(ctx, "recipient_mismatch")
	}
	translation := h.translation(r)
	switch {
	case errors.Is(err, subscription.ErrNotTheAddress) && httpapi.WantsHTML(r):
		text := translation.Pages.AddressMismatch
		return h.page(http.StatusUnprocessableEntity, translation, text, eraseForms(text)...).WithOutcome("not-the-address"), nil
	case errors.Is(err, subscription.ErrNotTheAddress):
		return nil, httpapi.Invalid(httpapi.FieldError{Detail: "This must be the address that the link was sent to.", Pointer: "#/email"})
	case err != nil:
		return h.refused(ctx, r, err)
	case !httpapi.WantsHTML(r):
		return httpapi.JSON(http.StatusOK, state{"erased"}).WithOutcome(string(outcome)), nil
	}
	return h.page(http.StatusOK, translation, translation.Pages.Erased).WithOutcome(string(outcome)), nil
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
		body, err = erasureBody{form.Get("email"), form.Get("object") == "true"}, formErr
	} else {
		body, err = httpapi.DecodeJSON[erasureBody](r)
	}
	if err != nil {
		return address, false, err
	}
	address, problem := readAddress(body.Email)
	if problem != nil {
		return address, false, httpapi.Invalid(*problem)
	}
	return address, body.Object, nil
}

// eraseForms returns the forms for erasure without and with an objection.
func eraseForms(text catalog.Page) []httpapi.PageForm {
	form := httpapi.PageForm{Button: text.Button, Inputs: []httpapi.Field{addressField(text.Label)}}
	objecting := form
	objecting.Button, objecting.Secondary = text.Secondary, true
	objecting.Hidden = []httpapi.Field{{Name: "object", Value: "true"}}
	return []httpapi.PageForm{form, objecting}
}
