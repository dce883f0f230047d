package ratelimit

import (
	"context"
	"net/netip"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"newsletter/shared/breaker"
	"newsletter/shared/pseudonym"
	"newsletter/shared/telemetry"
)

// After breakerFailures consecutive failures, Redis is called again only after up to breakerPause.
const (
	breakerFailures = 3
	breakerPause    = 10 * time.Second
)

// Call is a call to be decided.
type Call struct {
	Endpoint string     // calls to different endpoints are counted apart
	Client   netip.Addr // the client's address; all invalid ones count together
	Key      string     // the id of a server's key, which counts in place of the client; empty for none
	Policies Policies   // none: allowed
	Cost     int        // the number of calls that it counts as; default 1. A cost above a limit is always refused.
}

// Limiter decides calls. It is safe for concurrent use.
type Limiter struct {
	remote  *remote // nil: no Redis is configured
	key     pseudonym.Key
	breaker *breaker.Breaker
	blocked *blocklist
	local   *local
	now     func() time.Time
	budget  time.Duration // of one call to Redis
}

// New returns a Limiter. If client is nil, every call is decided in this process. now is this process's clock, by
// which the fallback counts and waits are measured; limits in Redis count by the server's clock. It does no I/O.
func New(client redis.UniversalClient, key pseudonym.Key, now func() time.Time) *Limiter {
	l := &Limiter{
		key: key, breaker: breaker.New(breakerFailures, breakerPause, now),
		blocked: newBlocklist(now), local: newLocal(now), now: now, budget: Budget,
	}
	if client != nil {
		l.remote = newRemote(client)
	}
	return l
}

// Budget limits a call to Redis: 250 ms to dial, if needed, and 150 ms for the reply.
const Budget = 400 * time.Millisecond

// Take decides a call, and counts it if it is allowed. It never fails. It continues when ctx is canceled, for example
// by a client that disconnects, within its own budget.
func (l *Limiter) Take(ctx context.Context, call Call) Decision {
	if len(call.Policies) == 0 {
		return Decision{Allowed: true, Backend: Local, Reason: reasonUnlimited}
	}
	call.Cost = max(1, call.Cost)
	where := l.counterKey(call)
	if d, found := l.blocked.decision(where, call); found {
		return d
	}
	if l.remote == nil {
		return l.fallBack(where, call, reasonNone, nil)
	}
	if !l.breaker.Allow() {
		return l.fallBack(where, call, reasonBreaker, nil)
	}
	asked := l.now()
	began := time.Now()
	d, err := l.remote.take(l.bounded(ctx), where, call)
	telemetry.AddDuration(ctx, telemetry.RedisRoundTrip, time.Since(began))
	l.breaker.Report(err == nil)
	if err != nil {
		return l.fallBack(where, call, reason(err), err)
	}
	l.blocked.remember(asked, d)
	return d
}

func (l *Limiter) fallBack(where counterKey, call Call, reason string, cause error) Decision {
	d := l.local.take(where, call, reduced)
	d.Reason, d.Cause = reason, cause
	return d
}

// Refund takes back a counted call that was not served. A second refund does nothing. If Redis cannot be
// reached, the call stays counted.
func (l *Limiter) Refund(ctx context.Context, d Decision) {
	if d.refunded == nil || !d.refunded.CompareAndSwap(false, true) {
		return
	}
	l.blocked.forget(d.counter.log)
	if d.Backend == Local {
		l.local.refund(d)
		return
	}
	if !l.breaker.Allow() {
		return
	}
	err := l.remote.refund(l.bounded(ctx), d)
	l.breaker.Report(err == nil)
}

// bounded returns a context that ends with the budget instead of ctx.
func (l *Limiter) bounded(ctx context.Context) context.Context {
	return deadline{context.WithoutCancel(ctx), time.Now().Add(l.budget)}
}

// deadline is a context with a deadline but without a timer: only the Redis client waits, and it checks the deadline
// itself. A timer would cost as much as the rest of a decision.
type deadline struct {
	context.Context
	at time.Time
}

// Deadline implements context.Context.
func (d deadline) Deadline() (time.Time, bool) { return d.at, true }

// counterKey returns where a call counts. A server's key has a log of its own. Otherwise the log is that of the call's site
// and endpoint, in which policies for hosts count only the host's calls; without a policy for sites, it is a log of the
// host. Log names contain pseudonyms and ids of keys, never an address.
//
// A name has 64 bits of the pseudonym: among a million networks, two share a log with a probability of 1 in 30 million,
// and the shorter key costs Redis less. Hosts of one site never collide, and their numbers do not reveal their
// addresses.
func (l *Limiter) counterKey(call Call) counterKey {
	if call.Key != "" {
		return counterKey{"rl:" + call.Key + ":" + call.Endpoint, 0}
	}
	scope := call.Policies.widest()
	name := l.key.Network(scope.network(call.Client))
	mask, _ := strconv.ParseUint(name[16:20], 16, 16) // hexadecimal digits, always
	return counterKey{"rl:" + name[:16] + ":" + call.Endpoint, hostNumber(call.Client) ^ uint16(mask)}
}
