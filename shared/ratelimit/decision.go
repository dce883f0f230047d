package ratelimit

import (
	"slices"
	"sync/atomic"
	"time"
)

// Backend identifies the part of the limiter that decided a call.
type Backend string

// The backends.
const (
	Redis  Backend = "redis"  // the log shared by all instances
	Memory Backend = "memory" // this process remembers a refusal by Redis
	Local  Backend = "local"  // the log of this process, with half the limits, because Redis is unavailable
)

// Decision is the result of a call.
type Decision struct {
	Allowed bool
	Backend Backend
	// Reason is why the backend is not Redis: "none" is configured, the "breaker" is open, the call is "blocked" until
	// a known time, "unlimited" without a policy, or a failure of Redis. reason.go lists these.
	Reason string
	// Cause is the error of Redis, if this call caused one. It is for reports, never for visitors.
	Cause  error
	States []State // one for each policy
	// RetryAfter is the time until the same call would be allowed if no other comes first; 0 if it was allowed.
	RetryAfter time.Duration

	counter  counterKey
	at       int64 // the time that was counted, in microseconds
	cost     int
	refunded *atomic.Bool // nil: nothing was counted
}

// State is the state of one policy after the call.
type State struct {
	Policy    Policy
	Remaining int
	// Reset is the time until the oldest counted call leaves the window, or, if this policy refused, until it would
	// allow.
	Reset    time.Duration
	Violated bool
}

// Violated returns the names of the policies that refused the call.
func (d Decision) Violated() []string {
	var names []string
	for _, s := range d.States {
		if s.Violated {
			names = append(names, s.Policy.Name())
		}
	}
	return names
}

// by reports whether a decision was made by these policies.
func (d Decision) by(policies Policies) bool {
	return slices.EqualFunc(d.States, policies, func(s State, p Policy) bool { return s.Policy == p })
}

// place is where a call counts: in a log, as a call of one of the hosts there.
type counterKey struct {
	log  string
	host uint16
}

// decide returns the Decision for the counts.
func decide(allowed bool, at int64, counts []count, where counterKey, call Call) Decision {
	d := Decision{Allowed: allowed, counter: where, at: at, cost: call.Cost, States: make([]State, len(counts))}
	for i, c := range counts {
		d.States[i] = State{call.Policies[i], c.remaining, time.Duration(c.reset) * time.Microsecond, c.refused}
		if c.refused {
			d.RetryAfter = max(d.RetryAfter, d.States[i].Reset)
		}
	}
	if allowed {
		d.refunded = new(atomic.Bool)
	}
	return d
}
