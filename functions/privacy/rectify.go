package main

import (
	"context"
	"errors"
	"net/http"

	"newsletter/shared/admission"
	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
	"newsletter/shared/visitor"
)

// rectify is the value of "action" that asks for another address.
const rectify = "rectify"

// changeAddress sends an email with a link to a subscriber's new address, which moves the subscription when it is confirmed. The
// response is the same whatever is known about the new address.
func (h *handler) changeAddress(ctx context.Context, r *httpapi.Request, link token.Link) (*httpapi.Response, error) {
	form, err := httpapi.Form(r, "action", "email")
	if err != nil {
		return nil, err
	}
	address, mistake := visitor.ParseAddress(form.Get("email"))
	if mistake != nil {
		return h.refuseAddress(r, *mistake)
	}
	response, err := h.Admit(ctx, admission.Request{Client: r.Client}, func(admission.Decision) (*httpapi.Response, error) {
		outcome, err := h.eraser.Rectify(ctx, link, address, visitor.Visit(r, "link"))
		if err != nil {
			return nil, err
		}
		state := visitor.State{Status: "accepted", Message: "If the subscription is active, we have sent a link to the new address."}
		return h.Respond(r, http.StatusAccepted, state, func(t *catalog.Translation) visitor.Page {
			return visitor.Page{Text: t.Pages.RectifySent}
		}).WithOutcome(string(outcome)), nil
	})
	switch {
	case errors.Is(err, subscription.ErrSameAddress):
		return h.refuseAddress(r, httpapi.FieldError{Detail: "This must be another address than the present one.", Pointer: "#/email"})
	case err != nil:
		return h.InvalidLink(ctx, r, err, requestPage)
	}
	return response, nil
}

// refuseAddress returns the form again.
func (h *handler) refuseAddress(r *httpapi.Request, mistake httpapi.FieldError) (*httpapi.Response, error) {
	if !httpapi.WantsHTML(r) {
		return nil, httpapi.Invalid(mistake)
	}
	return h.Respond(r, http.StatusUnprocessableEntity, visitor.State{}, func(t *catalog.Translation) visitor.Page {
		return visitor.Page{Text: t.Pages.RectifyRefused, Forms: []httpapi.PageForm{rectifyForm(t)}}
	}).WithOutcome("validation-error"), nil
}

func rectifyForm(t *catalog.Translation) httpapi.PageForm {
	form := visitor.ActionForm(t.Pages.Export.Secondary, rectify)
	form.Secondary, form.Inputs = true, []httpapi.Field{visitor.AddressField(t.Pages.Export.Label)}
	return form
}
