package visitor

import (
	"context"
	"errors"
	"net/http"

	"newsletter/shared/admission"
	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
	"newsletter/shared/subscription"
	"newsletter/shared/telemetry"
	"newsletter/shared/token"
)

// renew is the value of "action" that asks for a new link.
const renew = "renew"

// ExpiredLink returns the response to a link for which Verify returned err: a page with a button that emails a new link
// to the reader of the email, and the response to that button. If the link has not expired, is too old, or its
// subscription has changed, it returns InvalidLink.
func (s *Service) ExpiredLink(
	ctx context.Context, r *httpapi.Request, claims token.Claims, err error, invalid Translate,
) (*httpapi.Response, error) {
	if !errors.Is(err, token.ErrRenewable) {
		return s.InvalidLink(ctx, r, err, invalid)
	}
	action, formErr := Action(r)
	if formErr != nil {
		return nil, formErr
	}
	if action == renew {
		return s.renew(ctx, r, claims, invalid)
	}
	use, readErr := s.Store.OldLink(ctx, claims)
	switch {
	case readErr != nil:
		return nil, readErr
	case use != subscription.Renewable:
		return s.InvalidLink(ctx, r, err, invalid)
	}
	telemetry.SecurityEvent(ctx, token.Reason(err))
	const detail = `It has expired. To get a new one by email, send a form with "action=renew" to its URL.`
	return s.EndedLink(r, detail, func(t *catalog.Translation) Page {
		text := t.Pages.ExpiredLink
		return Page{Text: text, Forms: []httpapi.PageForm{ActionForm(text.Button, renew)}}
	})
}

func (s *Service) renew(ctx context.Context, r *httpapi.Request, claims token.Claims, invalid Translate) (*httpapi.Response, error) {
	response, err := s.Admit(ctx, admission.Request{Client: r.Client}, func(admission.Decision) (*httpapi.Response, error) {
		outcome, err := s.Store.Renew(ctx, claims, Visit(r, "link"))
		if err != nil {
			return nil, err
		}
		state := State{"accepted", "We have sent a new link, or have done so a short while ago."}
		return s.Respond(r, http.StatusAccepted, state, func(t *catalog.Translation) Page {
			return Page{Text: t.Pages.LinkRenewed}
		}).WithOutcome(string(outcome)), nil
	})
	if err != nil {
		return s.InvalidLink(ctx, r, err, invalid)
	}
	return response, nil
}

// EndedLink returns the response to a link that no longer does what it says: a 410, as a page with what can be done.
// detail is the same for programs.
func (s *Service) EndedLink(r *httpapi.Request, detail string, page Translate) (*httpapi.Response, error) {
	if !httpapi.WantsHTML(r) {
		return nil, httpapi.LinkEnded(detail)
	}
	return s.Respond(r, http.StatusGone, State{}, page).WithOutcome("link-ended"), nil
}

// Action returns the field "action" of a form that was sent to a link; empty for any other request.
func Action(r *httpapi.Request) (string, error) {
	if r.Method != http.MethodPost || !httpapi.IsForm(r) {
		return "", nil
	}
	form, err := httpapi.Form(r, "action")
	return form.Get("action"), err
}

// ActionForm returns a form with one button, which sends action to the link of the page.
func ActionForm(button, action string) httpapi.PageForm {
	return httpapi.PageForm{Button: button, Hidden: []httpapi.Field{{Name: "action", Value: action}}}
}
