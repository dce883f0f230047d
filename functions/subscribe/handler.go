// Command subscribe accepts sign-ups. It admits or refuses a request, records it with its consent and enqueues the
// email that the subscriber's state requires. The response is the same for every address.
package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"newsletter/shared/admission"
	"newsletter/shared/apikey"
	"newsletter/shared/catalog"
	"newsletter/shared/field"
	"newsletter/shared/httpapi"
	"newsletter/shared/ledger"
	"newsletter/shared/postgres"
	"newsletter/shared/serverauth"
	"newsletter/shared/subscription"
	"newsletter/shared/telemetry"
	"newsletter/shared/visitor"
)

type handler struct {
	*visitor.Service
	declared declarations
	optIn    subscription.OptIn
	keys     *apikey.Ring // of servers
	captcha  bool         // sign-ups require a CAPTCHA, which our pages cannot show
}

// declarations are what the owner declared of sign-ups.
type declarations struct {
	sources ledger.Declarations
	fields  field.Declarations
}

const acceptedMessage = "If this address can be subscribed, we have sent a confirmation link."

// subscribe handles a sign-up and counts its outcome.
func (h *handler) subscribe(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	response, err := h.signUp(ctx, r)
	outcome := "failed"
	problem, isProblem := errors.AsType[*httpapi.Problem](err)
	switch {
	case err == nil:
		outcome = response.Outcome
	case isProblem && problem.Status == http.StatusTooManyRequests, errors.Is(err, postgres.ErrBusy):
		outcome = "rate_limited"
	case isProblem && problem.Status < http.StatusInternalServerError:
		outcome = "refused"
	}
	telemetry.Add(ctx, telemetry.SignUps, 1, outcome)
	return response, err
}

func (h *handler) signUp(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	key, err := serverauth.Authenticate(ctx, r, h.keys, apikey.SignUp)
	if err != nil {
		return nil, err
	}
	form, circumstances, channel, err := read(r, h.declared.fields, key != nil)
	if err != nil {
		return nil, err
	}
	response, err := h.admit(ctx, r, form, circumstances, channel, key)
	if h.captcha {
		return response, err
	}
	return response, visitor.WithForms(err, string(ledger.CleanLocale(form.Locale)), func(t *catalog.Translation) []httpapi.PageForm {
		return form.again(t, h.declared.fields)
	})
}

// admit admits and records a sign-up. key is the server's; nil for none.
func (h *handler) admit(
	ctx context.Context, r *httpapi.Request, form signUp, c *visitor.Circumstances, channel string, key *apikey.Key,
) (*httpapi.Response, error) {
	request, err := form.request(r, c, channel, key, h.declared)
	if err != nil {
		return nil, err
	}
	attempt := admission.Request{
		Client: r.Client, Honeypot: form.Website, StartedAt: form.StartedAt.Time, Captcha: form.CaptchaToken[:min(len(form.CaptchaToken), maxToken)],
		Domain: request.Address.Domain, RegistrableDomain: request.Address.RegistrableDomain,
	}
	if key != nil {
		attempt.Key = key.ID.String()
	}
	response, err := h.Admit(ctx, attempt, func(d admission.Decision) (*httpapi.Response, error) {
		request.OptIn = h.optIn
		request.Hold, request.Reasons = d.HoldReason(), d.Reasons
		outcome, err := h.Store.Request(ctx, request)
		if err != nil {
			return nil, err
		}
		wanted := cmp.Or(string(request.Locale), visitor.Language(r, ""))
		return h.RespondIn(wanted, r, http.StatusAccepted, visitor.State{Status: "accepted", Message: acceptedMessage}, acceptedPage).
			WithOutcome(string(outcome)), nil
	})
	return response, serverauth.Problem(ctx, err, apikey.SignUp) // a request with an invalid key is not counted
}

func acceptedPage(t *catalog.Translation) visitor.Page { return visitor.Page{Text: t.Pages.Accepted} }
