package ratelimit

import (
	"net/netip"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"newsletter/shared/config"
	"newsletter/shared/redistls"
)

func TestWithoutRedisHalfOfTheLimit(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := New(nil, newKey(t), c.now)
	call := Call{Endpoint: "test", Client: addr("192.0.2.1"), Policies: policies(t, "5/10m@host,1/1h@site")}
	d := l.Take(t.Context(), call)
	if !d.Allowed || d.Backend != Local || d.Reason != "none" || d.Cause != nil {
		t.Fatalf("%s by %s because %q: %v", describe(d), d.Backend, d.Reason, d.Cause)
	}
	if d.States[0].Policy.Limit != 5 || d.States[0].Remaining != 2 || d.States[1].Remaining != 0 {
		t.Errorf("%s, want the full limit shown, and what remains of the half", describe(d))
	}
	if d := l.Take(t.Context(), call); d.Allowed || d.RetryAfter != time.Hour {
		t.Errorf("%s, want no more than one", describe(d))
	}
	for limit, want := range map[[2]int]int{{1, 1}: 1, {2, 1}: 1, {5, 1}: 3, {5, 4}: 4, {5, 6}: 5, {200, 1}: 100} {
		if got := reduced(limit[0], limit[1]); got != want {
			t.Errorf("a limit of %d for a cost of %d is %d, want %d", limit[0], limit[1], got, want)
		}
	}
}

func TestWithoutPoliciesAllIsAllowed(t *testing.T) {
	t.Parallel()
	l := New(nil, newKey(t), time.Now)
	d := l.Take(t.Context(), Call{Endpoint: "test", Client: addr("192.0.2.1")})
	if !d.Allowed || d.Reason != "unlimited" || len(d.Headers()) != 0 {
		t.Errorf("%s because %q", describe(d), d.Reason)
	}
	l.Refund(t.Context(), d)
	l.Refund(t.Context(), Decision{})
}

func TestClientsWithoutAnAddressCountTogether(t *testing.T) {
	t.Parallel()
	l := New(nil, newKey(t), time.Now)
	for i := range 3 {
		d := l.Take(t.Context(), Call{Endpoint: "test", Client: netip.Addr{}, Policies: policies(t, "4/1h@host,40/1h@site")})
		if d.Allowed != (i < 2) {
			t.Errorf("call %d: %s", i, describe(d))
		}
	}
}

// TestARefusedClientCostsRedisNothing until the very microsecond at which Redis would allow it.
func TestARefusedClientCostsRedisNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.limiter.remote.clock = func() int64 { return r.clock.now().UnixMicro() }
	call := r.call()
	call.Policies = policies(t, "2/1m@host,3/10m@site")
	r.take(call)
	r.clock.advance(10 * time.Second)
	r.take(call)
	r.want(r.take(call), Redis, "")
	asked := r.sent.evalsha.Load()
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{20 * time.Second, "refused 0/30s! 1/9m30s wait 30s"},
		{30*time.Second - time.Microsecond, "refused 0/1µs! 1/9m0.000001s wait 1µs"},
	} {
		r.clock.advance(step.after)
		d := r.take(call)
		r.want(d, Memory, "blocked")
		if got := describe(d); got != step.want {
			t.Errorf("%s, want %s", got, step.want)
		}
	}
	if n := r.sent.evalsha.Load(); n != asked {
		t.Errorf("Redis was asked %d times about a refused client", n-asked)
	}
	other := call
	other.Endpoint = "other"
	r.want(r.take(other), Redis, "")
	r.clock.advance(time.Microsecond)
	if d := r.take(call); d.Backend != Redis || !d.Allowed {
		t.Errorf("when its time had come: %s by %s", describe(d), d.Backend)
	}
	r.take(call)
	r.clock.advance(-time.Hour)
	r.want(r.take(call), Redis, "") // nothing is known after a clock stepped back
}

// TestARefusalIsRememberedForItsPoliciesAlone: others may allow the same call.
func TestARefusalIsRememberedForItsPoliciesAlone(t *testing.T) {
	t.Parallel()
	l := newPatient(shared(t), newKey(t), time.Now)
	strict := Call{Endpoint: "test", Client: addr("192.0.2.1"), Policies: policies(t, "1/1h@host,200/1h@site")}
	lenient := strict
	lenient.Policies = policies(t, "9/1h@host,200/1h@site")
	l.Take(t.Context(), strict)
	if d := l.Take(t.Context(), strict); d.Allowed {
		t.Fatal(describe(d))
	}
	if d := l.Take(t.Context(), lenient); d.Backend != Redis || !d.Allowed {
		t.Errorf("other policies: %s by %s", describe(d), d.Backend)
	}
}

func TestRefund(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]redis.UniversalClient{"Redis": shared(t), "this process": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newPatient(client, newKey(t), time.Now)
			call := Call{Endpoint: "test", Client: addr("192.0.2.1"), Policies: policies(t, "4/1h@host,40/1h@site"), Cost: 2}
			if client == nil {
				call.Policies = policies(t, "8/1h@host,80/1h@site") // half of it is used
			}
			first, second := l.Take(t.Context(), call), l.Take(t.Context(), call)
			if refused := l.Take(t.Context(), call); refused.Allowed || !first.Allowed || !second.Allowed {
				t.Fatalf("%s, %s, then %s", describe(first), describe(second), describe(refused))
			} else {
				l.Refund(t.Context(), refused) // nothing was counted, so nothing comes back
			}
			if d := l.Take(t.Context(), call); d.Allowed {
				t.Fatal("the refund of a refused call let another one in")
			}
			l.Refund(t.Context(), first)
			l.Refund(t.Context(), first)
			if d := l.Take(t.Context(), call); !d.Allowed {
				t.Errorf("after a refund: %s by %s", describe(d), d.Backend)
			}
			if d := l.Take(t.Context(), call); d.Allowed {
				t.Error("one refund, made twice, let two calls in")
			}
		})
	}
}

// TestKeyLocking: a server that refuses Upstash's flag is asked without it, at once and from then on.
func TestKeyLocking(t *testing.T) {
	t.Parallel()
	mini := miniredis.RunT(t)
	for name, client := range map[string]redis.UniversalClient{
		"Redis":                  shared(t),
		"a server without flags": patient(t, openURL(t, redistls.Config{URL: config.Seal("redis://" + mini.Addr())})),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := &counter{}
			client.AddHook(sent)
			l := newPatient(client, newKey(t), time.Now)
			l.remote.useLocking.Store(true)
			call := Call{Endpoint: "test", Client: addr("192.0.2.1"), Policies: policies(t, "3/1h@host")}
			d := l.Take(t.Context(), call)
			if d.Backend != Redis || d.States[0].Remaining != 2 {
				t.Fatalf("%s by %s because %s: %v", describe(d), d.Backend, d.Reason, d.Cause)
			}
			before := sent.eval.Load() + sent.evalsha.Load()
			if d := l.Take(t.Context(), call); d.Backend != Redis || d.States[0].Remaining != 1 {
				t.Errorf("the second time %s by %s", describe(d), d.Backend)
			}
			l.Refund(t.Context(), d)
			if n := sent.eval.Load() + sent.evalsha.Load() - before; n > 3 { // one, and the refund, perhaps whole
				t.Errorf("%d commands for a call and a refund: the choice was not remembered", n)
			}
		})
	}
}

// TestOnlyUpstashIsAskedToLockKeys, whose hosts all end alike.
func TestOnlyUpstashIsAskedToLockKeys(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"rediss://:secret@eu1-fine-cat-31415.upstash.io:6379": true, "rediss://cache.example:6379": false, "rediss://upstash.io.example.org:6379": false,
		"rediss://clustercfg.upstash.io:6379": false,
	} {
		client, err := redistls.New(redistls.Config{URL: config.Seal(url)})
		if err != nil {
			t.Fatal(err)
		}
		if got := newRemote(client).useLocking.Load(); got != want {
			t.Errorf("%s: %v", url, got)
		}
	}
}

// TestTheServersClock: without a clock of a test, the server's own one counts, and may step.
func TestTheServersClock(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	start := newClock().now()
	server.SetTime(start)
	client := patient(t, openURL(t, redistls.Config{URL: config.Seal("redis://" + server.Addr())}))
	ps := policies(t, "2/1m@host")
	for i, step := range []struct {
		at   time.Duration
		want string
	}{
		{0, "allowed 1/1m0s"},
		{-time.Hour, "allowed 0/1m0s"},
		{0, "refused 0/1m0s! wait 1m0s"},
		{59 * time.Second, "refused 0/1s! wait 1s"},
		{time.Minute, "allowed 1/1m0s"},
	} {
		server.SetTime(start.Add(step.at))
		d, err := newRemote(client).take(t.Context(), counterKey{log: "k"}, Call{Policies: ps, Cost: 1})
		if err != nil || describe(d) != step.want {
			t.Fatalf("step %d: %s, want %s: %v", i, describe(d), step.want, err)
		}
	}
}

// TestAStepBackBlocksNobodyForLong: a log whose calls lie in the future is dropped once they are a window old.
func TestAStepBackBlocksNobodyForLong(t *testing.T) {
	t.Parallel()
	client, c := shared(t), newClock()
	r := newInRedis(t, client, c)
	call := Call{Policies: policies(t, "1/1m@host"), Cost: 1}
	c.micros.Store(time.Now().Add(3 * time.Hour).UnixMicro())
	key := r.take(counterKey{log: "k"}, call).counter.log
	if err := client.PExpireAt(t.Context(), key, time.Now().Add(3*time.Hour+61*time.Second)).Err(); err != nil {
		t.Fatal(err) // as it would stand after the step
	}
	c.micros.Store(time.Now().UnixMicro())
	if d := r.take(counterKey{log: "k"}, call); d.Allowed {
		t.Error("a step back admitted a call")
	}
	if ttl := client.PTTL(t.Context(), key).Val(); ttl <= 0 || ttl > 61*time.Second {
		t.Errorf("the log stays for %v, want a window and a second", ttl)
	}
}
