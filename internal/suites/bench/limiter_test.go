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

	"newsletter/internal/fixtures/testenv"
	"newsletter/shared/config"
	"newsletter/shared/pseudonym"
	"newsletter/shared/ratelimit"
	"newsletter/shared/redistls"
)

const (
	// turns is how often GETs and decisions alternate, so that a machine whose speed drifts changes both.
	turns = 100
	// rounds is the number of calls of each caller in a turn.
	rounds = 50
)

// BenchmarkLimiter measures a decision over two policies as a multiple of a GET, over TLS, with one caller and with
// 32. Each caller has its own connection, as each environment has. It compares the mean time of a call per turn. With
// one caller it uses the fastest turns of both: whether client and server share a core changes a call by more than
// the difference, and both find the better case in some turns. With many callers it uses the median turns.
func BenchmarkLimiter(b *testing.B) {
	for _, callers := range []int{1, 32} {
		b.Run("callers="+strconv.Itoa(callers), func(b *testing.B) {
			clients := make([]redis.UniversalClient, callers)
			limiters := make([]*ratelimit.Limiter, callers)
			for i := range clients {
				clients[i] = client(b)
				limiters[i] = ratelimit.New(clients[i], pepper(b), time.Now)
			}
			var policies ratelimit.Policies
			if err := policies.UnmarshalText([]byte("60/10m@host,300/1h@site")); err != nil {
				b.Fatal(err)
			}
			ctx := context.Background()
			visitor := func(caller, round int) netip.Addr { // never refused, because a refusal costs less
				var address [4]byte
				binary.BigEndian.PutUint32(address[:], 0x0a000000|uint32(caller)<<16|uint32(round)<<2)
				return netip.AddrFrom4(address)
			}
			get := func(caller, _ int) { clients[caller].Get(ctx, "bench") }
			take := func(caller, round int) {
				call := ratelimit.Call{Endpoint: "bench", Client: visitor(caller, round), Policies: policies}
				if d := limiters[caller].Take(ctx, call); d.Backend != ratelimit.Redis || !d.Allowed {
					b.Errorf("decided by %s: %s", d.Backend, d.Reason)
				}
			}
			each(callers, 0, 1, get) // connects
			gets, takes := make([]time.Duration, turns), make([]time.Duration, turns)
			for turn := range turns {
				gets[turn] = each(callers, 0, rounds, get)
				takes[turn] = each(callers, turn*rounds, rounds, take)
			}
			slices.Sort(gets)
			slices.Sort(takes)
			compared := 0
			if callers > 1 {
				compared = turns / 2
			}
			b.ReportMetric(float64(takes[compared])/float64(gets[compared]), "×GET")
			b.ReportMetric(float64(takes[compared].Nanoseconds())/1000, "µs")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// each makes calls in every caller for some rounds, all callers at once, and returns the mean time of a call.
func each(callers, first, rounds int, do func(caller, round int)) time.Duration {
	began := time.Now()
	var running sync.WaitGroup
	for caller := range callers {
		running.Go(func() {
			for round := range rounds {
				do(caller, first+round)
			}
		})
	}
	running.Wait()
	return time.Since(began) / time.Duration(rounds)
}

func client(b *testing.B) redis.UniversalClient {
	b.Helper()
	server := testenv.Redis(b)
	opened, err := redistls.New(redistls.Config{URL: config.Seal(server.URL), CAFile: server.CAFile})
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
