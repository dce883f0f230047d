package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"newsletter/shared/admission"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/phrases"
	"newsletter/shared/subscription"
)

type accepted struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

const acceptedMessage = "If this address is subscribed, we have sent a link to unsubscribe."

// mailLink sends a link to an address that somebody typed, if it is known. The answer does not tell.
func (h *handler) mailLink(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	address, channel, err := readAddress(r)
	if err != nil {
		return nil, err
	}
	verdict := h.gate.Admit(ctx, admission.Attempt{Endpoint: admission.Unsubscribe, Client: r.Client})
	lambdafn.Note(ctx, slog.String("limiter_tier", string(verdict.Limit.Tier)), slog.String("limiter_reason", verdict.Limit.Reason))
	if verdict.Outcome == admission.Refuse {
		return nil, httpapi.Limited(verdict.Limit.Violated(), verdict.Limit.RetryAfter, verdict.Limit.Headers())
	}
	outcome, err := h.store.RequestLink(ctx, subscription.LinkRequest{
		Address: address, Purpose: subscription.UnsubscribeLinkMail, Visit: visit(r, channel),
		Reasons: verdict.Reasons, Drop: verdict.Outcome == admission.Drop,
	})
	if err != nil {
		h.gate.Refund(ctx, verdict)
		return nil, err
	}
	response := httpapi.JSON(http.StatusAccepted, accepted{"accepted", acceptedMessage})
	if httpapi.WantsHTML(r) {
		words := h.words(r)
		response = h.page(http.StatusAccepted, words, words.Pages.LinkAccepted)
	}
	return response.With(verdict.Limit.Headers()).As(string(outcome)), nil
}

// readAddress gives the address that was sent, and by what it was.
func readAddress(r *httpapi.Request) (address subscription.Address, channel string, err error) {
	var email string
	if httpapi.IsForm(r) {
		form, err := httpapi.Form(r, "email")
		if err != nil {
			return address, "", err
		}
		email, channel = form.Get("email"), "form"
	} else {
		body, err := httpapi.DecodeJSON[struct {
			Email string `json:"email"`
		}](r)
		if err != nil {
			return address, "", err
		}
		email, channel = body.Email, "api"
	}
	address, err = subscription.ParseAddress(email)
	if refused, ok := errors.AsType[*subscription.AddressError](err); ok {
		err = httpapi.Invalid(httpapi.FieldError{Detail: refused.Detail, Pointer: "#/email"})
	}
	return address, channel, err
}

func addressForm(words *phrases.Phrases) httpapi.PageForm {
	return httpapi.PageForm{
		Action: path, Button: words.Pages.LeaveByAddress.Button,
		Inputs: []httpapi.Field{addressField(words.Pages.LeaveByAddress.Label)},
	}
}

func addressField(label string) httpapi.Field {
	return httpapi.Field{Name: "email", Label: label, Type: "email", Autocomplete: "email", Required: true}
}
