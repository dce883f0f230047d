package admission

import (
	"context"
	"net/netip"
	"time"

	"newsletter/shared/ratelimit"
)

// Verifier verifies the response of a CAPTCHA. known is false if it cannot decide; it has then reported the cause.
type Verifier interface {
	Verify(ctx context.Context, answer string, client netip.Addr) (passed, known bool)
}

// SignUp is a sign-up to admit.
type SignUp struct {
	Client netip.Addr
	// Honeypot is the form field that is hidden from people.
	Honeypot string
	// StartedAt is when the form was shown, as the form reports it; zero if it does not.
	StartedAt time.Time
	// Domain is that of the address, as lower-case A-labels.
	Domain string
	// Captcha is the response of the form's CAPTCHA; empty if there is none.
	Captcha string
}

// SignUps admits sign-ups: an Admission with domain lists and a CAPTCHA. It is safe for concurrent use.
type SignUps struct {
	*Admission
	config   SignUpConfig
	verifier Verifier
}

// SignUps returns the admission of sign-ups. verifier is nil if no CAPTCHA is configured.
func (g *Admission) SignUps(cfg SignUpConfig, verifier Verifier) *SignUps {
	return &SignUps{g, cfg, verifier}
}

// unverified is counted in addition to Subscribe while the verifier is unavailable.
const unverified Endpoint = "subscribe-unverified"

// Admit decides a sign-up and counts it. Checks without I/O run first; a request that they refuse is not counted. The
// CAPTCHA is verified after the limiter has allowed the request, for every address alike.
func (s *SignUps) Admit(ctx context.Context, a SignUp) Verdict {
	signals := s.botSignals(a.Honeypot, a.StartedAt)
	signals.Domain, signals.Disposable = s.config.status(a.Domain), s.config.disposable(a.Domain)
	if s.verifier != nil && a.Captcha == "" {
		signals.Captcha = CaptchaMissing
	}
	if Decide(signals).Outcome == Refuse {
		return Verdict{Decision: decide(ctx, signals)}
	}
	v := Verdict{Limit: s.take(ctx, Subscribe, a.Client, s.policies)}
	signals.Limited = !v.Limit.Allowed
	if s.verifier != nil && v.Limit.Allowed {
		if signals.Captcha = s.verify(ctx, a); signals.Captcha == CaptchaUnavailable {
			s.takeUnverified(ctx, a.Client, &v)
			signals.Limited = !v.Limit.Allowed
		}
	}
	v.Decision = decide(ctx, signals)
	return v
}

func (s *SignUps) verify(ctx context.Context, a SignUp) Captcha {
	switch passed, known := s.verifier.Verify(ctx, a.Captcha, a.Client); {
	case !known:
		return CaptchaUnavailable
	case passed:
		return CaptchaPassed
	}
	return CaptchaFailed
}

// takeUnverified also counts the request under the stricter limits and reports those in the verdict. If they refuse it,
// the count under the ordinary limits is refunded.
func (s *SignUps) takeUnverified(ctx context.Context, client netip.Addr, v *Verdict) {
	first := v.Limit
	v.Limit = s.take(ctx, unverified, client, s.config.Unverified)
	if !v.Limit.Allowed {
		s.limiter.Refund(ctx, first)
		return
	}
	v.additional = []ratelimit.Decision{first}
}
