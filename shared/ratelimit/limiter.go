package ratelimit

import (
	"context"
	_ "embed"
	"net/netip"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"newsletter/shared/config"
	"newsletter/shared/pseudonym"
)

// Tier says who decided a call.
type Tier string

// The tiers.
const (
	Redis  Tier = "redis"  // the log that all instances share
	Memory Tier = "memory" // this process remembers until when Redis refuses the client
	Local  Tier = "local"  // the log of this process, with half the limits, because Redis is lost
)

// Call is what is to be decided.
type Call struct {
	Endpoint string     // calls to different endpoints are counted apart
	Client   netip.Addr // the client's address, IPv4 where it is IPv4
	Policies Policies
	Cost     int // how many calls it counts for; defaults to 1
}

// Decision is what came of a call.
type Decision struct {
	Allowed bool
	Tier    Tier
	// Reason says why the tier is not Redis: "none" configured, "breaker", "blocked", or how Redis failed.
	Reason string
	States []State
	// RetryAfter is when the same call would be allowed if no other came between; 0 where it was allowed.
	RetryAfter time.Duration

	keys []string
	at   int64
	cost int
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

//go:embed take.lua
var takeScript string

//go:embed refund.lua
var refundScript string

// script is a script with its hash, and one that Upstash runs without locking the whole database. Servers that do not
// know that flag refuse it; then the plain one is used from there on.
type scripts struct{ take, refund *redis.Script }

func plainScripts() scripts {
	return scripts{redis.NewScript(takeScript), redis.NewScript(refundScript)}
}

func keyLockingScripts() scripts {
	const shebang = "#!lua flags=allow-key-locking\n"
	return scripts{redis.NewScript(shebang + takeScript), redis.NewScript(shebang + refundScript)}
}

// Config tunes a Limiter.
type Config struct {
	// KeyLocking asks Upstash to lock the keys of a call only, not the database. Servers that refuse the flag are noticed.
	// Defaults to false.
	KeyLocking bool `env:"REDIS_KEY_LOCKING" envDefault:"false"`
}

// Limiter decides calls. It is safe for concurrent use.
type Limiter struct {
	client  redis.UniversalClient // nil: none configured
	key     pseudonym.Key
	scripts *scriptChoice
	breaker *breaker
	blocked *blocklist
	local   *local
	now     func() time.Time
}

// New makes a Limiter. client may be nil: then every call is decided in this process. It does no I/O.
func New(client redis.UniversalClient, key pseudonym.Key, cfg Config, now func() time.Time) *Limiter {
	return &Limiter{
		client: client, key: key, scripts: newScriptChoice(cfg.KeyLocking),
		breaker: newBreaker(now), blocked: newBlocklist(now), local: newLocal(now), now: now,
	}
}

// Take decides a call, and counts it if it is allowed. It never fails. A visitor who goes away does not undo it: the
// count goes on without ctx, within the client's own timeouts.
func (l *Limiter) Take(ctx context.Context, call Call) Decision {
	if len(call.Policies) == 0 {
		return Decision{Allowed: true, Tier: Local, Reason: "none"}
	}
	if call.Cost == 0 {
		call.Cost = 1
	}
	keys := l.keys(call)
	if d, found := l.blocked.decision(keys, call); found {
		return d
	}
	if l.client == nil {
		return l.local.take(keys, call, "none")
	}
	if !l.breaker.allow() {
		return l.local.take(keys, call, "breaker")
	}
	d, err := l.ask(context.WithoutCancel(ctx), keys, call)
	l.breaker.report(err == nil)
	if err != nil {
		return l.local.take(keys, call, reason(err))
	}
	l.blocked.remember(keys, d)
	return d
}

// Refund takes a counted call back, because it was not served after all. What cannot be reached stays counted.
func (l *Limiter) Refund(ctx context.Context, d Decision) {
	if !d.Allowed || len(d.keys) == 0 {
		return
	}
	l.blocked.forget(d.keys)
	if d.Tier == Local {
		l.local.refund(d)
		return
	}
	if !l.breaker.allow() {
		return
	}
	err := l.scripts.run(func(s scripts) error {
		return s.refund.Run(context.WithoutCancel(ctx), l.client, d.keys, strconv.FormatInt(d.at, 10), d.cost).Err()
	})
	l.breaker.report(err == nil)
}

// Healthy says whether Redis is asked at the moment; false too where none is configured.
func (l *Limiter) Healthy() bool { return l.client != nil && l.breaker.closed() }

// keys names the logs of a call. They hold pseudonyms, never an address. All begin with the same hash tag, so that a
// cluster keeps them on one node: that of the client's site, which spreads the clients.
func (l *Limiter) keys(call Call) []string {
	tag := "rl:{" + l.key.Network(Site.network(call.Client)) + "}:" + call.Endpoint + ":"
	keys := make([]string, len(call.Policies))
	for i, p := range call.Policies {
		keys[i] = tag + p.Name()
		if p.Scope != Site {
			keys[i] += ":" + l.key.Network(p.Scope.network(call.Client))
		}
	}
	return keys
}

// ask runs the script. It is never repeated: a lost reply has counted already.
func (l *Limiter) ask(ctx context.Context, keys []string, call Call) (Decision, error) {
	args := make([]any, 0, 2+2*len(call.Policies))
	args = append(args, 0, call.Cost)
	for _, p := range call.Policies {
		args = append(args, p.Limit, p.Window.Microseconds())
	}
	var reply []any
	err := l.scripts.run(func(s scripts) (err error) {
		reply, err = s.take.Run(ctx, l.client, keys, args...).Slice()
		return err
	})
	if err != nil {
		return Decision{}, err
	}
	return parse(reply, keys, call)
}

// decide makes the Decision of what was counted.
func decide(allowed bool, at int64, counts []count, keys []string, call Call) Decision {
	d := Decision{Allowed: allowed, keys: keys, at: at, cost: call.Cost, States: make([]State, len(counts))}
	for i, c := range counts {
		d.States[i] = State{call.Policies[i], c.remaining, time.Duration(c.reset) * time.Microsecond, c.refused}
		if c.refused {
			d.RetryAfter = max(d.RetryAfter, d.States[i].Reset)
		}
	}
	return d
}

// ReadConfig reads Config.
func ReadConfig(e *config.Env) Config {
	var c Config
	e.Read(&c)
	return c
}
