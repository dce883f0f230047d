// Command privacy serves requests to copy or erase personal data. A POST with an address emails a link to it if it is
// known. A GET of the link shows a page with a button and changes nothing; a POST acts. Erasure requires that the
// address is entered again, because email scanners press buttons too.
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
	admission     admitter
	store         store
	eraser        eraser
	export, erase *token.Ring
	translations  *catalog.Catalog
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

// verify returns the claims of the link's token, which is valid for one purpose only.
func (h *handler) verify(ctx context.Context, r *httpapi.Request) (token.Claims, error) {
	claims, err := h.export.Verify(ctx, r.QueryToken(), r.Time)
	if !errors.Is(err, token.ErrInvalid) {
		return claims, err
	}
	claims, other := h.erase.Verify(ctx, r.QueryToken(), r.Time)
	if errors.Is(other, token.ErrInvalid) { // the ring of the token's purpose has the exact reason
		other = errors.Join(err, other)
	}
	return claims, other
}

// show returns the page with the button, or without a token the page that asks for the address. It changes nothing and
// queries nothing.
func (h *handler) show(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	translation := h.translation(r)
	if !r.HasToken() && httpapi.WantsHTML(r) {
		return h.page(http.StatusOK, translation, translation.Pages.Privacy, requestForms(translation)...).WithOutcome("shown"), nil
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
		return h.page(http.StatusOK, translation, translation.Pages.Export, httpapi.PageForm{Button: translation.Pages.Export.Button}).WithOutcome("shown"), nil
	}
	return h.page(http.StatusOK, translation, translation.Pages.Erase, eraseForms(translation.Pages.Erase)...).WithOutcome("shown"), nil
}

func (h *handler) act(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if !r.HasToken() {
		return h.emailLink(ctx, r)
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

// refused returns the same response for every link that is invalid or no longer valid.
func (h *handler) refused(ctx context.Context, r *httpapi.Request, err error) (*httpapi.Response, error) {
	if !errors.Is(err, token.ErrInvalid) && !errors.Is(err, subscription.ErrUnknown) {
		return nil, err
	}
	telemetry.SecurityEvent(ctx, token.Reason(err))
	if !httpapi.WantsHTML(r) {
		return nil, httpapi.NotFound()
	}
	translation := h.translation(r)
	text := catalog.Page{Title: translation.Pages.InvalidLink.Title, Paragraphs: translation.Pages.Privacy.Paragraphs}
	return h.page(http.StatusNotFound, translation, text, requestForms(translation)...).WithOutcome("not-found"), nil
}

func (h *handler) page(status int, translation *catalog.Translation, text catalog.Page, forms ...httpapi.PageForm) *httpapi.Response {
	return httpapi.HTML(status, httpapi.Page{
		Lang: translation.Lang, Title: text.Title, Paragraphs: text.Paragraphs, Forms: forms, Footer: h.translations.Footer,
	})
}

func (h *handler) translation(r *httpapi.Request) *catalog.Translation {
	return h.translations.For(r.Header.Get("Accept-Language"))
}

func visit(r *httpapi.Request, channel string) subscription.Visit {
	return subscription.Visit{
		Client: subscription.Client{IP: r.Client, UserAgent: r.UserAgent}, RequestID: r.RequestID, Channel: channel,
	}
}
