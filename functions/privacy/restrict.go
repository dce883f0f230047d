package main

import (
	"context"
	"net/http"

	"newsletter/shared/admission"
	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
	"newsletter/shared/token"
	"newsletter/shared/visitor"
)

// The values of "action" that restrict the processing of the data, or end that.
const (
	restrict   = "restrict"
	unrestrict = "unrestrict"
)

// agreed is the value of "agree", the box to tick.
const agreed = "yes"

// changeRestriction restricts the processing of the subscriber's data, or ends the restriction. Email scanners press
// buttons too, so it takes a ticked box.
func (h *handler) changeRestriction(ctx context.Context, r *httpapi.Request, link token.Link, on bool) (*httpapi.Response, error) {
	form, err := httpapi.Form(r, "action", "agree")
	if err != nil {
		return nil, err
	}
	if form.Get("agree") != agreed {
		if !httpapi.WantsHTML(r) {
			return nil, httpapi.Invalid(httpapi.FieldError{Detail: `This must be "yes": the subscriber's own decision.`, Pointer: "#/agree"})
		}
		return h.Respond(r, http.StatusUnprocessableEntity, visitor.State{}, func(t *catalog.Translation) visitor.Page {
			return visitor.Page{Text: restrictText(t, on), Forms: []httpapi.PageForm{restrictForm(t, on)}}
		}).WithOutcome("validation-error"), nil
	}
	do, status, page := h.Store.EndRestriction, "unrestricted", unrestrictedPage
	if on {
		do, status, page = h.Store.Restrict, "restricted", restrictedPage
	}
	response, err := h.Admit(ctx, admission.Request{Client: r.Client}, func(admission.Decision) (*httpapi.Response, error) {
		outcome, err := do(ctx, link, visitor.Visit(r, "link"))
		if err != nil {
			return nil, err
		}
		return h.Respond(r, http.StatusOK, visitor.State{Status: status}, page).WithOutcome(string(outcome)), nil
	})
	if err != nil {
		return h.InvalidLink(ctx, r, err, requestPage)
	}
	return response, nil
}

func restrictText(t *catalog.Translation, on bool) catalog.Page {
	if on {
		return t.Pages.Restrict
	}
	return t.Pages.Unrestrict
}

func restrictForm(t *catalog.Translation, on bool) httpapi.PageForm {
	text, action := restrictText(t, on), unrestrict
	if on {
		action = restrict
	}
	form := visitor.ActionForm(text.Button, action)
	form.Secondary = true
	form.Inputs = []httpapi.Field{{Name: "agree", Value: agreed, Label: text.Box, Type: "checkbox", Required: true}}
	return form
}

func restrictedPage(t *catalog.Translation) visitor.Page {
	return visitor.Page{Text: t.Pages.Restricted}
}

func unrestrictedPage(t *catalog.Translation) visitor.Page {
	return visitor.Page{Text: t.Pages.Unrestricted}
}
