// Command unsubscribe ends subscriptions. A POST to a link from an email unsubscribes at once (RFC 8058), a GET shows a
// page with one button, and a POST with an address emails a link to it if it is known.
package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"newsletter/shared/admission"
	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
	"newsletter/shared/postgres"
	"newsletter/shared/subscription"
	"newsletter/shared/telemetry"
	"newsletter/shared/token"
	"newsletter/shared/unsubscribequeue"
)

const (
	path       = "/api/newsletter/unsubscribe"
	retryAfter = 2 * time.Second
)

type admitter interface {
	Admit(ctx context.Context, a admission.Attempt) admission.Verdict
	RefundUnlessCommitted(ctx context.Context, v *admission.Verdict)
}

type store interface {
	Unsubscribe(ctx context.Context, c token.Claims, v subscription.Visit) (subscription.Outcome, error)
	RequestLink(ctx context.Context, r subscription.LinkRequest) (subscription.Outcome, error)
}

type handler struct {
	admission    admitter
	store        store
	ring         *token.Ring
	translations *catalog.Catalog
	again        again
	queue        *unsubscribequeue.Queue // nil if not configured
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

// show returns the page with the button, or without a token the page that asks for the address. It changes nothing and
// queries nothing.
func (h *handler) show(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if !r.HasToken() && httpapi.WantsHTML(r) {
		translation := h.translation(r)
		return h.page(http.StatusOK, translation, translation.Pages.UnsubscribeByAddress, addressForm(translation)).WithOutcome("shown"), nil
	}
	if _, err := h.ring.Verify(ctx, r.QueryToken(), r.Time); err != nil {
		return h.refused(ctx, r, err)
	}
	if !httpapi.WantsHTML(r) {
		return httpapi.JSON(http.StatusOK, state{"subscribed"}).WithOutcome("shown"), nil
	}
	translation := h.translation(r)
	return h.page(http.StatusOK, translation, translation.Pages.Unsubscribe, httpapi.PageForm{Button: translation.Pages.Unsubscribe.Button}).WithOutcome("shown"), nil
}

func (h *handler) act(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if r.HasToken() {
		return h.oneClick(ctx, r)
	}
	return h.emailLink(ctx, r)
}

// oneClick handles one-click unsubscribe. The token in the URL is sufficient: oneClick ignores the body, applies no rate
// limit and does not use Redis (RFC 8058 §3.2).
func (h *handler) oneClick(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	claims, err := h.ring.Verify(ctx, r.QueryToken(), r.Time)
	if err != nil {
		return h.refused(ctx, r, err)
	}
	outcome, err := h.unsubscribe(ctx, claims, r)
	if err != nil {
		return nil, err
	}
	if !httpapi.WantsHTML(r) {
		return httpapi.JSON(http.StatusOK, state{"unsubscribed"}).WithOutcome(string(outcome)), nil
	}
	translation := h.translation(r)
	text, forms := h.again.page(translation, r.Sibling("subscribe"))
	return h.page(http.StatusOK, translation, text, forms...).WithOutcome(string(outcome)), nil
}

func visit(r *httpapi.Request, channel string) subscription.Visit {
	return subscription.Visit{
		Client: subscription.Client{IP: r.Client, UserAgent: r.UserAgent}, RequestID: r.RequestID, Channel: channel,
	}
}

// refused returns the same response for every invalid link. Its page asks for the address, so that the subscriber can
// still unsubscribe.
func (h *handler) refused(ctx context.Context, r *httpapi.Request, err error) (*httpapi.Response, error) {
	if !errors.Is(err, token.ErrInvalid) {
		return nil, err
	}
	telemetry.SecurityEvent(ctx, token.Reason(err))
	if !httpapi.WantsHTML(r) {
		return nil, httpapi.NotFound()
	}
	translation := h.translation(r)
	text := catalog.Page{Title: translation.Pages.InvalidLink.Title, Paragraphs: translation.Pages.UnsubscribeByAddress.Paragraphs}
	return h.page(http.StatusNotFound, translation, text, addressForm(translation)).WithOutcome("not-found"), nil
}

func (h *handler) page(status int, translation *catalog.Translation, text catalog.Page, forms ...httpapi.PageForm) *httpapi.Response {
	return httpapi.HTML(status, httpapi.Page{
		Lang: translation.Lang, Title: text.Title, Paragraphs: text.Paragraphs, Forms: forms, Footer: h.translations.Footer,
	})
}

func (h *handler) translation(r *httpapi.Request) *catalog.Translation {
	return h.translations.For(r.Header.Get("Accept-Language"))
}
