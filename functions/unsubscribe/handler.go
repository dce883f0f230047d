// Command unsubscribe ends subscriptions. A POST to a link from a mail acts at once (RFC 8058), GET shows a page with one
// button, and a POST with an address mails a link to it if it is known.
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
	gate  admitter
	store store
	ring  *token.Ring
	book  *catalog.Catalog
	again again
	lot   *unsubscribequeue.Queue // nil for none
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

// show is the page with the button, or without a token the one that asks for the address. It changes nothing and asks
// nobody.
func (h *handler) show(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if !r.HasToken() && httpapi.WantsHTML(r) {
		words := h.words(r)
		return h.page(http.StatusOK, words, words.Pages.LeaveByAddress, addressForm(words)).WithOutcome("shown"), nil
	}
	if _, err := h.ring.Verify(ctx, r.QueryToken(), r.Time); err != nil {
		return h.refused(ctx, r, err)
	}
	if !httpapi.WantsHTML(r) {
		return httpapi.JSON(http.StatusOK, state{"subscribed"}).WithOutcome("shown"), nil
	}
	words := h.words(r)
	return h.page(http.StatusOK, words, words.Pages.Unsubscribe, httpapi.PageForm{Button: words.Pages.Unsubscribe.Button}).WithOutcome("shown"), nil
}

func (h *handler) act(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if r.HasToken() {
		return h.leave(ctx, r)
	}
	return h.mailLink(ctx, r)
}

// leave is one click: the token in the URL says it all. The body is not read, whatever it is; nothing is limited, and
// Redis is not asked (RFC 8058 §3.2).
func (h *handler) leave(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
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
	words := h.words(r)
	text, forms := h.again.page(words, r.Sibling("subscribe"))
	return h.page(http.StatusOK, words, text, forms...).WithOutcome(string(outcome)), nil
}

func visit(r *httpapi.Request, channel string) subscription.Visit {
	return subscription.Visit{
		Client: subscription.Client{IP: r.Client, UserAgent: r.UserAgent}, RequestID: r.RequestID, Channel: channel,
	}
}

// refused gives one answer for every link that opens nothing. A person can still get away by typing the address.
func (h *handler) refused(ctx context.Context, r *httpapi.Request, err error) (*httpapi.Response, error) {
	if !errors.Is(err, token.ErrInvalid) {
		return nil, err
	}
	telemetry.SecurityEvent(ctx, token.Reason(err))
	if !httpapi.WantsHTML(r) {
		return nil, httpapi.NotFound()
	}
	words := h.words(r)
	text := catalog.Page{Title: words.Pages.NothingToSee.Title, Paragraphs: words.Pages.LeaveByAddress.Paragraphs}
	return h.page(http.StatusNotFound, words, text, addressForm(words)).WithOutcome("not-found"), nil
}

func (h *handler) page(status int, words *catalog.Translation, text catalog.Page, forms ...httpapi.PageForm) *httpapi.Response {
	return httpapi.HTML(status, httpapi.Page{
		Lang: words.Lang, Title: text.Title, Paragraphs: text.Paragraphs, Forms: forms, Footer: h.book.Footer,
	})
}

func (h *handler) words(r *httpapi.Request) *catalog.Translation {
	return h.book.For(r.Header.Get("Accept-Language"))
}
