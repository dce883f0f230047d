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

const acceptedMessage = "If we keep any data about this address, we have sent a link."

// emailLink emails a link to the address in the request if it is known. The response does not reveal whether it is.
func (h *handler) emailLink(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	wanted, err := readRequest(r)
	if err != nil {
		return nil, err
	}
	verdict := h.admission.Admit(ctx, admission.Attempt{
		Client: r.Client, Honeypot: wanted.signals.Website, StartedAt: wanted.signals.StartedAt,
	})
	lambdafn.Note(ctx, slog.String("limiter_backend", string(verdict.Limit.Backend)), slog.String("limiter_reason", verdict.Limit.Reason))
	if verdict.Outcome == admission.Refuse {
		return nil, httpapi.Limited(verdict.Limit.Violated(), verdict.Limit.RetryAfter, verdict.Limit.Headers())
	}
	defer h.admission.RefundUnlessCommitted(ctx, &verdict)
	outcome, err := h.store.RequestLink(ctx, subscription.LinkRequest{
		Address: wanted.address, Email: wanted.email, Visit: visit(r, wanted.channel),
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
		response = h.page(http.StatusAccepted, translation, translation.Pages.PrivacySent)
	}
	verdict.Commit()
	return response.WithHeader(verdict.Limit.Headers()).WithOutcome(string(outcome)), nil
}

// request is a request for a link by address.
type request struct {
	address subscription.Address
	email   subscription.Email
	signals httpapi.BotSignals
	channel string
}

type requestBody struct {
	Email   string `json:"email"`
	Request string `json:"request"`
	httpapi.BotSignals
}

func readBody(r *httpapi.Request) (body requestBody, channel string, err error) {
	if !httpapi.IsForm(r) {
		body, err = httpapi.DecodeJSON[requestBody](r)
		return body, "api", err
	}
	form, err := httpapi.Form(r, "email", "request", "website", "started_at")
	if err != nil {
		return body, "", err
	}
	body.Email, body.Request = form.Get("email"), form.Get("request")
	body.BotSignals, err = httpapi.FormBotSignals(form)
	return body, "form", err
}

func readRequest(r *httpapi.Request) (wanted request, err error) {
	body, channel, err := readBody(r)
	if err != nil {
		return wanted, err
	}
	wanted.channel, wanted.signals = channel, body.BotSignals
	var problems []httpapi.FieldError
	switch body.Request {
	case "export":
		wanted.email = subscription.ExportLinkEmail
	case "erase":
		wanted.email = subscription.EraseLinkEmail
	default:
		problems = append(problems, httpapi.FieldError{Detail: `This must be "export" or "erase".`, Pointer: "#/request"})
	}
	address, problem := readAddress(body.Email)
	wanted.address = address
	if problem != nil {
		problems = append(problems, *problem)
	}
	if len(problems) > 0 {
		return wanted, httpapi.Invalid(problems...)
	}
	return wanted, nil
}

func readAddress(typed string) (subscription.Address, *httpapi.FieldError) {
	address, err := subscription.ParseAddress(typed)
	if refused, ok := errors.AsType[*subscription.AddressError](err); ok {
		return address, &httpapi.FieldError{Detail: refused.Detail, Pointer: "#/email"}
	}
	return address, nil
}

// requestForms returns the forms that request a copy and an erasure.
func requestForms(translation *catalog.Translation) []httpapi.PageForm {
	text := translation.Pages.Privacy
	form := func(button, wanted string, secondary bool) httpapi.PageForm {
		return httpapi.PageForm{
			Action: "?", Button: button, Secondary: secondary,
			Hidden: []httpapi.Field{{Name: "request", Value: wanted}}, Inputs: []httpapi.Field{addressField(text.Label)},
		}
	}
	return []httpapi.PageForm{form(text.Button, "export", false), form(text.Secondary, "erase", true)}
}

func addressField(label string) httpapi.Field {
	return httpapi.Field{Name: "email", Label: label, Type: "email", Autocomplete: "email", Required: true}
}
