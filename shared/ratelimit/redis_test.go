package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestInstancesCountTogether lets several limiters, whose own clocks are minutes apart, share one Redis: they must
// decide like one model. Refusals that they remember by themselves are part of it.
func TestInstancesCountTogether(t *testing.T) {
	t.Parallel()
	client := shared(t)
	rapid.Check(t, func(rt *rapid.T) {
		c, key := newClock(), newKey(t)
		oracle := newModel(c)
		instances := make([]*Limiter, rapid.IntRange(2, 5).Draw(rt, "instances"))
		for i := range instances {
			skew := time.Duration(rapid.Int64Range(-300, 300).Draw(rt, "skew")) * time.Second
			instances[i] = newPatient(client, key, func() time.Time { return c.now().Add(skew) })
			instances[i].remote.clock = func() int64 { return c.now().UnixMicro() }
		}
		ps := Policies{
			{rapid.IntRange(2, 4).Draw(rt, "per minute"), time.Minute, Host},
			{rapid.IntRange(2, 9).Draw(rt, "in 10 minutes"), 10 * time.Minute, Site},
		}
		asked := 0
		for range rapid.IntRange(1, 40).Draw(rt, "calls") {
			c.advance(time.Duration(rapid.Int64Range(0, 40_000).Draw(rt, "milliseconds")) * time.Millisecond)
			call := Call{
				Endpoint: "test", Client: netip.AddrFrom4([4]byte{192, 0, 2, rapid.Byte().Draw(rt, "client") % 3}),
				Policies: ps, Cost: rapid.IntRange(1, 2).Draw(rt, "cost"),
			}
			l := instances[rapid.IntRange(0, len(instances)-1).Draw(rt, "instance")]
			got, want := l.Take(t.Context(), call), oracle.take(l.counterKey(call), call)
			if got.Backend == Local {
				rt.Fatalf("Redis was not asked: %s: %v", got.Reason, got.Cause)
			}
			wrongWait := got.RetryAfter > want.RetryAfter || got.Backend == Redis && got.RetryAfter < want.RetryAfter
			if got.Allowed != want.Allowed || wrongWait { // what is remembered does not know of calls that others had since
				rt.Fatalf("%s by %s, want %s as in the model", describe(got), got.Backend, describe(want))
			}
			if got.Backend == Redis {
				asked++
			}
		}
		if asked == 0 {
			rt.Fatal("no call reached Redis")
		}
	})
}

// TestManyAtOnceGetTheLimit asks from many goroutines of many instances at one moment.
func TestManyAtOnceGetTheLimit(t *testing.T) {
	t.Parallel()
	client, key := shared(t), newKey(t)
	call := Call{Endpoint: "test", Client: addr("192.0.2.1"), Policies: policies(t, "10/1h@host,500/1h@site")}
	var (
		work    sync.WaitGroup
		mu      sync.Mutex
		allowed int
	)
	for range 8 {
		l := newPatient(client, key, time.Now)
		for range 8 {
			work.Go(func() {
				for range 20 {
					d := l.Take(t.Context(), call)
					mu.Lock()
					if d.Backend == Local {
						t.Errorf("Redis was not asked: %s: %v", d.Reason, d.Cause)
					}
					if d.Allowed {
						allowed++
					}
					mu.Unlock()
				}
			})
		}
	}
	work.Wait()
	if allowed != 10 {
		t.Errorf("%d allowed, want 10", allowed)
	}
	name := newPatient(client, key, time.Now).counterKey(call).log
	length, err := client.StrLen(t.Context(), name).Result()
	ttl, err2 := client.PTTL(t.Context(), name).Result()
	if length != 10*9 || err != nil || ttl <= 59*time.Minute || ttl > time.Hour+time.Second || err2 != nil {
		t.Errorf("%s holds %d bytes for %v, want 10 calls for a little over an hour: %v, %v", name, length, ttl, err, err2)
	}
}

// TestNeitherTooManyNorTooFew lets instances call by the server's own clock while windows pass: the times that they
// received must hold against the definition, for each log on its own.
func TestNeitherTooManyNorTooFew(t *testing.T) {
	t.Parallel()
	client, key := shared(t), newKey(t)
	ps := policies(t, "6/1s@host,9/2s@site")
	type answer struct {
		host int
		Decision
	}
	var (
		work    sync.WaitGroup
		mu      sync.Mutex
		answers []answer
	)
	for range 4 {
		l := newPatient(client, key, time.Now)
		for range 4 {
			work.Go(func() {
				for range 40 {
					host := rand.N(2)
					d := l.Take(t.Context(), Call{Endpoint: "test", Client: addr(fmt.Sprintf("192.0.2.%d", host)), Policies: ps})
					mu.Lock()
					answers = append(answers, answer{host, d})
					mu.Unlock()
					time.Sleep(rand.N(150 * time.Millisecond))
				}
			})
		}
	}
	work.Wait()
	hosts, site := map[int][]int64{}, []int64(nil) // when calls were allowed
	var allowed, refused int
	for _, a := range answers {
		switch {
		case a.Backend == Local:
			t.Fatalf("Redis was not asked: %s: %v", a.Reason, a.Cause)
		case a.Allowed:
			allowed++
			hosts[a.host] = append(hosts[a.host], a.at)
			site = append(site, a.at)
		default:
			refused++
		}
	}
	if allowed < 2*9 || refused == 0 {
		t.Fatalf("%d allowed, %d refused: no window passed, or no limit was met", allowed, refused)
	}
	for _, a := range answers {
		full := false
		for i, times := range [][]int64{hosts[a.host], site} {
			n := counted(times, a.at, ps[i].Window.Microseconds())
			if a.Allowed && n > ps[i].Limit {
				t.Errorf("%s: %d in the window before %d, the limit is %d", ps[i], n, a.at, ps[i].Limit)
			}
			full = full || n >= ps[i].Limit
		}
		if !a.Allowed && a.Backend == Redis && !full {
			t.Errorf("refused at %d, but it fits: %v", a.at, a.counter)
		}
	}
	t.Logf("%d allowed in %v", allowed, time.Duration(slices.Max(site)-slices.Min(site))*time.Microsecond)
}
