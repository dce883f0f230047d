// Command privacy answers people who want to see or delete what is kept of them. A POST with an address mails a link to
// it if it is known; GET of the link shows a page with a button and changes nothing; POST acts. To delete, the address has
// to be typed in again, because mail scanners press buttons, too.
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
	"newsletter/shared/privacy"
	"newsletter/shared/subscription"
	"newsletter/shared/telemetry"
	"newsletter/shared/token"
)

const (
	path       = "/api/newsletter/privacy"
	retryAfter = 2 * time.Second
)

type admitter interface {
	Admit(ctx context.Context, a admission.Attempt) admission.Verdict
	RefundUnlessCommitted(ctx context.Context, v *admission.Verdict)
}

type store interface {
	RequestLink(ctx context.Context, r subscription.LinkRequest) (subscription.Outcome, error)
	Export(ctx context.Context, c token.Claims, v subscription.Visit) (subscription.PersonalData, error)
}

type eraser interface {
	Erase(ctx context.Context, e subscription.Erasure) (subscription.Outcome, error)
}

type handler struct {
	gate          admitter
	store         store
	eraser        eraser
	export, erase *token.Ring
	book          *catalog.Catalog
	config        privacy.Config
	uses          func(ctx context.Context) ([]privacy.Use, error)
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

// verify reads the link's token, which is for one purpose alone.
func (h *handler) verify(ctx context.Context, r *httpapi.Request) (token.Claims, error) {
	claims, err := h.export.Verify(ctx, r.QueryToken(), r.Time)
	if !errors.Is(err, token.ErrInvalid) {
		return claims, err
	}
	claims, other := h.erase.Verify(ctx, r.QueryToken(), r.Time)
	if errors.Is(other, token.ErrInvalid) { // the one whose purpose it has knows why
		other = errors.Join(err, other)
	}
	return claims, other
}

// show is a page with a button, or without a token the one that asks for the address. It changes nothing and asks nobody.
func (h *handler) show(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	words := h.words(r)
	if !r.HasToken() && httpapi.WantsHTML(r) {
		return h.page(http.StatusOK, words, words.Pages.Privacy, requestForms(words)...).WithOutcome("shown"), nil
	}
	claims, err := h.verify(ctx, r)
	if err != nil {
		return h.refused(ctx, r, err)
	}
	switch {
	case !httpapi.WantsHTML(r) && claims.Purpose == token.Export:
		return httpapi.JSON(http.StatusOK, state{"export"}).WithOutcome("shown"), nil
	case !httpapi.WantsHTML(r):
		return httpapi.JSON(http.StatusOK, state{"erase"}).WithOutcome("shown"), nil
	case claims.Purpose == token.Export:
		return h.page(http.StatusOK, words, words.Pages.Export, httpapi.PageForm{Button: words.Pages.Export.Button}).WithOutcome("shown"), nil
	}
	return h.page(http.StatusOK, words, words.Pages.Erase, eraseForms(words.Pages.Erase)...).WithOutcome("shown"), nil
}

func (h *handler) act(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if !r.HasToken() {
		return h.mailLink(ctx, r)
	}
	claims, err := h.verify(ctx, r)
	if err != nil {
		return h.refused(ctx, r, err)
	}
	if claims.Purpose == token.Erase {
		return h.forget(ctx, r, claims)
	}
	return h.copyOf(ctx, r, claims)
}

// refused gives one answer for every link that opens nothing (any more).
func (h *handler) refused(ctx context.Context, r *httpapi.Request, err error) (*httpapi.Response, error) {
	if !errors.Is(err, token.ErrInvalid) && !errors.Is(err, subscription.ErrUnknown) {
		return nil, err
	}
	telemetry.SecurityEvent(ctx, token.Reason(err))
	if !httpapi.WantsHTML(r) {
		return nil, httpapi.NotFound()
	}
	words := h.words(r)
	text := catalog.Page{Title: words.Pages.NothingToSee.Title, Paragraphs: words.Pages.Privacy.Paragraphs}
	return h.page(http.StatusNotFound, words, text, requestForms(words)...).WithOutcome("not-found"), nil
}

func (h *handler) page(status int, words *catalog.Translation, text catalog.Page, forms ...httpapi.PageForm) *httpapi.Response {
	return httpapi.HTML(status, httpapi.Page{
		Lang: words.Lang, Title: text.Title, Paragraphs: text.Paragraphs, Forms: forms, Footer: h.book.Footer,
	})
}

func (h *handler) words(r *httpapi.Request) *catalog.Translation {
	return h.book.For(r.Header.Get("Accept-Language"))
}

func visit(r *httpapi.Request, channel string) subscription.Visit {
	return subscription.Visit{
		Client: subscription.Client{IP: r.Client, UserAgent: r.UserAgent}, RequestID: r.RequestID, Channel: channel,
	}
}
