// Command privacy serves requests to copy, correct, restrict or erase personal data. A POST with an address emails a link to it if it is
// known. A GET of the link shows a page with a button and changes nothing; a POST acts. Erasure requires that the
// address is entered again, because email scanners press buttons too.
package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"newsletter/shared/catalog"
	"newsletter/shared/field"
	"newsletter/shared/httpapi"
	"newsletter/shared/privacy"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
	"newsletter/shared/visitor"
)

type handler struct {
	*visitor.Service
	eraser        *subscription.Eraser
	export, erase *token.Ring
	config        privacy.Config
	fields        field.Declarations
}

// verify returns the claims of the link's token, which is valid for one purpose only.
func (h *handler) verify(ctx context.Context, r *httpapi.Request) (token.Claims, error) {
	claims, err := h.export.Verify(ctx, r.QueryToken(), r.Time)
	if !errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrRenewable) {
		return claims, err
	}
	claims, other := h.erase.Verify(ctx, r.QueryToken(), r.Time)
	if errors.Is(other, token.ErrInvalid) { // the ring of the token's purpose has the exact reason
		other = errors.Join(err, other)
	}
	return claims, other
}

// show returns the page with the button, or without a token the page that asks for the address. It changes nothing.
func (h *handler) show(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if !r.HasToken() && httpapi.WantsHTML(r) {
		return h.Respond(r, http.StatusOK, visitor.State{}, requestPage).WithOutcome("shown"), nil
	}
	claims, err := h.verify(ctx, r)
	if err != nil {
		return h.ExpiredLink(ctx, r, claims, err, requestPage)
	}
	if claims.Purpose == token.Erase {
		return h.Respond(r, http.StatusOK, visitor.State{Status: "erase"}, erasePage).WithOutcome("shown"), nil
	}
	restricted, err := h.Store.IsRestricted(ctx, claims.Link)
	if err != nil {
		return nil, err
	}
	page := func(t *catalog.Translation) visitor.Page { return exportPage(t, restricted) }
	return h.Respond(r, http.StatusOK, visitor.State{Status: "export"}, page).WithOutcome("shown"), nil
}

func (h *handler) act(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if !r.HasToken() {
		return h.emailLink(ctx, r)
	}
	claims, err := h.verify(ctx, r)
	if err != nil {
		return h.ExpiredLink(ctx, r, claims, err, requestPage)
	}
	if claims.Purpose == token.Erase {
		return h.forget(ctx, r, claims.Link)
	}
	switch action, err := visitor.Action(r); {
	case err != nil:
		return nil, err
	case action == rectify:
		return h.changeAddress(ctx, r, claims.Link)
	case action == restrict, action == unrestrict:
		return h.changeRestriction(ctx, r, claims.Link, action == restrict)
	case action != "":
		return nil, httpapi.Invalid(httpapi.FieldError{Detail: `This must be "rectify", "restrict" or "unrestrict", or be left out.`, Pointer: "#/action"})
	}
	return h.copyOf(ctx, r, claims.Link)
}

type linkBody struct {
	Email   string `json:"email"`
	Request string `json:"request"`
	httpapi.BotSignals
}

// emailLink handles a request for a link by address.
func (h *handler) emailLink(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	body, circumstances, channel, err := visitor.ReadBody(r, func(form visitor.Fields, signals httpapi.BotSignals) linkBody {
		return linkBody{form.Email(), strings.ToLower(strings.TrimSpace(form.Get("request"))), signals}
	}, "email", "request")
	var response *httpapi.Response
	if err == nil {
		response, err = h.sendLink(ctx, r, body, circumstances, channel)
	}
	return response, visitor.WithForms(err, "", func(t *catalog.Translation) []httpapi.PageForm {
		return visitor.Retyped(requestPage(t).Forms, body.Email)
	})
}

func (h *handler) sendLink(ctx context.Context, r *httpapi.Request, body linkBody, c *visitor.Circumstances, channel string) (*httpapi.Response, error) {
	var mistakes []httpapi.FieldError
	request := visitor.LinkRequest{Signals: body.BotSignals, Channel: channel}
	switch body.Request {
	case "export":
		request.Email = subscription.ExportLinkEmail
	case "erase":
		request.Email = subscription.EraseLinkEmail
	default:
		mistakes = append(mistakes, httpapi.FieldError{Detail: `This must be "export" or "erase".`, Pointer: "#/request", Code: "right"})
	}
	address, mistake := c.Address(body.Email)
	if mistake != nil {
		mistakes = append(mistakes, *mistake)
	}
	if len(mistakes) > 0 {
		return nil, httpapi.Invalid(mistakes...)
	}
	request.Address, request.Cleaned = address, c.Cleaned()
	return h.SendLink(ctx, r, request, "If we keep any data about this address, we have sent a link.",
		func(t *catalog.Translation) catalog.Page { return t.Pages.PrivacySent })
}

// requestPage returns the page that requests a copy or an erasure. It is also shown for an invalid link.
func requestPage(t *catalog.Translation) visitor.Page {
	text := t.Pages.Privacy
	form := func(button, request string, secondary bool) httpapi.PageForm {
		return httpapi.PageForm{
			Action: "?", Button: button, Secondary: secondary,
			Hidden: []httpapi.Field{{Name: "request", Value: request}}, Inputs: []httpapi.Field{visitor.AddressField(text.Label)},
		}
	}
	return visitor.Page{Text: text, Forms: []httpapi.PageForm{form(text.Button, "export", false), form(text.Secondary, "erase", true)}}
}

// exportPage returns the page of a link to the data: a copy, another address, or a restriction or its end.
func exportPage(t *catalog.Translation, restricted bool) visitor.Page {
	return visitor.Page{Text: t.Pages.Export, Forms: []httpapi.PageForm{{Button: t.Pages.Export.Button}, rectifyForm(t), restrictForm(t, !restricted)}}
}
