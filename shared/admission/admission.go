// Package admission decides whether to serve a request that can send email to an address that a visitor entered.
//
// It considers the client's network, bot signals and the domain of the address. It does not know whether the address is
// known; mailbox budgets are counted in PostgreSQL, in the transaction that enqueues the email. One pure function,
// decide, makes the decision.
//
// Failure policy: admission never fails. Without Redis, the limiter's local fallback decides, and requests that cause
// no email are admitted. Without the CAPTCHA verifier, stricter limits apply.
package admission

import (
	"context"
	"net/netip"
	"time"

	"newsletter/shared/capture"
	"newsletter/shared/ratelimit"
	"newsletter/shared/telemetry"
)

// Each route has its own limits. The format of a policy is "limit/window@scope": host is one IPv4 address or IPv6 /64,
// site an IPv4 /24 or IPv6 /48.
//
// One IPv4 address may be shared by a conference or by thousands of customers of a mobile carrier, so the defaults are
// generous. PostgreSQL limits the emails to one mailbox separately.

// SubscribeLimits limits sign-ups and confirmations.
type SubscribeLimits struct {
	// Sign-ups allowed per network, and separately as many confirmations. 60 in 10 minutes for a host is more than a
	// full conference hall needs.
	Policies ratelimit.Policies `env:"LIMITS_SUBSCRIBE" envDefault:"60/10m@host,300/1h@site"`
}

// UnsubscribeLimits limits requests for an unsubscribe link.
type UnsubscribeLimits struct {
	// Requests for an unsubscribe link by address allowed per network. The links themselves are never limited.
	Policies ratelimit.Policies `env:"LIMITS_UNSUBSCRIBE" envDefault:"20/10m@host,200/1h@site"`
}

// PrivacyLimits limits requests for a privacy link.
type PrivacyLimits struct {
	// Requests for a link to one's data by address allowed per network. The links themselves are never limited.
	Policies ratelimit.Policies `env:"LIMITS_PRIVACY" envDefault:"20/1h@host,200/1h@site"`
}

// keySignUps limits the sign-ups by one key, besides those of each visitor's network. A leaked key can name any network, so
// this bounds the harm to strangers: 100 emails a minute, of which the mailbox budgets and slots let few through. It is
// 16 times the limit of a host by default, which fits a full conference hall.
var keySignUps = ratelimit.Policies{{Limit: 1000, Window: 10 * time.Minute, Scope: ratelimit.Key}}

// lookUps limits the look-ups by one key: ten a second. A receiver of webhooks needs one for each change of a subscription.
var lookUps = ratelimit.Policies{{Limit: 600, Window: time.Minute, Scope: ratelimit.Key}}

// minFillTime is the minimum time in which a person fills in and sends the form; bots send at once.
const minFillTime = time.Second

// Endpoint is a route with its own counters.
type Endpoint string

// The endpoints.
const (
	Subscribe   Endpoint = "subscribe"
	Confirm     Endpoint = "confirm"
	Unsubscribe Endpoint = "unsubscribe"
	Privacy     Endpoint = "privacy"
	byKey       Endpoint = "subscribe-key"
	lookUp      Endpoint = "look-up"
)

// Request is a request to admit.
type Request struct {
	Client netip.Addr
	// Honeypot is the form field that is hidden from people.
	Honeypot string
	// StartedAt is when the form was shown, as the form reports it; zero if it does not.
	StartedAt time.Time
	// Domain and RegistrableDomain are those of a sign-up's address, as lower-case A-labels.
	Domain, RegistrableDomain string
	// Captcha is the response of a sign-up's CAPTCHA; empty if there is none.
	Captcha string
	// Key is the id of the server's key that a request has; empty for none. Client is then the visitor that it names.
	Key string
}

// Verifier verifies the response of a CAPTCHA. known is false if it cannot decide; it has then reported the cause.
type Verifier interface {
	Verify(ctx context.Context, response string) (passed, known bool)
}

// Admission admits requests. It is safe for concurrent use.
type Admission struct {
	limiter  *ratelimit.Limiter
	endpoint Endpoint
	policies ratelimit.Policies
	signUps  SignUpConfig
	verifier Verifier // nil if no CAPTCHA is configured
	now      func() time.Time
}

// New returns the Admission of one route.
func New(limiter *ratelimit.Limiter, endpoint Endpoint, policies ratelimit.Policies, now func() time.Time) *Admission {
	return &Admission{limiter: limiter, endpoint: endpoint, policies: policies, now: now}
}

// SignUps returns an Admission that also checks the domain and the CAPTCHA of sign-ups. verifier is nil if no CAPTCHA
// is configured.
func (a *Admission) SignUps(cfg SignUpConfig, verifier Verifier) *Admission {
	with := *a
	with.signUps, with.verifier = cfg, verifier
	return &with
}

// unverified is counted in addition to Subscribe while the verifier is unavailable.
const unverified Endpoint = "subscribe-unverified"

// Admit decides a request and counts it. Checks without I/O run first; a request that they refuse is not counted. The
// CAPTCHA is verified after the limiter has allowed the request, for every address alike.
func (a *Admission) Admit(ctx context.Context, r Request) Decision {
	signals := a.signals(r)
	if decide(signals).Outcome == Refuse {
		return decideAndRecord(ctx, signals)
	}
	limit, ordinary := a.take(ctx, a.endpoint, r.Client, a.policies), ratelimit.Decision{}
	if !limit.Allowed && a.endpoint == Confirm && limit.Backend == ratelimit.Local {
		// A confirmation causes no email, so it is admitted without Redis. The local count is not reported to the
		// client.
		limit = ratelimit.Decision{Allowed: true, Backend: limit.Backend, Reason: limit.Reason}
	}
	if a.verifier != nil && limit.Allowed {
		if signals.Captcha = a.verify(ctx, r); signals.Captcha == captchaUnavailable {
			ordinary, limit = limit, a.take(ctx, unverified, r.Client, a.signUps.Unverified)
			if !limit.Allowed {
				a.limiter.Refund(ctx, ordinary)
			}
		}
	}
	var key ratelimit.Decision
	if r.Key != "" && limit.Allowed && signals.Captcha != captchaFailed {
		if key = a.takeKey(ctx, byKey, r.Key, keySignUps); !key.Allowed {
			a.limiter.Refund(ctx, ordinary)
			a.limiter.Refund(ctx, limit)
			limit, ordinary, key = key, ratelimit.Decision{}, ratelimit.Decision{}
		}
	}
	signals.Limited = !limit.Allowed
	d := decideAndRecord(ctx, signals)
	d.Limit, d.ordinary, d.key = limit, ordinary, key
	return d
}

// Refund refunds the count of a request that failed on our side.
func (a *Admission) Refund(ctx context.Context, d Decision) {
	a.limiter.Refund(ctx, d.ordinary)
	a.limiter.Refund(ctx, d.key)
	a.limiter.Refund(ctx, d.Limit)
}

// decideAndRecord decides, and records a security event for each reason of a request that is not accepted.
func decideAndRecord(ctx context.Context, s signals) Decision {
	d := decide(s)
	if d.Outcome != Accept {
		for _, reason := range d.Reasons {
			telemetry.SecurityEvent(ctx, reason)
		}
	}
	return d
}

// signals returns the signals that need no I/O.
func (a *Admission) signals(r Request) signals {
	// A wrong client clock must not count against a visitor, so only a start within the last minFillTime is too fast.
	took := a.now().Sub(r.StartedAt)
	s := signals{
		Honeypot: r.Honeypot != "", TooFast: !r.StartedAt.IsZero() && took >= 0 && took < minFillTime,
		Domain: a.signUps.status(r.Domain), Disposable: a.signUps.disposable(r.Domain, r.RegistrableDomain),
	}
	if a.verifier != nil && r.Captcha == "" {
		s.Captcha = captchaMissing
	}
	return s
}

func (a *Admission) verify(ctx context.Context, r Request) captchaState {
	switch passed, known := a.verifier.Verify(ctx, r.Captcha); {
	case !known:
		return captchaUnavailable
	case passed:
		return captchaPassed
	}
	return captchaFailed
}

func (a *Admission) take(ctx context.Context, e Endpoint, client netip.Addr, policies ratelimit.Policies) ratelimit.Decision {
	return take(ctx, a.limiter, ratelimit.Call{Endpoint: string(e), Client: client, Policies: policies})
}

func (a *Admission) takeKey(ctx context.Context, e Endpoint, key string, policies ratelimit.Policies) ratelimit.Decision {
	return take(ctx, a.limiter, ratelimit.Call{Endpoint: string(e), Key: key, Policies: policies})
}

// TakeLookUp counts a look-up by a key.
func TakeLookUp(ctx context.Context, limiter *ratelimit.Limiter, key string) ratelimit.Decision {
	return take(ctx, limiter, ratelimit.Call{Endpoint: string(lookUp), Key: key, Policies: lookUps})
}

func take(ctx context.Context, limiter *ratelimit.Limiter, call ratelimit.Call) ratelimit.Decision {
	began := time.Now()
	d := limiter.Take(ctx, call)
	decision := "allowed"
	if !d.Allowed {
		decision = "denied"
	}
	telemetry.Add(ctx, telemetry.LimiterDecisions, 1, string(d.Backend), decision)
	capture.Breadcrumb(ctx, "limit", string(d.Backend)+" "+decision, time.Since(began))
	if d.Cause != nil { // the visitor is served, so the lost Redis is reported here
		capture.Error(ctx, d.Cause)
	}
	return d
}
