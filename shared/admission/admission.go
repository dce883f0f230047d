// Package admission decides whether to serve a request that can send email to an address that a visitor entered.
//
// It considers the client's network, bot signals and the domain of the address. It does not know whether the address is
// known; mailbox budgets are counted in PostgreSQL, in the transaction that enqueues the email. One pure function,
// Decide, makes the decision.
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
)

// Attempt is a request to admit.
type Attempt struct {
	Client netip.Addr
	// Honeypot is the form field that is hidden from people.
	Honeypot string
	// StartedAt is when the form was shown, as the form reports it; zero if it does not.
	StartedAt time.Time
}

// Verdict is a Decision with its rate limit.
type Verdict struct {
	Decision
	// Limit is the limiter's decision, whose headers belong to the response; zero if the limiter was not called.
	Limit ratelimit.Decision

	additional []ratelimit.Decision // counted in addition to Limit
	committed  bool
}

// Commit keeps the request counted: it was served, or the client caused its failure.
func (v *Verdict) Commit() { v.committed = true }

// Admission admits requests. It is safe for concurrent use.
type Admission struct {
	limiter  *ratelimit.Limiter
	endpoint Endpoint
	policies ratelimit.Policies
	now      func() time.Time
}

// New returns the Admission of one route.
func New(limiter *ratelimit.Limiter, endpoint Endpoint, policies ratelimit.Policies, now func() time.Time) *Admission {
	return &Admission{limiter, endpoint, policies, now}
}

// Admit decides a request and counts it. For sign-ups, use SignUps.
func (g *Admission) Admit(ctx context.Context, a Attempt) Verdict {
	signals := g.botSignals(a.Honeypot, a.StartedAt)
	v := Verdict{Limit: g.take(ctx, g.endpoint, a.Client, g.policies)}
	if !v.Limit.Allowed && g.endpoint == Confirm && v.Limit.Backend == ratelimit.Local {
		// A confirmation causes no email, so it is admitted without Redis. The local count is not reported to the
		// client.
		v.Limit = ratelimit.Decision{Allowed: true, Backend: v.Limit.Backend, Reason: v.Limit.Reason}
	}
	signals.Limited = !v.Limit.Allowed
	v.Decision = decide(ctx, signals)
	return v
}

// decide calls Decide and records a security event for each reason of a request that is not accepted.
func decide(ctx context.Context, s Signals) Decision {
	d := Decide(s)
	if d.Outcome != Accept {
		for _, reason := range d.Reasons {
			telemetry.SecurityEvent(ctx, reason)
		}
	}
	return d
}

// RefundUnlessCommitted refunds the request's count unless the verdict is committed: the request failed on our side,
// with an error or a panic. Defer it once the request is admitted.
func (g *Admission) RefundUnlessCommitted(ctx context.Context, v *Verdict) {
	if v.committed {
		return
	}
	for _, d := range append(v.additional, v.Limit) {
		g.limiter.Refund(ctx, d)
	}
}

func (g *Admission) take(ctx context.Context, e Endpoint, client netip.Addr, policies ratelimit.Policies) ratelimit.Decision {
	began := time.Now()
	d := g.limiter.Take(ctx, ratelimit.Call{Endpoint: string(e), Client: client, Policies: policies})
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

// botSignals returns the signals that only bots cause.
func (g *Admission) botSignals(honeypot string, startedAt time.Time) Signals {
	// A wrong client clock must not count against a visitor, so only a start within the last minFillTime is too fast.
	took := g.now().Sub(startedAt)
	return Signals{
		Honeypot: honeypot != "",
		TooFast:  !startedAt.IsZero() && took >= 0 && took < minFillTime,
	}
}
