package ratelimit

import (
	"slices"
	"sync/atomic"
	"time"
)

// Backend says who decided a call.
type Backend string

// The tiers.
const (
	Redis  Backend = "redis"  // the log that all instances share
	Memory Backend = "memory" // this process remembers until when Redis refuses the client
	Local  Backend = "local"  // the log of this process, with half the limits, because Redis is lost
)

// Decision is what came of a call.
type Decision struct {
	Allowed bool
	Backend Backend
	// Reason says in a word why the tier is not Redis: "none" is configured, "breaker" is open, "blocked" until a known
	// time, "unlimited" for want of a policy, or how Redis failed. reason.go lists those.
	Reason string
	// Cause is the failure of Redis where this call met it. It is for reports, never for visitors.
	Cause  error
	States []State // one for each policy
	// RetryAfter is when the same call would be allowed if no other came between; 0 where it was allowed.
	RetryAfter time.Duration

	counter  counterKey
	at       int64 // the time that was counted, in microseconds
	cost     int
	refunded *atomic.Bool // nil: nothing was counted
}

// State is where one policy stands after the call.
type State struct {
	Policy    Policy
	Remaining int
	// Reset is when the oldest counted call leaves the window, or, where this policy refused, when it would allow.
	Reset    time.Duration
	Violated bool
}

// Violated names the policies that refused the call.
func (d Decision) Violated() []string {
	var names []string
	for _, s := range d.States {
		if s.Violated {
			names = append(names, s.Policy.Name())
		}
	}
	return names
}

// by says whether a decision was made by some policies.
func (d Decision) by(policies Policies) bool {
	return slices.EqualFunc(d.States, policies, func(s State, p Policy) bool { return s.Policy == p })
}

// place is where a call counts: in a log, as a call of one of the hosts there.
type counterKey struct {
	log  string
	host uint16
}

// decide makes the Decision of what was counted.
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
