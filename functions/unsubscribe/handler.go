// Command unsubscribe ends subscriptions. A POST to a link from an email unsubscribes at once (RFC 8058), a GET shows a
// page with one button, and a POST with an address emails a link to it if it is known.
package main

import (
	"context"
	"net/http"

	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
	"newsletter/shared/unsubscribequeue"
	"newsletter/shared/visitor"
)

type handler struct {
	*visitor.Service
	ring    *token.Ring
	captcha bool                    // sign-ups require a CAPTCHA
	queue   *unsubscribequeue.Queue // nil if not configured
}

// show returns the page with the button, or without a token the page that asks for the address. It changes nothing and
// queries nothing.
func (h *handler) show(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if !r.HasToken() && httpapi.WantsHTML(r) {
		return h.Respond(r, http.StatusOK, visitor.State{}, addressPage).WithOutcome("shown"), nil
	}
	if _, err := h.ring.Verify(ctx, r.QueryToken(), r.Time); err != nil {
		return h.InvalidLink(ctx, r, err, addressPage)
	}
	return h.Respond(r, http.StatusOK, visitor.State{Status: "subscribed"}, buttonPage).WithOutcome("shown"), nil
}

func (h *handler) act(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if r.HasToken() {
		return h.oneClick(ctx, r)
	}
	return h.emailLink(ctx, r)
}

// oneClick handles one-click unsubscribe. The token in the URL is sufficient: oneClick ignores the body, applies no
// rate limit and does not use Redis (RFC 8058 §3.2).
func (h *handler) oneClick(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	claims, err := h.ring.Verify(ctx, r.QueryToken(), r.Time)
	if err != nil {
		return h.InvalidLink(ctx, r, err, addressPage)
	}
	outcome, err := h.unsubscribe(ctx, claims.Link, r)
	if err != nil {
		return nil, err
	}
	page := func(t *catalog.Translation) visitor.Page {
		return visitor.SignUpPage(r, t, t.Pages.Unsubscribed, "unsubscribe-page", h.captcha)
	}
	return h.Respond(r, http.StatusOK, visitor.State{Status: "unsubscribed"}, page).WithOutcome(string(outcome)), nil
}

type addressBody struct {
	Email string `json:"email"`
	httpapi.BotSignals
}

// emailLink handles a request for a link by address.
func (h *handler) emailLink(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	body, circumstances, channel, err := visitor.ReadBody(r, func(form visitor.Fields, signals httpapi.BotSignals) addressBody {
		return addressBody{form.Email(), signals}
	}, "email")
	var response *httpapi.Response
	if err == nil {
		response, err = h.sendLink(ctx, r, body, circumstances, channel)
	}
	return response, visitor.WithForms(err, "", func(t *catalog.Translation) []httpapi.PageForm {
		return visitor.Retyped(addressPage(t).Forms, body.Email)
	})
}

func (h *handler) sendLink(ctx context.Context, r *httpapi.Request, body addressBody, c *visitor.Circumstances, channel string) (*httpapi.Response, error) {
	address, mistake := c.Address(body.Email)
	if mistake != nil {
		return nil, httpapi.Invalid(*mistake)
	}
	request := visitor.LinkRequest{
		Address: address, Email: subscription.UnsubscribeLinkEmail, Signals: body.BotSignals, Cleaned: c.Cleaned(), Channel: channel,
	}
	return h.SendLink(ctx, r, request, "If this address is subscribed, we have sent a link to unsubscribe.",
		func(t *catalog.Translation) catalog.Page { return t.Pages.LinkAccepted })
}

// addressPage returns the page that asks for the address. It is also shown for an invalid link, so that the subscriber
// can still unsubscribe.
func addressPage(t *catalog.Translation) visitor.Page {
	text := t.Pages.UnsubscribeByAddress
	return visitor.Page{Text: text, Forms: []httpapi.PageForm{
		{Action: "?", Button: text.Button, Inputs: []httpapi.Field{visitor.AddressField(text.Label)}},
	}}
}

func buttonPage(t *catalog.Translation) visitor.Page {
	return visitor.Page{Text: t.Pages.Unsubscribe, Forms: []httpapi.PageForm{{Button: t.Pages.Unsubscribe.Button}}}
}
