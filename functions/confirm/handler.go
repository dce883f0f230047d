// Command confirm serves the link in the confirmation email. GET shows a page with the buttons; POST confirms or
// declines. GET changes nothing, because email scanners open links too.
package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"newsletter/shared/admission"
	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/postgres"
	"newsletter/shared/subscription"
	"newsletter/shared/telemetry"
	"newsletter/shared/token"
)

const (
	path       = "/api/newsletter/confirm"
	retryAfter = 2 * time.Second
	decline    = "decline" // the value of "action" that declines the sign-up
)

type admitter interface {
	Admit(ctx context.Context, a admission.Attempt) admission.Verdict
	RefundUnlessCommitted(ctx context.Context, v *admission.Verdict)
}

type store interface {
	Confirm(ctx context.Context, c token.Claims, v subscription.Visit) (subscription.Outcome, error)
	Decline(ctx context.Context, c token.Claims, v subscription.Visit) (subscription.Outcome, error)
	ConsentText(ctx context.Context, c token.Claims) (subscription.ConsentText, error)
}

type handler struct {
	admission    admitter
	store        store
	ring         *token.Ring
	translations *catalog.Catalog
}

func (h *handler) api(cfg httpapi.Config) *httpapi.API {
	unavailable := func(cause error) *httpapi.Problem { return httpapi.Unavailable(retryAfter, cause) }
	return httpapi.New(cfg, httpapi.Route{Path: path, GET: h.show, POST: h.act}).
		Map(token.ErrReload, unavailable).
		Map(postgres.ErrBusy, func(error) *httpapi.Problem { return httpapi.Busy(retryAfter) }).
		Map(postgres.ErrUnavailable, unavailable)
}

type state struct {
	Status string `json:"status"`
}

// show returns the page with the buttons. It changes nothing.
func (h *handler) show(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	claims, err := h.ring.Verify(ctx, r.QueryToken(), r.Time)
	if err != nil {
		return h.refused(ctx, r, err)
	}
	text, err := h.store.ConsentText(ctx, claims)
	if err != nil {
		return nil, err
	}
	if !httpapi.WantsHTML(r) {
		return httpapi.JSON(http.StatusOK, state{"pending"}).WithOutcome("shown"), nil
	}
	translation := h.translation(r, text.Locale)
	return httpapi.HTML(http.StatusOK, httpapi.Page{
		Lang: translation.Lang, Title: translation.Pages.Confirm.Title, Paragraphs: translation.Pages.Confirm.Paragraphs, Quote: text.Body, Footer: h.translations.Footer,
		Forms: []httpapi.PageForm{
			{Button: translation.Pages.Confirm.Button},
			{Button: translation.Pages.Confirm.Secondary, Secondary: true, Hidden: []httpapi.Field{{Name: "action", Value: decline}}},
		},
	}).WithOutcome("shown"), nil
}

// act handles the buttons. A POST without a body confirms.
func (h *handler) act(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	claims, err := h.ring.Verify(ctx, r.QueryToken(), r.Time)
	if err != nil {
		return h.refused(ctx, r, err)
	}
	form, err := httpapi.Form(r, "action")
	if err != nil {
		return nil, err
	}
	action := form.Get("action")
	if action != "" && action != decline {
		return nil, httpapi.Invalid(httpapi.FieldError{Detail: `This must be "decline", or be left out.`, Pointer: "#/action"})
	}
	verdict := h.admission.Admit(ctx, admission.Attempt{Client: r.Client})
	lambdafn.Note(ctx, slog.String("limiter_backend", string(verdict.Limit.Backend)), slog.String("limiter_reason", verdict.Limit.Reason))
	if verdict.Outcome == admission.Refuse {
		return nil, httpapi.Limited(verdict.Limit.Violated(), verdict.Limit.RetryAfter, verdict.Limit.Headers())
	}
	defer h.admission.RefundUnlessCommitted(ctx, &verdict)
	visit := subscription.Visit{
		Client: subscription.Client{IP: r.Client, UserAgent: r.UserAgent}, RequestID: r.RequestID, Channel: "link",
	}
	do, status := h.store.Confirm, "active"
	if action == decline {
		do, status = h.store.Decline, "declined"
	}
	outcome, err := do(ctx, claims, visit)
	if err != nil {
		if errors.Is(err, subscription.ErrUnknown) || errors.Is(err, postgres.ErrBusy) { // every other error is a failure on our side
			verdict.Commit()
		}
		return h.refused(ctx, r, err)
	}
	response := h.done(r, status).WithHeader(verdict.Limit.Headers()).WithOutcome(string(outcome))
	verdict.Commit()
	return response, nil
}

func (h *handler) done(r *httpapi.Request, status string) *httpapi.Response {
	if !httpapi.WantsHTML(r) {
		return httpapi.JSON(http.StatusOK, state{status})
	}
	translation := h.translation(r, "")
	text := translation.Pages.Confirmed
	if status == "declined" {
		text = translation.Pages.Declined
	}
	return httpapi.HTML(http.StatusOK, httpapi.Page{Lang: translation.Lang, Title: text.Title, Paragraphs: text.Paragraphs, Footer: h.translations.Footer})
}

// refused returns the same response for every invalid link: expired, unknown, malformed, or for another purpose.
func (h *handler) refused(ctx context.Context, r *httpapi.Request, err error) (*httpapi.Response, error) {
	if !errors.Is(err, token.ErrInvalid) && !errors.Is(err, subscription.ErrUnknown) {
		return nil, err
	}
	telemetry.SecurityEvent(ctx, token.Reason(err))
	if !httpapi.WantsHTML(r) {
		return nil, httpapi.NotFound()
	}
	translation := h.translation(r, "")
	return httpapi.HTML(http.StatusNotFound, httpapi.Page{
		Lang: translation.Lang, Title: translation.Pages.InvalidLink.Title, Paragraphs: translation.Pages.InvalidLink.Paragraphs, Footer: h.translations.Footer,
	}).WithOutcome("not-found"), nil
}

// translation returns the translation for the browser's language, or else for locale.
func (h *handler) translation(r *httpapi.Request, locale string) *catalog.Translation {
	if accepted := r.Header.Get("Accept-Language"); accepted != "" {
		locale = accepted
	}
	return h.translations.For(locale)
}
