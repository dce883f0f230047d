// Command confirm serves the link in the confirmation mail: GET shows a page with one button, POST activates. Nothing
// changes by opening the link, because mail scanners open links too.
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
	cancel     = "cancel" // the value of "action" that says that somebody else asked
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
	gate  admitter
	store store
	ring  *token.Ring
	book  *catalog.Catalog
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

// show is the page with the button. It changes nothing.
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
	words := h.words(r, text.Locale)
	return httpapi.HTML(http.StatusOK, httpapi.Page{
		Lang: words.Lang, Title: words.Pages.Confirm.Title, Paragraphs: words.Pages.Confirm.Paragraphs, Quote: text.Body, Footer: h.book.Footer,
		Forms: []httpapi.PageForm{
			{Button: words.Pages.Confirm.Button},
			{Button: words.Pages.Confirm.Quiet, Quiet: true, Hidden: []httpapi.Field{{Name: "action", Value: cancel}}},
		},
	}).WithOutcome("shown"), nil
}

// act is the button. A POST without a body confirms.
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
	if action != "" && action != cancel {
		return nil, httpapi.Invalid(httpapi.FieldError{Detail: `This must be "cancel", or be left out.`, Pointer: "#/action"})
	}
	verdict := h.gate.Admit(ctx, admission.Attempt{Client: r.Client})
	lambdafn.Note(ctx, slog.String("limiter_backend", string(verdict.Limit.Backend)), slog.String("limiter_reason", verdict.Limit.Reason))
	if verdict.Outcome == admission.Refuse {
		return nil, httpapi.Limited(verdict.Limit.Violated(), verdict.Limit.RetryAfter, verdict.Limit.Headers())
	}
	defer h.gate.RefundUnlessCommitted(ctx, &verdict)
	visit := subscription.Visit{
		Client: subscription.Client{IP: r.Client, UserAgent: r.UserAgent}, RequestID: r.RequestID, Channel: "link",
	}
	do, status := h.store.Confirm, "active"
	if action == cancel {
		do, status = h.store.Decline, "cancelled"
	}
	outcome, err := do(ctx, claims, visit)
	if err != nil {
		if errors.Is(err, subscription.ErrUnknown) || errors.Is(err, postgres.ErrBusy) { // all else is our failure
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
	words := h.words(r, "")
	text := words.Pages.Confirmed
	if status == "cancelled" {
		text = words.Pages.Cancelled
	}
	return httpapi.HTML(http.StatusOK, httpapi.Page{Lang: words.Lang, Title: text.Title, Paragraphs: text.Paragraphs, Footer: h.book.Footer})
}

// refused gives one answer for every link that opens nothing: expired, unknown, malformed, or for another purpose.
func (h *handler) refused(ctx context.Context, r *httpapi.Request, err error) (*httpapi.Response, error) {
	if !errors.Is(err, token.ErrInvalid) && !errors.Is(err, subscription.ErrUnknown) {
		return nil, err
	}
	telemetry.SecurityEvent(ctx, token.Reason(err))
	if !httpapi.WantsHTML(r) {
		return nil, httpapi.NotFound()
	}
	words := h.words(r, "")
	return httpapi.HTML(http.StatusNotFound, httpapi.Page{
		Lang: words.Lang, Title: words.Pages.NothingToSee.Title, Paragraphs: words.Pages.NothingToSee.Paragraphs, Footer: h.book.Footer,
	}).WithOutcome("not-found"), nil
}

// words speaks the browser's language, or else that of the consent text.
func (h *handler) words(r *httpapi.Request, locale string) *catalog.Translation {
	if accepted := r.Header.Get("Accept-Language"); accepted != "" {
		locale = accepted
	}
	return h.book.For(locale)
}
