package bench

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"newsletter/internal/testenv"
	"newsletter/shared/config"
	"newsletter/shared/pseudonym"
	"newsletter/shared/ratelimit"
	"newsletter/shared/redistls"
)

// turns is how often GETs and decisions take turns, so that a machine whose speed drifts changes both.
const turns = 25

// BenchmarkLimiter measures a decision over two keys as a multiple of a GET, over TLS, with one caller and with 32. Each
// caller has a connection of its own, as each environment has. With one caller it compares the quickest turns of
// both: whether client and server share a core changes a call by more than what is measured, and both find the better case
// in some turns. With many it compares the middle ones.
func BenchmarkLimiter(b *testing.B) {
	for _, callers := range []int{1, 32} {
		b.Run("callers="+strconv.Itoa(callers), func(b *testing.B) {
			clients := make([]redis.UniversalClient, callers)
			limiters := make([]*ratelimit.Limiter, callers)
			for i := range clients {
				clients[i] = client(b)
				limiters[i] = ratelimit.New(clients[i], pepper(b), ratelimit.Config{}, time.Now)
			}
			var policies ratelimit.Policies
			if err := policies.UnmarshalText([]byte("60/10m@host,300/1h@site")); err != nil {
				b.Fatal(err)
			}
			ctx, rounds := context.Background(), max(b.N/callers/turns, 100)
			visitor := func(caller, round int) netip.Addr { // never refused, as a refusal costs less
				var address [4]byte
				binary.BigEndian.PutUint32(address[:], 0x0a000000|uint32(caller)<<16|uint32(round)<<2)
				return netip.AddrFrom4(address)
			}
			var gets, takes []time.Duration
			for turn := range turns {
				gets = append(gets, each(callers, rounds, func(caller, _ int) { clients[caller].Get(ctx, "bench") }))
				takes = append(takes, each(callers, rounds, func(caller, round int) {
					call := ratelimit.Call{Endpoint: "bench", Client: visitor(caller, turn*rounds+round), Policies: policies}
					if d := limiters[caller].Take(ctx, call); d.Tier != ratelimit.Redis || !d.Allowed {
						b.Errorf("decided by %s: %s", d.Tier, d.Reason)
					}
				}))
			}
			take, get := slices.Min(takes), slices.Min(gets)
			if callers > 1 {
				slices.Sort(takes)
				slices.Sort(gets)
				take, get = takes[turns/2], gets[turns/2]
			}
			b.ReportMetric(float64(take)/float64(get), "×GET")
			b.ReportMetric(float64(take.Microseconds()), "µs")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// each calls do in every caller, rounds times, all callers at once, and gives the median time of a call.
func each(callers, rounds int, do func(caller, round int)) time.Duration {
	all := make([][]time.Duration, callers)
	var running sync.WaitGroup
	for caller := range callers {
		running.Go(func() {
			do(caller, 0) // dials
			for round := range rounds {
				began := time.Now()
				do(caller, round)
				all[caller] = append(all[caller], time.Since(began))
			}
		})
	}
	running.Wait()
	flat := slices.Concat(all...)
	slices.Sort(flat)
	return flat[len(flat)/2]
}

func client(b *testing.B) redis.UniversalClient {
	b.Helper()
	server := testenv.Redis(b)
	opened, err := redistls.Open(redistls.Config{URL: config.Seal(server.URL), CAFile: server.CAFile})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = opened.Close() })
	return opened
}

func pepper(b *testing.B) pseudonym.Key {
	b.Helper()
	text := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(make([]byte, 24), uint64(time.Now().UnixNano())))
	key, err := pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(text)})
	if err != nil {
		b.Fatal(err)
	}
	return key
}
