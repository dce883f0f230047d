package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"newsletter/shared/admission"
	"newsletter/shared/httpapi"
	"newsletter/shared/phrases"
	"newsletter/shared/postgres"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

const (
	path          = "/api/newsletter/unsubscribe"
	subscribePath = "/api/newsletter/subscribe"
)

const retryAfter = 2 * time.Second

type gate interface {
	Admit(ctx context.Context, a admission.Attempt) admission.Verdict
	Refund(ctx context.Context, v admission.Verdict)
}

type store interface {
	Unsubscribe(ctx context.Context, c token.Claims, v subscription.Visit) (subscription.Outcome, error)
	RequestLink(ctx context.Context, r subscription.LinkRequest) (subscription.Outcome, error)
}

type handler struct {
	gate   gate
	store  store
	ring   *token.Ring
	book   *phrases.Book
	footer []string
}

func (h *handler) api(cfg httpapi.Config) *httpapi.API {
	unavailable := func(cause error) *httpapi.Problem { return httpapi.Unavailable(retryAfter, cause) }
	return httpapi.New(cfg, httpapi.Route{Path: path, GET: h.show, POST: h.act}).
		Map(token.ErrReload, unavailable).
		Map(postgres.ErrBusy, unavailable).
		Map(postgres.ErrUnavailable, unavailable)
}

type state struct {
	Status string `json:"status"`
}

type accepted struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

const acceptedMessage = "If this address is subscribed, we have sent a link to unsubscribe."

// show is the page with the button. It changes nothing and asks nobody.
func (h *handler) show(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if _, err := h.ring.Verify(ctx, r.QueryToken(), r.Time); err != nil {
		return h.refused(r, err)
	}
	if !httpapi.WantsHTML(r) {
		return httpapi.JSON(http.StatusOK, state{"subscribed"}).As("shown"), nil
	}
	words := h.words(r)
	return h.page(http.StatusOK, words, words.Pages.Unsubscribe, httpapi.PageForm{
		Action: path + "?token=" + url.QueryEscape(r.QueryToken()), Button: words.Pages.Unsubscribe.Button,
	}).As("shown"), nil
}

func (h *handler) act(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if r.Query.Has("token") {
		return h.leave(ctx, r)
	}
	return h.mailLink(ctx, r)
}

// leave is one click: the token in the URL says it all. The body is not read, whatever it is; nothing is limited, and
// Redis is not asked (RFC 8058 §3.2).
func (h *handler) leave(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	claims, err := h.ring.Verify(ctx, r.QueryToken(), r.Time)
	if err != nil {
		return h.refused(r, err)
	}
	outcome, err := h.store.Unsubscribe(ctx, claims, visit(r, "link"))
	if err != nil {
		return nil, err
	}
	if !httpapi.WantsHTML(r) {
		return httpapi.JSON(http.StatusOK, state{"unsubscribed"}).As(string(outcome)), nil
	}
	words := h.words(r)
	return h.page(http.StatusOK, words, words.Pages.Unsubscribed, httpapi.PageForm{
		Action: subscribePath, Button: words.Pages.Unsubscribed.Button,
		Hidden: []httpapi.Field{{Name: "ref", Value: "unsubscribe-page"}, {Name: "locale", Value: words.Lang}},
		Inputs: []httpapi.Field{{Name: "email", Label: words.Pages.Unsubscribed.Label, Type: "email", Autocomplete: "email", Required: true}},
	}).As(string(outcome)), nil
}

// mailLink sends a link to an address that somebody typed, if it is known. The answer does not tell.
func (h *handler) mailLink(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	address, err := readAddress(r)
	if err != nil {
		return nil, err
	}
	verdict := h.gate.Admit(ctx, admission.Attempt{Endpoint: admission.Unsubscribe, Client: r.Client})
	if verdict.Outcome == admission.Refuse {
		return nil, httpapi.Limited(verdict.Limit.Violated(), verdict.Limit.RetryAfter, verdict.Limit.Headers())
	}
	outcome, err := h.store.RequestLink(ctx, subscription.LinkRequest{
		Address: address, Purpose: subscription.UnsubscribeLinkMail, Visit: visit(r, "form"),
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

func readAddress(r *httpapi.Request) (subscription.Address, error) {
	email := ""
	if httpapi.IsForm(r) {
		form, err := httpapi.Form(r, "email")
		if err != nil {
			return subscription.Address{}, err
		}
		email = form.Get("email")
	} else {
		body, err := httpapi.DecodeJSON[struct {
			Email string `json:"email"`
		}](r)
		if err != nil {
			return subscription.Address{}, err
		}
		email = body.Email
	}
	address, err := subscription.ParseAddress(email)
	if refused, ok := errors.AsType[*subscription.AddressError](err); ok {
		return address, httpapi.Invalid(httpapi.FieldError{Detail: refused.Detail, Pointer: "#/email"})
	}
	return address, err
}

func visit(r *httpapi.Request, channel string) subscription.Visit {
	return subscription.Visit{
		Client: subscription.Client{IP: r.Client, UserAgent: r.UserAgent}, RequestID: r.RequestID, Channel: channel,
	}
}

// refused gives one answer for every link that opens nothing.
func (h *handler) refused(r *httpapi.Request, err error) (*httpapi.Response, error) {
	if !errors.Is(err, token.ErrInvalid) {
		return nil, err
	}
	if !httpapi.WantsHTML(r) {
		return nil, httpapi.NotFound()
	}
	words := h.words(r)
	return h.page(http.StatusNotFound, words, words.Pages.NothingToSee).As("not-found"), nil
}

func (h *handler) page(status int, words *phrases.Phrases, text phrases.Page, forms ...httpapi.PageForm) *httpapi.Response {
	return httpapi.HTML(status, httpapi.Page{
		Lang: words.Lang, Title: text.Title, Paragraphs: text.Paragraphs, Forms: forms, Footer: h.footer,
	})
}

func (h *handler) words(r *httpapi.Request) *phrases.Phrases {
	return h.book.For(r.Header.Get("Accept-Language"))
}
