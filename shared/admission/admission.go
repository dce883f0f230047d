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
	"newsletter/shared/config"
	"newsletter/shared/ratelimit"
	"newsletter/shared/telemetry"
)

// Config is the limits of each route. A policy reads "limit/window@scope": host is one IPv4 address or IPv6 /64, site an
// IPv4 /24 or IPv6 /48.
//
// One IPv4 address may be a conference, or thousands of a mobile carrier's customers, so the defaults are wide: what one
// address is mailed is bounded in PostgreSQL, whoever asks.
type Config struct {
	// Subscribe limits sign-ups. Defaults to 60 in 10 minutes for a host, which a full conference hall stays below, and 300
	// in an hour for a site.
	Subscribe ratelimit.Policies `env:"LIMIT_SUBSCRIBE" envDefault:"60/10m@host,300/1h@site"`
	// Confirm limits the button behind a confirmation link. Defaults to what Subscribe does: whoever may sign up there may
	// confirm there.
	Confirm ratelimit.Policies `env:"LIMIT_CONFIRM" envDefault:"60/10m@host,300/1h@site"`
	// Unsubscribe limits requests for an unsubscribe link by address; links themselves are never limited. Defaults to 20
	// in 10 minutes for a host and 200 in an hour for a site.
	Unsubscribe ratelimit.Policies `env:"LIMIT_UNSUBSCRIBE" envDefault:"20/10m@host,200/1h@site"`
	// Privacy limits requests for a link to one's data by address; links themselves are never limited. Defaults to 20 in
	// an hour for a host and 200 in an hour for a site.
	Privacy ratelimit.Policies `env:"LIMIT_PRIVACY" envDefault:"20/1h@host,200/1h@site"`
	// MinFillTime is the time that a person needs at least to fill in the form, counted from the started_at that the form
	// sends. Defaults to 1s; 0 switches the check off.
	MinFillTime time.Duration `env:"MIN_FILL_TIME" envDefault:"1s"`
}

// ReadConfig reads Config.
func ReadConfig(e *config.Env) Config {
	var c Config
	e.Read(&c)
	return c
}

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
	Endpoint Endpoint
	Client   netip.Addr
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
func (v *Verdict) Keep() { v.kept = true }

// Gate admits requests. It is safe for concurrent use.
type Gate struct {
	limiter *ratelimit.Limiter
	config  Config
	now     func() time.Time
}

// New makes a Gate.
func New(limiter *ratelimit.Limiter, cfg Config, now func() time.Time) *Gate {
	return &Gate{limiter, cfg, now}
}

// Admit decides a request, and counts it. Sign-ups are admitted by SignUps.
func (g *Gate) Admit(ctx context.Context, a Attempt) Verdict {
	signals := g.marks(a.Honeypot, a.StartedAt)
	v := Verdict{Limit: g.take(ctx, a.Endpoint, a.Client, g.policies(a.Endpoint))}
	if !v.Limit.Allowed && a.Endpoint == Confirm && v.Limit.Tier == ratelimit.Local {
		// It mails nobody, so a lost Redis refuses nobody. What this process counted is not told.
		v.Limit = ratelimit.Decision{Allowed: true, Tier: v.Limit.Tier, Reason: v.Limit.Reason}
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
			telemetry.Security(ctx, reason)
		}
	}
	return d
}

// Settle takes the count back unless the verdict is kept: the request failed on our side, with an error or a panic. It is
// to be deferred once the request is admitted.
func (g *Gate) Settle(ctx context.Context, v *Verdict) {
	if v.kept {
		return
	}
	for _, d := range append(v.also, v.Limit) {
		g.limiter.Refund(ctx, d)
	}
}

func (g *Gate) take(ctx context.Context, e Endpoint, client netip.Addr, policies ratelimit.Policies) ratelimit.Decision {
	began := time.Now()
	d := g.limiter.Take(ctx, ratelimit.Call{Endpoint: string(e), Client: client, Policies: policies})
	decision := "allowed"
	if !d.Allowed {
		decision = "denied"
	}
	telemetry.Add(ctx, telemetry.LimiterDecisions, 1, string(d.Tier), decision)
	capture.Breadcrumb(ctx, "limit", string(d.Tier)+" "+decision, time.Since(began))
	if d.Cause != nil { // the visitor is served, so nobody else would say that Redis is lost
		capture.Error(ctx, d.Cause)
	}
	return d
}

func (g *Gate) policies(e Endpoint) ratelimit.Policies {
	switch e {
	case Confirm:
		return g.config.Confirm
	case Unsubscribe:
		return g.config.Unsubscribe
	case Privacy:
		return g.config.Privacy
	default:
		return g.config.Subscribe
	}
}

// marks are the signals that only robots give.
func (g *Gate) marks(honeypot string, startedAt time.Time) Signals {
	// A clock that is wrong, in either direction, marks nobody: only a start just now does.
	took := g.now().Sub(startedAt)
	return Signals{
		Honeypot: honeypot != "",
		TooFast:  !startedAt.IsZero() && took >= 0 && took < g.config.MinFillTime,
	}
}
