package ratelimit

import (
	"context"
	"strings"
	"testing"

	"newsletter/internal/local/pki"
	"newsletter/shared/config"
	"newsletter/shared/redistls"
)

// faults are ways to lose Redis, the reason that each must give, and how it comes back.
var faults = map[string]struct {
	reason      string // the first call may report another one before it
	break_, fix func(r *rig)
}{
	"closed port": {"reset refused",
		func(r *rig) { r.proxy.Stop() },
		func(r *rig) {
			if err := r.proxy.Start(); err != nil {
				r.t.Fatal(err)
			}
		}},
	"frozen server": {"timeout",
		func(r *rig) { r.server.Freeze() },
		func(r *rig) { r.server.Thaw() }},
	"slow replies": {"timeout",
		func(r *rig) {
			r.toxic(`{"name":"fault","type":"latency","stream":"downstream","attributes":{"latency":1000}}`)
		},
		(*rig).healthy},
	"black hole": {"timeout",
		func(r *rig) {
			r.toxic(`{"name":"fault","type":"timeout","stream":"upstream","attributes":{"timeout":0}}`)
		},
		(*rig).healthy},
	"connections reset": {"reset",
		func(r *rig) {
			r.toxic(`{"name":"fault","type":"reset_peer","stream":"upstream","attributes":{"timeout":0}}`)
		},
		(*rig).healthy},
	"half a reply": {"reset",
		func(r *rig) {
			r.toxic(`{"name":"fault","type":"limit_data","stream":"downstream","attributes":{"bytes":30}}`)
		},
		(*rig).healthy},
	"out of memory": {"out_of_memory",
		func(r *rig) { r.do("config", "set", "maxmemory", "1") },
		func(r *rig) { r.do("config", "set", "maxmemory", "0") }},
	"read-only replica": {"read_only",
		func(r *rig) { r.do("replicaof", "127.0.0.1", "1") },
		func(r *rig) { r.do("replicaof", "no", "one") }},
	"replica without its primary": {"no_primary",
		func(r *rig) {
			r.do("config", "set", "replica-serve-stale-data", "no")
			r.do("replicaof", "127.0.0.1", "1")
		},
		func(r *rig) { r.do("replicaof", "no", "one") }},
	"scripts not permitted": {"permission",
		func(r *rig) { r.do("acl", "setuser", "default", "-evalsha", "-eval") },
		func(r *rig) { r.do("acl", "setuser", "default", "+@all") }},
	"server busy with a script": {"busy",
		func(r *rig) {
			r.do("config", "set", "busy-reply-threshold", "1")
			open(r.t, r.server.RedisConfig, r.server.Addr).Eval(r.t.Context(), "while true do end", nil) // its reply never comes
		},
		func(r *rig) { r.do("script", "kill") }},
	"another script's answer": {"answer",
		func(r *rig) {
			r.script("return redis.error_reply('SURPRISE of a later version')")
		},
		func(r *rig) { r.limiter.remote.taking = nil }},
	"another script's reply": {"reply",
		func(r *rig) { r.script("return {1, 'soon', 1, 1, 1, 1}") },
		func(r *rig) { r.limiter.remote.taking = nil }},
	"a script of other policies": {"reply",
		func(r *rig) { r.script("return {1, 1, 1, 1}") },
		func(r *rig) { r.limiter.remote.taking = nil }},
}

func TestRedisLost(t *testing.T) {
	t.Parallel()
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, reasons := newRig(t), strings.Fields(fault.reason)
			if fault.reason == "timeout" {
				r.hurry()
			}
			victim := r.victim()
			before := r.sent.evalsha.Load()
			fault.break_(r)
			// Half of the limit of 4 is left to this process, whatever Redis counted.
			for i, allowed := range []bool{true, true, false} {
				d := r.take(victim)
				r.want(d, Local, reasons[min(i, len(reasons)-1)])
				if d.Allowed != allowed {
					t.Fatalf("call %d in this process: %s", i, describe(d))
				}
			}
			if asked := r.sent.evalsha.Load() - before; asked != breakerFailures {
				t.Errorf("Redis was asked %d times by %d calls", asked, breakerFailures)
			}
			for range 20 {
				d := r.take(r.call())
				r.want(d, Local, reasonBreaker)
				if !d.Allowed {
					t.Error("a new client is refused")
				}
			}
			if asked := r.sent.evalsha.Load() - before; asked != breakerFailures {
				t.Errorf("Redis was asked %d times, although the breaker is open", asked)
			}
			// A probe that fails keeps it open.
			r.clock.advance(breakerPause)
			r.want(r.take(r.call()), Local, reasons[len(reasons)-1])
			r.want(r.take(r.call()), Local, reasonBreaker)
			fault.fix(r)
			r.clock.advance(breakerPause)
			r.victim()
		})
	}
}

// TestACallIsSentOnce: a reply that is lost has been counted, so asking again would count twice.
func TestACallIsSentOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hurry()
	call := r.victim()
	r.sent.evalsha.Store(0)
	r.sent.eval.Store(0)
	r.toxic(`{"name":"fault","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`)
	r.want(r.take(call), Local, "timeout")
	if n := r.sent.evalsha.Load() + r.sent.eval.Load(); n != 1 {
		t.Errorf("%d commands for one call", n)
	}
	r.wantCounted(call, 2)
}

// TestAVisitorWhoLeavesIsCounted: else an attacker would hang up in time.
func TestAVisitorWhoLeavesIsCounted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	call := r.call()
	for range 4 {
		r.want(r.limiter.Take(gone, call), Redis, "")
	}
	if d := r.take(call); d.Allowed {
		t.Error("calls of a visitor who left were not counted")
	}
}

func TestAnEmptiedRedisIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	call := r.call()
	r.want(r.take(call), Redis, "")
	r.do("script", "flush")
	if d := r.take(call); d.Backend != Redis || d.States[0].Remaining != 2 {
		t.Errorf("after SCRIPT FLUSH %s by %s", describe(d), d.Backend)
	}
	if n := r.sent.eval.Load(); n != 2 {
		t.Errorf("%d scripts sent whole, want one for each time that the server knew it not", n)
	}
	r.do("flushall")
	if d := r.take(call); d.Backend != Redis || d.States[0].Remaining != 3 {
		t.Errorf("after FLUSHALL %s by %s", describe(d), d.Backend)
	}
	r.server.Kill()
	r.server.Start()
	r.want(r.take(call), Local, "reset") // the old connection; whether the server counted cannot be known
	if d := r.take(call); d.Backend != Redis || d.States[0].Remaining != 3 {
		t.Errorf("after a restart %s by %s because %s: %v", describe(d), d.Backend, d.Reason, d.Cause)
	}
}

// TestAStrangeKeyIsReplaced: what is no log cannot lock a client out, nor take Redis from it.
func TestAStrangeKeyIsReplaced(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, strange := range [][]any{{"set", "no multiple of nine"}, {"set", ""}, {"hset", "field", "value"}, {"rpush", "1"}} {
		call := r.call()
		key := r.limiter.counterKey(call).log
		r.do(append([]any{strange[0], key}, strange[1:]...)...)
		for n := range 4 {
			d := r.take(call)
			r.want(d, Redis, "")
			if !d.Allowed || d.States[1].Remaining != 199-n {
				t.Errorf("%v, call %d: %s", strange, n, describe(d))
			}
		}
		if d := r.take(call); d.Allowed {
			t.Errorf("%v: %s", strange, describe(d))
		}
	}
	call := r.call()
	d := r.take(call)
	r.do("del", d.counter.log)
	r.do("hset", d.counter.log, "field", "value")
	if err := r.limiter.remote.refund(t.Context(), d); err != nil {
		t.Errorf("a refund that finds something strange: %v", err)
	}
}

func TestRedisThatIsNotOurs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	stranger, err := pki.Ensure(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := newProxy(t, "127.0.0.2:0", r.server.Addr)
	url := func(password, addr string) config.Sealed { return config.Seal("rediss://:" + password + "@" + addr) }
	for name, c := range map[string]struct {
		reason string
		config redistls.Config
	}{
		"wrong password":                    {"password", redistls.Config{URL: url("wrong", r.server.Addr), CAFile: r.server.CAFile}},
		"no password":                       {"password", redistls.Config{URL: config.Seal("rediss://" + r.server.Addr), CAFile: r.server.CAFile}},
		"certificate of a stranger":         {"certificate", redistls.Config{URL: url(r.server.Secret, r.server.Addr), CAFile: stranger.CA}},
		"certificate unknown to the system": {"certificate", redistls.Config{URL: url(r.server.Secret, r.server.Addr)}},
		"certificate of another host":       {"certificate", redistls.Config{URL: url(r.server.Secret, elsewhere.Listen), CAFile: r.server.CAFile}},
	} {
		r.use(patient(t, openURL(t, c.config)))
		r.limiter.budget = patience
		for i := range breakerFailures {
			d := r.take(r.call())
			hungUp := i > 0 && d.Reason == "reset" // Redis does so on a stranger who goes on
			if d.Backend != Local || d.Reason != c.reason && !hungUp || d.Cause == nil {
				t.Errorf("%s: decided by %s because %q: %v", name, d.Backend, d.Reason, d.Cause)
			}
			if d.Cause != nil && strings.Contains(d.Cause.Error(), r.server.Secret) {
				t.Errorf("%s: the cause shows the password", name)
			}
		}
		r.want(r.take(r.call()), Local, reasonBreaker)
	}
}
