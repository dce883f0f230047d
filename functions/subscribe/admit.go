package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"newsletter/shared/admission"
	"newsletter/shared/captcha"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
	"newsletter/shared/subscription"
)

// verifier returns an untyped nil if no CAPTCHA is configured.
func verifier(cfg captcha.Config) admission.Verifier {
	if v := captcha.New(cfg, time.Now); v != nil {
		return v
	}
	return nil
}

func (h *handler) admit(ctx context.Context, r *httpapi.Request, f signUp, address subscription.Address) admission.Verdict {
	verdict := h.admission.Admit(ctx, admission.SignUp{
		Client: r.Client, Honeypot: f.Website, StartedAt: f.StartedAt, Domain: address.Domain, Captcha: f.CaptchaToken,
	})
	lambdafn.Note(ctx, slog.String("limiter_backend", string(verdict.Limit.Backend)), slog.String("limiter_reason", verdict.Limit.Reason))
	if len(verdict.Reasons) > 0 {
		lambdafn.Note(ctx, slog.String("admission_reasons", strings.Join(verdict.Reasons, ",")))
	}
	return verdict
}

// refusal returns the problem that names what the visitor can correct. It does not depend on whether the address is
// known.
func refusal(v admission.Verdict) error {
	if slices.Contains(v.Refusals, admission.ReasonRateLimited) {
		return httpapi.Limited(v.Limit.Violated(), v.Limit.RetryAfter, v.Limit.Headers())
	}
	var mistakes []httpapi.FieldError
	for _, reason := range v.Refusals {
		switch reason {
		case admission.ReasonDomainBlocked:
			mistakes = append(mistakes, httpapi.FieldError{Detail: "Addresses at this domain are not accepted.", Pointer: "#/email"})
		case admission.ReasonDisposable:
			mistakes = append(mistakes, httpapi.FieldError{Detail: "Disposable addresses are not accepted. Use an address that you keep.", Pointer: "#/email"})
		case admission.ReasonCaptchaMissing:
			mistakes = append(mistakes, httpapi.FieldError{Detail: "Please solve the CAPTCHA.", Pointer: "#/captcha_token"})
		case admission.ReasonCaptchaFailed:
			mistakes = append(mistakes, httpapi.FieldError{Detail: "The CAPTCHA response is not valid or has expired. Please solve a new CAPTCHA.", Pointer: "#/captcha_token"})
		}
	}
	return httpapi.Invalid(mistakes...)
}
