package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"newsletter/shared/admission"
	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/postgres"
	"newsletter/shared/subscription"
)

type accepted struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

const acceptedMessage = "If this address is subscribed, we have sent a link to unsubscribe."

// emailLink emails a link to the address in the request if it is known. The response does not reveal whether it is.
func (h *handler) emailLink(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	wanted, err := readRequest(r)
	if err != nil {
		return nil, err
	}
	verdict := h.admission.Admit(ctx, admission.Attempt{
		Client: r.Client, Honeypot: wanted.Website, StartedAt: wanted.StartedAt,
	})
	lambdafn.Note(ctx, slog.String("limiter_backend", string(verdict.Limit.Backend)), slog.String("limiter_reason", verdict.Limit.Reason))
	if verdict.Outcome == admission.Refuse {
		return nil, httpapi.Limited(verdict.Limit.Violated(), verdict.Limit.RetryAfter, verdict.Limit.Headers())
	}
	defer h.admission.RefundUnlessCommitted(ctx, &verdict)
	outcome, err := h.store.RequestLink(ctx, subscription.LinkRequest{
		Address: wanted.address, Email: subscription.UnsubscribeLinkEmail, Visit: visit(r, wanted.channel),
		Reasons: verdict.Reasons, Drop: verdict.Outcome == admission.Drop,
	})
	if err != nil {
		if errors.Is(err, postgres.ErrBusy) { // every other error is a failure on our side
			verdict.Commit()
		}
		return nil, err
	}
	response := httpapi.JSON(http.StatusAccepted, accepted{"accepted", acceptedMessage})
	if httpapi.WantsHTML(r) {
		translation := h.translation(r)
		response = h.page(http.StatusAccepted, translation, translation.Pages.LinkAccepted)
	}
	verdict.Commit()
	return response.WithHeader(verdict.Limit.Headers()).WithOutcome(string(outcome)), nil
}

// request is a request for a link by address, with its channel.
type request struct {
	Email string `json:"email"`
	httpapi.BotSignals

	address subscription.Address
	channel string
}

func readRequest(r *httpapi.Request) (wanted request, err error) {
	if httpapi.IsForm(r) {
		form, formErr := httpapi.Form(r, "email", "website", "started_at")
		if formErr != nil {
			return wanted, formErr
		}
		wanted.Email, wanted.channel = form.Get("email"), "form"
		wanted.BotSignals, err = httpapi.FormBotSignals(form)
	} else {
		wanted, err = httpapi.DecodeJSON[request](r)
		wanted.channel = "api"
	}
	if err != nil {
		return wanted, err
	}
	wanted.address, err = subscription.ParseAddress(wanted.Email)
	if refused, ok := errors.AsType[*subscription.AddressError](err); ok {
		err = httpapi.Invalid(httpapi.FieldError{Detail: refused.Detail, Pointer: "#/email"})
	}
	return wanted, err
}

func addressForm(translation *catalog.Translation) httpapi.PageForm {
	return httpapi.PageForm{
		Action: "?", Button: translation.Pages.UnsubscribeByAddress.Button,
		Inputs: []httpapi.Field{addressField(translation.Pages.UnsubscribeByAddress.Label)},
	}
}

func addressField(label string) httpapi.Field {
	return httpapi.Field{Name: "email", Label: label, Type: "email", Autocomplete: "email", Required: true}
}
