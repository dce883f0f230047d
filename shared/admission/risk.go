package admission

import (
	"slices"
	"strings"
)

// Signals is all that is known about a request before its address is looked at. The zero value is a request that
// nothing speaks against. Nothing in it depends on whether an address is known.
type Signals struct {
	// Limited: the limiter of the client's network refuses.
	Limited bool
	// Honeypot: the field that people do not see is filled in.
	Honeypot bool
	// TooFast: the form came back sooner than a person can fill it in.
	TooFast bool
	// Domain is what the owner says about the address's domain.
	Domain DomainStatus
	// Disposable is what the owner wants done with an address at a domain of throw-away mailboxes; DisposableAllow for
	// every other domain.
	Disposable Policy
	// Captcha is what the verifier says.
	Captcha Captcha
}

// DomainStatus is the standing of a domain in the owner's two lists.
type DomainStatus string

// The standings.
const (
	DomainUnlisted DomainStatus = ""
	DomainAllowed  DomainStatus = "allowed" // an exception from the owner's and from the disposable domains
	DomainBlocked  DomainStatus = "blocked"
)

// Policy is what is done with throw-away mailboxes.
type Policy string

// The policies.
const (
	DisposableAllow Policy = ""      // nothing
	DisposableFlag  Policy = "flag"  // it is recorded, and counts as a weak sign
	DisposableHold  Policy = "hold"  // the owner decides
	DisposableBlock Policy = "block" // the visitor is told
)

// Captcha is the state of a request's CAPTCHA.
type Captcha string

// The states.
const (
	CaptchaOff         Captcha = "" // none is asked for
	CaptchaPassed      Captcha = "passed"
	CaptchaMissing     Captcha = "missing"     // no answer was sent
	CaptchaFailed      Captcha = "failed"      // wrong, too old, used before, or solved for another page
	CaptchaUnavailable Captcha = "unavailable" // the verifier cannot say
)

// Outcome is what the gate says.
type Outcome string

// The outcomes, from the mildest to the strictest.
const (
	Accept Outcome = "accept"
	// Hold is answered as Accept is; the mail waits until the owner releases it.
	Hold Outcome = "hold"
	// Drop is answered as Accept is, and does nothing: a robot learns nothing.
	Drop Outcome = "drop"
	// Refuse tells the visitor: 429 for the limiter, 422 for what the visitor can mend.
	Refuse Outcome = "refuse"
)

// The reasons that are recorded with a request, or name why it was refused.
const (
	ReasonDomainBlocked      = "domain_blocked"
	ReasonDisposable         = "disposable"
	ReasonCaptchaMissing     = "captcha_missing"
	ReasonCaptchaFailed      = "captcha_failed"
	ReasonCaptchaUnavailable = "captcha_unavailable"
	ReasonLimited            = "limited"
	ReasonHoneypot           = "honeypot"
	ReasonTooFast            = "too_fast"
)

// Decision is what signals lead to.
type Decision struct {
	Outcome Outcome
	// Reasons names every signal that speaks against the request, in the order of the constants above.
	Reasons []string
	// Refusals are those of the reasons that each refuse the request.
	Refusals []string
}

// Decide judges a request. It is pure and total. The strictest signal decides; two weak ones, each of which alone is only
// recorded, hold the request. docs/risk.md shows its table.
//
// A further signal never makes a decision milder, except DomainAllowed, which takes the place of what it excuses.
func Decide(s Signals) Decision {
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
		case Hold, Drop:
		}
		d.Outcome = stricter(d.Outcome, o)
	}
	against(s.Domain == DomainBlocked, ReasonDomainBlocked, Refuse)
	against(s.Domain != DomainAllowed && s.Disposable != DisposableAllow, ReasonDisposable, s.Disposable.outcome())
	against(s.Captcha == CaptchaMissing, ReasonCaptchaMissing, Refuse)
	against(s.Captcha == CaptchaFailed, ReasonCaptchaFailed, Refuse)
	against(s.Captcha == CaptchaUnavailable, ReasonCaptchaUnavailable, Accept)
	against(s.Limited, ReasonLimited, Refuse)
	against(s.Honeypot, ReasonHoneypot, Drop)
	against(s.TooFast, ReasonTooFast, Drop)
	if weak > 1 {
		d.Outcome = stricter(d.Outcome, Hold)
	}
	return d
}

// HoldReasons lists every combination of reasons for which Decide holds a request, as the outbox has them: separated by
// commas.
func HoldReasons() []string {
	var all []string
	for _, policy := range []Policy{DisposableAllow, DisposableFlag, DisposableHold, DisposableBlock} {
		for _, captcha := range []Captcha{CaptchaOff, CaptchaPassed, CaptchaMissing, CaptchaFailed, CaptchaUnavailable} {
			reason := Decide(Signals{Disposable: policy, Captcha: captcha}).HoldReason()
			if reason != "" && !slices.Contains(all, reason) {
				all = append(all, reason)
			}
		}
	}
	return all
}

// HoldReason is why the owner decides about the request, as the outbox has it; empty if the owner does not.
func (d Decision) HoldReason() string {
	if d.Outcome != Hold {
		return ""
	}
	return strings.Join(d.Reasons, ",")
}

// outcome is what a policy makes of a throw-away mailbox by itself.
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
	for _, o := range []Outcome{Refuse, Drop, Hold} {
		if a == o || b == o {
			return o
		}
	}
	return Accept
}
