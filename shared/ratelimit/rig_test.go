package ratelimit

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"newsletter/internal/fixtures/testenv"
)

// rig is a limiter whose Redis a test may harm.
type rig struct {
	t       *testing.T
	server  *testenv.PrivateRedis
	proxy   *toxiproxy.Proxy      // between limiter and server
	admin   redis.UniversalClient // to the server itself
	limiter *Limiter
	sent    *counter
	clock   *clock
	clients atomic.Int64
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, server: testenv.RedisServer(t), clock: newClock()}
	r.proxy = newProxy(t, "127.0.0.1:0", r.server.Addr)
	r.admin = patient(t, open(t, r.server.RedisConfig, r.server.Addr))
	r.use(patient(t, open(t, r.server.RedisConfig, r.proxy.Listen)))
	r.limiter.budget = patience
	return r
}

// use makes a limiter of a client.
func (r *rig) use(client redis.UniversalClient) {
	r.t.Helper()
	r.sent = &counter{}
	client.AddHook(r.sent)
	r.limiter = New(client, newKey(r.t), r.clock.now)
}

// hurry makes the limiter wait no longer than in production.
func (r *rig) hurry() { r.use(open(r.t, r.server.RedisConfig, r.proxy.Listen)) }

// victim is a client whose first call Redis has counted.
func (r *rig) victim() Call {
	r.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		call := r.call()
		if r.take(call).Backend == Redis {
			return call
		}
		r.clock.advance(breakerPause)
	}
	r.t.Fatal("a healthy Redis does not answer in time")
	panic("unreachable")
}

func newProxy(t *testing.T, listen, upstream string) *toxiproxy.Proxy {
	t.Helper()
	proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), t.Name(), listen, upstream)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return proxy
}

func (r *rig) toxic(json string) {
	r.t.Helper()
	if _, err := r.proxy.Toxics.AddToxicJson(strings.NewReader(json)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) healthy() {
	r.t.Helper()
	if err := r.proxy.Toxics.RemoveToxic(context.Background(), "fault"); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) do(args ...any) {
	r.t.Helper()
	if err := r.admin.Do(context.Background(), args...).Err(); err != nil {
		r.t.Fatalf("%v: %v", args[0], err)
	}
}

// call asks for a client that was not seen before.
func (r *rig) call() Call {
	n := r.clients.Add(1)
	return Call{Endpoint: "test", Client: addr(fmt.Sprintf("10.%d.%d.1", n/200%250, n%200)), Policies: policies(r.t, "4/10m@host,200/1h@site")}
}

func (r *rig) take(call Call) Decision { return r.limiter.Take(r.t.Context(), call) }

func (r *rig) want(d Decision, tier Backend, reason string) {
	r.t.Helper()
	if d.Backend != tier || d.Reason != reason || (d.Cause != nil) != (tier == Local && reason != reasonBreaker) {
		r.t.Fatalf("decided by %s because %q, want %s because %q: %v", d.Backend, d.Reason, tier, reason, d.Cause)
	}
}

// script puts another one in the place of the one that decides the rig's calls.
func (r *rig) script(text string) {
	r.limiter.remote.taking = []takeScript{{r.call().Policies, newScript(text)}}
}

// wantCounted looks at how many calls Redis holds.
func (r *rig) wantCounted(call Call, want int) {
	r.t.Helper()
	name := r.limiter.counterKey(call).log
	if length := r.admin.StrLen(r.t.Context(), name).Val(); length != int64(9*want) {
		r.t.Errorf("%s holds %d bytes, want %d calls of 9", name, length, want)
	}
}
