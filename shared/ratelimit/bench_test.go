package ratelimit

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// networks is how many clients a benchmark has, and how many keys its GETs go to.
const networks = 5_000

// BenchmarkTake measures a decision over two keys against a GET, over TLS, each caller with a connection of its own as
// an environment of a function has. The two take turns, so that what else the machine does slows both.
func BenchmarkTake(b *testing.B) {
	for _, callers := range []int{1, 32} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { benchmarkTake(b, callers) })
	}
}

func benchmarkTake(b *testing.B, callers int) {
	key := newKey(b)
	ps := policies(b, "60/10m@host,300/1h@site")
	clients, limiters := make([]redis.UniversalClient, callers), make([]*Limiter, callers)
	for i := range callers {
		clients[i] = shared(b)
		limiters[i] = newPatient(clients[i], key, Config{}, time.Now)
	}
	keys := make([]string, networks)
	pipe := clients[0].Pipeline()
	for n := range networks {
		keys[n] = "bench:" + key.Network(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 1}), 32))
		pipe.Set(b.Context(), keys[n], "1", 10*time.Minute)
	}
	if _, err := pipe.Exec(b.Context()); err != nil {
		b.Fatal(err)
	}
	var visits atomic.Uint32
	take := func(i int) error {
		n := visits.Add(1) % networks
		d := limiters[i].Take(b.Context(), Call{
			Endpoint: "bench", Client: netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 1}), Policies: ps,
		})
		if d.Tier != Redis || !d.Allowed {
			return fmt.Errorf("%s by %s because %s: %w", describe(d), d.Tier, d.Reason, d.Cause)
		}
		return nil
	}
	get := func(i int) error { return clients[i].Get(b.Context(), keys[visits.Add(1)%networks]).Err() }
	const turn = 50
	round(b, callers, turn, take)
	round(b, callers, turn, get)
	var taking, getting time.Duration
	turns := 0
	for b.Loop() {
		getting += round(b, callers, turn, get)
		taking += round(b, callers, turn, take)
		turns++
	}
	b.ReportMetric(float64(taking)/float64(getting), "×GET")
	b.ReportMetric(taking.Seconds()*1e6/float64(turns*turn), "µs/take")
	b.ReportMetric(getting.Seconds()*1e6/float64(turns*turn), "µs/get")
}

// round lets every caller do n calls, and gives the time that it took.
func round(b *testing.B, callers, n int, call func(caller int) error) time.Duration {
	b.Helper()
	began := time.Now()
	var work sync.WaitGroup
	for i := range callers {
		work.Go(func() {
			for range n {
				if err := call(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	return time.Since(began)
}

// BenchmarkRefused measures a client who hammers: Redis is not asked.
func BenchmarkRefused(b *testing.B) {
	l := newPatient(shared(b), newKey(b), Config{}, time.Now)
	call := Call{Endpoint: "bench", Client: addr("192.0.2.1"), Policies: policies(b, "1/1h@host,300/1h@site")}
	l.Take(b.Context(), call)
	l.Take(b.Context(), call)
	for b.Loop() {
		if d := l.Take(b.Context(), call); d.Tier != Memory {
			b.Fatal(d.Tier)
		}
	}
}

// BenchmarkLocal measures the fallback.
func BenchmarkLocal(b *testing.B) {
	l := New(nil, newKey(b), Config{}, time.Now)
	ps := policies(b, "60/10m@host,300/1h@site")
	n := 0
	for b.Loop() {
		n++
		l.Take(b.Context(), Call{Endpoint: "bench", Client: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), Policies: ps})
	}
}

// TestMemoryOfALog prints what README.md says about memory, and holds it to that order.
func TestMemoryOfALog(t *testing.T) {
	t.Parallel()
	client := shared(t)
	for calls, most := range map[int]int64{1: 250, 5: 300, 20: 500, 60: 1_000, 300: 4_600, 1000: 14_000} {
		l := newPatient(client, newKey(t), Config{}, time.Now)
		call := Call{Endpoint: "subscribe", Client: addr("192.0.2.1"), Policies: Policies{{10_000, 10 * time.Minute, Host}}}
		for range calls {
			if d := l.Take(t.Context(), call); d.Tier != Redis {
				t.Fatal(d.Cause)
			}
		}
		bytes, err := client.MemoryUsage(t.Context(), l.keys(call)[0]).Result()
		if err != nil || bytes > most {
			t.Errorf("%d calls take %d bytes, want at most %d: %v", calls, bytes, most, err)
		}
		t.Logf("%4d calls: %d bytes, in a key of %d", calls, bytes, len(l.keys(call)[0]))
	}
}
