// Package admission is the one gate of every route that can cause mail to an address that somebody typed.
//
// It sees the network that a request came from, the marks of robots and, of the address, the domain; whether the address
// is known it never learns, and its caps are counted in PostgreSQL in the transaction that queues the mail. All that is
// seen is judged by one pure function, Decide.
//
// Failure policy: it never fails. When Redis is lost, the limiter's own fallback decides, and calls that mail nobody are
// let through. When the CAPTCHA's verifier is lost, stricter limits take its place.
package admission

import (
	"context"
	"net/netip"
	"time"

	"newsletter/shared/capture"
	"newsletter/shared/ratelimit"
	"newsletter/shared/telemetry"
)

// Each route has a setting of its own for its limits. A policy reads "limit/window@scope": host is one IPv4 address or IPv6
// /64, site an IPv4 /24 or IPv6 /48.
//
// One IPv4 address may be a conference, or thousands of a mobile carrier's customers, so the defaults are wide: how many
// emails one address gets is bounded in PostgreSQL, whoever asks.

// SubscribeLimits are those of sign-ups and their confirmation.
type SubscribeLimits struct {
	// Sign-ups allowed per network, and separately as many confirmations. 60 in 10 minutes for a host is more than a
	// full conference hall needs.
	Policies ratelimit.Policies `env:"LIMITS_SUBSCRIBE" envDefault:"60/10m@host,300/1h@site"`
}

// UnsubscribeLimits are those of the form that asks for an unsubscribe link.
type UnsubscribeLimits struct {
	// Requests for an unsubscribe link by address allowed per network. The links themselves are never limited.
	Policies ratelimit.Policies `env:"LIMITS_UNSUBSCRIBE" envDefault:"20/10m@host,200/1h@site"`
}

// PrivacyLimits are those of the form that asks for a link to one's data.
type PrivacyLimits struct {
	// Requests for a link to one's data by address allowed per network. The links themselves are never limited.
	Policies ratelimit.Policies `env:"LIMITS_PRIVACY" envDefault:"20/1h@host,200/1h@site"`
}

// minFillTime is what a person needs at least to fill in the form and send it; robots send at once.
const minFillTime = time.Second

// Endpoint is a route that is counted on its own.
type Endpoint string

// The endpoints.
const (
	Subscribe   Endpoint = "subscribe"
	Confirm     Endpoint = "confirm"
	Unsubscribe Endpoint = "unsubscribe"
	Privacy     Endpoint = "privacy"
)

// Attempt is a request before the gate.
type Attempt struct {
	Client netip.Addr
	// Honeypot is the field that people do not see.
	Honeypot string
	// StartedAt is when the form was shown, as the form says; zero if it does not.
	StartedAt time.Time
}

// Verdict is the gate's answer.
type Verdict struct {
	Decision
	// Limit is the limiter's decision, whose headers the answer carries; zero if the limiter was not asked.
	Limit ratelimit.Decision

	also []ratelimit.Decision // counted besides Limit
	kept bool
}

// Keep says that the request was served, or failed by what the client did: it stays counted.
func (v *Verdict) Commit() { v.kept = true }

// Admission admits requests. It is safe for concurrent use.
type Admission struct {
	limiter  *ratelimit.Limiter
	endpoint Endpoint
	policies ratelimit.Policies
	now      func() time.Time
}

// New makes the Admission of one route.
func New(limiter *ratelimit.Limiter, endpoint Endpoint, policies ratelimit.Policies, now func() time.Time) *Admission {
	return &Admission{limiter, endpoint, policies, now}
}

// Admit decides a request, and counts it. Sign-ups are admitted by SignUps.
func (g *Admission) Admit(ctx context.Context, a Attempt) Verdict {
	signals := g.marks(a.Honeypot, a.StartedAt)
	v := Verdict{Limit: g.take(ctx, g.endpoint, a.Client, g.policies)}
	if !v.Limit.Allowed && g.endpoint == Confirm && v.Limit.Backend == ratelimit.Local {
		// It mails nobody, so a lost Redis refuses nobody. What this process counted is not told.
		v.Limit = ratelimit.Decision{Allowed: true, Backend: v.Limit.Backend, Reason: v.Limit.Reason}
	}
	signals.Limited = !v.Limit.Allowed
	v.Decision = decide(ctx, signals)
	return v
}

// decide is Decide, and notes what speaks against a request that is not simply accepted.
func decide(ctx context.Context, s Signals) Decision {
	d := Decide(s)
	if d.Outcome != Accept {
		for _, reason := range d.Reasons {
			telemetry.SecurityEvent(ctx, reason)
		}
	}
	return d
}

// Settle takes the count back unless the verdict is kept: the request failed on our side, with an error or a panic. It is
// to be deferred once the request is admitted.
func (g *Admission) RefundUnlessCommitted(ctx context.Context, v *Verdict) {
	if v.kept {
		return
	}
	for _, d := range append(v.also, v.Limit) {
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
	if d.Cause != nil { // the visitor is served, so nobody else would say that Redis is lost
		capture.Error(ctx, d.Cause)
	}
	return d
}

// marks are the signals that only robots give.
func (g *Admission) marks(honeypot string, startedAt time.Time) Signals {
	// A clock that is wrong, in either direction, marks nobody: only a start just now does.
	took := g.now().Sub(startedAt)
	return Signals{
		Honeypot: honeypot != "",
		TooFast:  !startedAt.IsZero() && took >= 0 && took < minFillTime,
	}
}
