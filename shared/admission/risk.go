package admission

import (
	"strings"

	"newsletter/shared/ratelimit"
)

// signals is the input of decide. The zero value is a request without any sign of abuse. No signal depends on whether
// the address is known.
type signals struct {
	// Limited is set if the rate limiter refuses the client's network.
	Limited bool
	// Honeypot is set if the form field that is hidden from people is filled in.
	Honeypot bool
	// TooFast is set if the form was sent sooner than a person can fill it in.
	TooFast bool
	// Domain is the status of the address's domain in the owner's lists.
	Domain domainStatus
	// Disposable is the owner's policy if the domain offers disposable email; DisposableAllow for every other domain.
	Disposable Policy
	// Captcha is the verifier's result.
	Captcha captchaState
}

// domainStatus is the status of a domain in the owner's two lists.
type domainStatus string

// The statuses.
const (
	domainUnlisted domainStatus = ""
	domainAllowed  domainStatus = "allowed" // an exception from blocked and disposable domains
	domainBlocked  domainStatus = "blocked"
)

// Policy is the treatment of disposable email addresses.
type Policy string

// The policies.
const (
	DisposableAllow Policy = ""      // no effect
	DisposableFlag  Policy = "flag"  // recorded as a weak signal
	DisposableHold  Policy = "hold"  // the owner decides
	DisposableBlock Policy = "block" // the visitor sees an error
)

// captchaState is the state of a request's CAPTCHA.
type captchaState string

// The states.
const (
	captchaOff         captchaState = "" // not configured
	captchaPassed      captchaState = "passed"
	captchaMissing     captchaState = "missing"     // no response was sent
	captchaFailed      captchaState = "failed"      // wrong, too old, used before, or solved for another page
	captchaUnavailable captchaState = "unavailable" // the verifier is unavailable
)

// Outcome is the result of a Decision.
type Outcome string

// The outcomes, from the mildest to the strictest.
const (
	Accept Outcome = "accept"
	// Hold has the same response as Accept, so a bot learns nothing; the email waits until the owner releases it.
	Hold Outcome = "hold"
	// Refuse shows the visitor an error: 429 for the rate limiter, 422 for what the visitor can correct.
	Refuse Outcome = "refuse"
)

// The reasons for a decision. They are recorded with the request.
const (
	ReasonDomainBlocked      = "domain_blocked"
	ReasonDisposable         = "disposable"
	ReasonCaptchaMissing     = "captcha_missing"
	ReasonCaptchaFailed      = "captcha_failed"
	reasonCaptchaUnavailable = "captcha_unavailable"
	ReasonRateLimited        = "rate_limited"
	reasonHoneypot           = "honeypot"
	reasonTooFast            = "too_fast"
)

// Decision is the decision on a request.
type Decision struct {
	Outcome Outcome
	// Reasons lists every signal against the request, in the order of the constants above.
	Reasons []string
	// Refusals lists the reasons that each refuse the request by themselves.
	Refusals []string
	// Limit is the limiter's decision, whose headers belong to the response; zero if the limiter was not called.
	Limit ratelimit.Decision

	key      ratelimit.Decision // counted in addition to Limit for a server's key
	ordinary ratelimit.Decision // counted in addition to Limit while the CAPTCHA verifier is unavailable
}

// decide returns the decision on a request, without a limit. It is pure and total. The strictest signal decides. One
// weak signal is only recorded; two hold the request. docs/risk.md has the table.
//
// An additional signal never makes the decision milder, except domainAllowed, which overrides blocked and disposable
// domains.
func decide(s signals) Decision {
	d := Decision{Outcome: Accept}
	weak := 0
	against := func(applies bool, reason string, o Outcome) {
		if !applies {
			return
		}
		d.Reasons = append(d.Reasons, reason)
		switch o {
		case Accept:
			weak++
		case Refuse:
			d.Refusals = append(d.Refusals, reason)
		case Hold:
		}
		d.Outcome = stricter(d.Outcome, o)
	}
	against(s.Domain == domainBlocked, ReasonDomainBlocked, Refuse)
	against(s.Domain != domainAllowed && s.Disposable != DisposableAllow, ReasonDisposable, s.Disposable.outcome())
	against(s.Captcha == captchaMissing, ReasonCaptchaMissing, Refuse)
	against(s.Captcha == captchaFailed, ReasonCaptchaFailed, Refuse)
	against(s.Captcha == captchaUnavailable, reasonCaptchaUnavailable, Accept)
	against(s.Limited, ReasonRateLimited, Refuse)
	against(s.Honeypot, reasonHoneypot, Hold)
	against(s.TooFast, reasonTooFast, Accept)
	if weak > 1 {
		d.Outcome = stricter(d.Outcome, Hold)
	}
	return d
}

// HoldReasons returns the reasons of holds. A hold may have several, separated by commas as in the outbox.
func HoldReasons() []string {
	return []string{ReasonDisposable, reasonCaptchaUnavailable, reasonHoneypot, reasonTooFast}
}

// HoldReason returns the reasons for a hold, separated by commas as in the outbox; empty if the outcome is not Hold.
func (d Decision) HoldReason() string {
	if d.Outcome != Hold {
		return ""
	}
	return strings.Join(d.Reasons, ",")
}

// outcome returns the outcome of a disposable address under a policy.
func (p Policy) outcome() Outcome {
	switch p {
	case DisposableBlock:
		return Refuse
	case DisposableHold:
		return Hold
	case DisposableAllow, DisposableFlag:
	}
	return Accept
}

func stricter(a, b Outcome) Outcome {
	for _, o := range []Outcome{Refuse, Hold} {
		if a == o || b == o {
			return o
		}
	}
	return Accept
}
