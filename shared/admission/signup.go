package admission

import (
	"context"
	"net/netip"
	"time"

	"newsletter/shared/ratelimit"
)

// Verifier judges what a form's CAPTCHA gave. known is false when it cannot say; it has reported the cause then.
type Verifier interface {
	Verify(ctx context.Context, answer string, client netip.Addr) (passed, known bool)
}

// SignUp is a sign-up before the gate.
type SignUp struct {
	Client netip.Addr
	// Honeypot is the field that people do not see.
	Honeypot string
	// StartedAt is when the form was shown, as the form says; zero if it does not.
	StartedAt time.Time
	// Domain is that of the address, as lower-case A-labels.
	Domain string
	// Captcha is what the form's CAPTCHA gave; empty for nothing.
	Captcha string
}

// SignUps is the Admission with everything that is asked of sign-ups alone. It is safe for concurrent use.
type SignUps struct {
	*Admission
	config   SignUpConfig
	verifier Verifier
}

// SignUps makes the gate of sign-ups. verifier is nil where no CAPTCHA is used.
func (g *Admission) SignUps(cfg SignUpConfig, verifier Verifier) *SignUps {
	return &SignUps{g, cfg, verifier}
}

// unverified is counted besides Subscribe while the verifier cannot say.
const unverified Endpoint = "subscribe-unverified"

// Admit decides a sign-up, and counts it. What costs nothing is looked at first: a request that it refuses is not
// counted and asks nobody. The verifier is asked once the limiter has agreed, for every address alike.
func (s *SignUps) Admit(ctx context.Context, a SignUp) Verdict {
	signals := s.marks(a.Honeypot, a.StartedAt)
	signals.Domain, signals.Disposable = s.config.standing(a.Domain), s.config.disposable(a.Domain)
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

// takeUnverified counts under the stricter limits too, which the visitor is told of from then on. A call that they refuse
// is not counted by the ordinary ones.
func (s *SignUps) takeUnverified(ctx context.Context, client netip.Addr, v *Verdict) {
	first := v.Limit
	v.Limit = s.take(ctx, unverified, client, s.config.Unverified)
	if !v.Limit.Allowed {
		s.limiter.Refund(ctx, first)
		return
	}
	v.also = []ratelimit.Decision{first}
}
