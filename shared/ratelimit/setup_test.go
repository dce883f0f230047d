package ratelimit

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"newsletter/internal/fixtures/testenv"
	"newsletter/shared/config"
	"newsletter/shared/pseudonym"
	"newsletter/shared/redistls"
)

// clock is a clock that tests turn. It is safe for concurrent use.
type clock struct{ micros atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.micros.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	return c
}

func (c *clock) now() time.Time          { return time.UnixMicro(c.micros.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.micros.Add(d.Microseconds()) }

// newKey makes a key of its own for each test, which keeps tests that share a server apart.
func newKey(t testing.TB) pseudonym.Key {
	t.Helper()
	pepper := make([]byte, 32)
	_, _ = rand.Read(pepper) // never fails
	key, err := pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(base64.StdEncoding.EncodeToString(pepper))})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// open opens a client as the functions do, on a server whose address can differ from the one it announces.
func open(t testing.TB, server testenv.RedisConfig, addr string) redis.UniversalClient {
	t.Helper()
	return openURL(t, redistls.Config{URL: config.Seal("rediss://:" + server.Secret + "@" + addr), CAFile: server.CAFile})
}

func openURL(t testing.TB, cfg redistls.Config) redis.UniversalClient {
	t.Helper()
	client, err := redistls.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// patience is for tests of other things than timeouts, on machines that are busy with other tests.
const patience = 20 * time.Second

// patient returns the functions' client with very long timeouts.
func patient(t testing.TB, client redis.UniversalClient) redis.UniversalClient {
	t.Helper()
	var waits redis.UniversalClient
	switch c := client.(type) {
	case *redis.Client:
		o := *c.Options()
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = patience, patience, patience, patience
		o.MaxRetries = -1 // Options returns 0 for it, which would mean the default of several
		waits = redis.NewClient(&o)
	case *redis.ClusterClient:
		o := *c.Options()
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = patience, patience, patience, patience
		o.MaxRetries, o.MaxRedirects = -1, -1
		waits = redis.NewClusterClient(&o)
	default:
		t.Fatalf("a %T", client)
	}
	t.Cleanup(func() { waits.Close() })
	return waits
}

// shared opens a patient client of the server that all tests share.
func shared(t testing.TB) redis.UniversalClient {
	t.Helper()
	server := testenv.Redis(t)
	return patient(t, open(t, server, server.Addr))
}

// newPatient makes a Limiter that waits for Redis as long as its client does.
func newPatient(client redis.UniversalClient, key pseudonym.Key, now func() time.Time) *Limiter {
	l := New(client, key, now)
	l.budget = patience
	return l
}

// policies reads policies as they are configured.
func policies(t testing.TB, text string) Policies {
	t.Helper()
	var ps Policies
	if err := ps.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return ps
}

// counter counts the scripts that a client sends, and those that the server did not know.
type counter struct{ evalsha, eval atomic.Int64 }

func (c *counter) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		switch cmd.Name() {
		case "evalsha":
			c.evalsha.Add(1)
		case "eval":
			c.eval.Add(1)
		}
		return next(ctx, cmd)
	}
}

func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
