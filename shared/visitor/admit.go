package visitor

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"newsletter/shared/admission"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/postgres"
	"newsletter/shared/subscription"
)

// Admit admits a request, calls serve, and adds the limiter's headers to its response. The count of a request that
// fails on our side, with an error or a panic, is refunded.
func (s *Service) Admit(
	ctx context.Context, request admission.Request, serve func(admission.Decision) (*httpapi.Response, error),
) (*httpapi.Response, error) {
	d := s.Admission.Admit(ctx, request)
	lambdafn.Note(ctx, slog.String("limiter_backend", string(d.Limit.Backend)), slog.String("limiter_reason", d.Limit.Reason))
	if len(d.Reasons) > 0 {
		lambdafn.Note(ctx, slog.String("admission_reasons", strings.Join(d.Reasons, ",")))
	}
	if d.Outcome == admission.Refuse {
		return nil, refusal(d)
	}
	counts := false
	defer func() {
		if !counts {
			s.Admission.Refund(ctx, d)
		}
	}()
	response, err := serve(d)
	counts = err == nil || isClientError(err)
	if err != nil {
		return nil, err
	}
	return response.WithHeader(d.Limit.Headers()), nil
}

// isClientError reports whether the client caused an error. Every other error is a failure on our side.
func isClientError(err error) bool {
	problem, isProblem := errors.AsType[*httpapi.Problem](err)
	return isProblem && problem.Status < http.StatusInternalServerError ||
		errors.Is(err, postgres.ErrBusy) || errors.Is(err, subscription.ErrUnknown)
}

// refusal returns the problem that names what the visitor can correct. It does not depend on whether the address is
// known.
func refusal(d admission.Decision) error {
	if slices.Contains(d.Refusals, admission.ReasonRateLimited) {
		return httpapi.Limited(d.Limit.Violated(), d.Limit.RetryAfter, d.Limit.Headers())
	}
	var mistakes []httpapi.FieldError
	for _, reason := range d.Refusals {
		mistakes = append(mistakes, refusals[reason])
	}
	return httpapi.Invalid(mistakes...)
}

// refusals has the error for each reason that refuses a request by itself, apart from the rate limiter's.
var refusals = map[string]httpapi.FieldError{
	admission.ReasonDomainBlocked: {Detail: "Addresses at this domain are not accepted.", Pointer: "#/email", Code: admission.ReasonDomainBlocked},
	admission.ReasonDisposable: {
		Detail: "Disposable addresses are not accepted. Use an address that you keep.", Pointer: "#/email", Code: admission.ReasonDisposable,
	},
	admission.ReasonCaptchaMissing: {Detail: "Please solve the CAPTCHA.", Pointer: "#/captcha_token", Code: admission.ReasonCaptchaMissing},
	admission.ReasonCaptchaFailed: {
		Detail: "The CAPTCHA response is not valid or has expired. Please solve a new CAPTCHA.", Pointer: "#/captcha_token", Code: admission.ReasonCaptchaFailed,
	},
}
