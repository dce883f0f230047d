// Command subscribe accepts sign-ups. It admits or refuses a request, records it with its consent and enqueues the
// email that the subscriber's state requires. The response is the same for every address.
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
)

const path = "/api/newsletter/subscribe"

// retryAfter is the Retry-After of a 503 and of a busy address. By then a failed-over database is usually back, or
// another execution environment is warm.
const retryAfter = 2 * time.Second

type admitter interface {
	Admit(ctx context.Context, a admission.SignUp) admission.Verdict
	RefundUnlessCommitted(ctx context.Context, v *admission.Verdict)
}

type store interface {
	Request(ctx context.Context, r subscription.Request) (subscription.Outcome, error)
}

type handler struct {
	admission    admitter
	store        store
	optIn        subscription.OptIn
	translations *catalog.Catalog
}

func (h *handler) api(cfg httpapi.Config) *httpapi.API {
	unavailable := func(cause error) *httpapi.Problem { return httpapi.Unavailable(retryAfter, cause) }
	return httpapi.New(cfg, httpapi.Route{Path: path, POST: h.subscribe}).
		Map(subscription.ErrUnknownConsent, unknownConsent).
		Map(postgres.ErrBusy, func(error) *httpapi.Problem { return httpapi.Busy(retryAfter) }).
		Map(postgres.ErrUnavailable, unavailable)
}

// accepted is the response to every admitted request, whether or not the address is known.
type accepted struct {
	Status  string `json:"status"`
	Message string `json:"message"`
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
	case isProblem && problem.Status < http.StatusInternalServerError, errors.Is(err, subscription.ErrUnknownConsent):
		outcome = "refused"
	}
	telemetry.Add(ctx, telemetry.SignUps, 1, outcome)
	return response, err
}

func (h *handler) signUp(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	form, err := read(r)
	if err != nil {
		return nil, err
	}
	request, err := form.request(r)
	if err != nil {
		return nil, err
	}
	verdict := h.admit(ctx, r, form, request.Address)
	if verdict.Outcome == admission.Refuse {
		return nil, refusal(verdict)
	}
	defer h.admission.RefundUnlessCommitted(ctx, &verdict)
	request.OptIn = h.optIn
	request.Drop, request.Hold, request.Reasons = verdict.Outcome == admission.Drop, verdict.HoldReason(), verdict.Reasons
	outcome, err := h.store.Request(ctx, request)
	if err != nil {
		if errors.Is(err, subscription.ErrUnknownConsent) || errors.Is(err, postgres.ErrBusy) { // every other error is a failure on our side
			verdict.Commit()
		}
		return nil, err
	}
	response := h.answer(r, request.Locale).WithHeader(verdict.Limit.Headers()).WithOutcome(string(outcome))
	verdict.Commit()
	return response, nil
}

func (h *handler) answer(r *httpapi.Request, locale string) *httpapi.Response {
	if !httpapi.WantsHTML(r) {
		return httpapi.JSON(http.StatusAccepted, accepted{"accepted", acceptedMessage})
	}
	if locale == "" {
		locale = r.Header.Get("Accept-Language")
	}
	translation := h.translations.For(locale)
	return httpapi.HTML(http.StatusAccepted, httpapi.Page{
		Lang: translation.Lang, Title: translation.Pages.Accepted.Title, Paragraphs: translation.Pages.Accepted.Paragraphs, Footer: h.translations.Footer,
	})
}

func unknownConsent(error) *httpapi.Problem {
	return httpapi.Invalid(httpapi.FieldError{Detail: "There is no consent text of this version.", Pointer: "#/consent/text_version"})
}
