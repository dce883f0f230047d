package ratelimit

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestModelIsTheDefinition compares the model with the definition: a call that was counted at s counts at t if t -
// window < s <= t, and for a quota of the host alone if that host made it; a call fits if what counts and its cost are
// within every limit; and the wait of a refused call is exact.
func TestModelIsTheDefinition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		quotas := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) quota {
			return quota{rapid.IntRange(1, 6).Draw(t, "limit"), rapid.Int64Range(1, 50).Draw(t, "length"), rapid.Bool().Draw(t, "host only")}
		}), 1, 3).Draw(t, "quotas")
		var log, past history // past: one entry for each unit of cost that was ever counted
		count := func(q quota, host uint16, now int64) int {
			var times []int64
			for _, e := range past {
				if e.host == host || !q.hostOnly {
					times = append(times, e.at)
				}
			}
			return counted(times, now, q.length)
		}
		now := int64(1000)
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			now += rapid.Int64Range(-5, 30).Draw(t, "advance")
			cost, host := rapid.IntRange(1, 3).Draw(t, "cost"), rapid.Uint16Range(0, 2).Draw(t, "host")
			if len(past) > 0 { // time does not go back with the clock
				now = max(now, past[len(past)-1].at)
			}
			fits := true
			for _, q := range quotas {
				fits = fits && count(q, host, now)+cost <= q.limit
			}
			allowed, at, counts, after := take(log, quotas, host, now, cost)
			if allowed != fits || at != now {
				t.Fatalf("at %d: allowed %t, counted at %d; %v say %t", now, allowed, at, past, fits)
			}
			if !allowed {
				exactWait(t, log, quotas, host, now, cost, counts)
			}
			for range cost {
				if allowed {
					past = append(past, entry{now, host})
				}
			}
			for i, q := range quotas {
				if want := max(0, q.limit-count(q, host, now)); counts[i].remaining != want {
					t.Fatalf("at %d: %d remain, want %d", now, counts[i].remaining, want)
				}
			}
			log = after
		}
	})
}

// counted is how many of some times count at a time.
func counted(times []int64, now, length int64) int {
	n := 0
	for _, s := range times {
		if now-length < s && s <= now {
			n++
		}
	}
	return n
}

// exactWait checks that the call is refused one microsecond before its wait ends, and allowed then.
func exactWait(t *rapid.T, log history, quotas []quota, host uint16, now int64, cost int, counts []count) {
	var wait int64
	for i, c := range counts {
		if c.refused {
			wait = max(wait, c.reset)
		}
		if cost > quotas[i].limit {
			return // never
		}
	}
	if early, _, _, _ := take(slices.Clone(log), quotas, host, now+wait-1, cost); early {
		t.Fatalf("at %d: allowed before the wait of %d is over", now, wait)
	}
	if then, _, _, _ := take(slices.Clone(log), quotas, host, now+wait, cost); !then {
		t.Fatalf("at %d: refused after the wait of %d", now, wait)
	}
}

func TestARefundLeavesTheRest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var log history
		now := int64(0)
		for range rapid.IntRange(1, 12).Draw(t, "length") {
			now += rapid.Int64Range(0, 2).Draw(t, "gap")
			log = append(log, entry{now, rapid.Uint16Range(0, 1).Draw(t, "host")})
		}
		back := entry{rapid.Int64Range(-1, now+1).Draw(t, "at"), rapid.Uint16Range(0, 1).Draw(t, "host")}
		cost := rapid.IntRange(1, 3).Draw(t, "cost")
		have := map[entry]int{}
		for _, e := range log {
			have[e]++
		}
		have[back] = max(0, have[back]-cost)
		rest, last := log.refund(back, cost), int64(0)
		for _, e := range rest {
			if have[e]--; have[e] < 0 || e.at < last {
				t.Fatalf("%v without %d of %v is %v", log, cost, back, rest)
			}
			last = e.at
		}
		for e, n := range have {
			if n != 0 {
				t.Fatalf("%v without %d of %v is %v, which lost %v", log, cost, back, rest, e)
			}
		}
	})
}

func TestLRUForgetsWhatWasAskedForLeastRecently(t *testing.T) {
	t.Parallel()
	l := newLRU[string, int](3)
	for i, key := range []string{"a", "b", "c"} {
		l.put(key, i)
	}
	l.get("a")
	l.put("b", 7)
	l.put("d", 3)
	if _, found := l.get("c"); found {
		t.Error("c stayed")
	}
	for key, want := range map[string]int{"a": 0, "b": 7, "d": 3} {
		if got, found := l.get(key); !found || got != want {
			t.Errorf("%s is %d, %t", key, got, found)
		}
	}
	l.deleteIf(func(v int) bool { return v != 7 })
	l.delete("none")
	if len(l.at) != 1 || l.order.Len() != 1 {
		t.Errorf("%d and %d left, want b alone", len(l.at), l.order.Len())
	}
}

func TestElapsedTakesTheLargerDifference(t *testing.T) {
	t.Parallel()
	from := time.Now()
	for name, c := range map[string]struct {
		to   time.Time
		want time.Duration
	}{
		"both clocks":              {from.Add(time.Minute), time.Minute},
		"the wall clock alone":     {from.Round(0).Add(time.Hour), time.Hour},
		"the wall clock went back": {from.Round(0).Add(-time.Hour), -time.Hour},
	} {
		if got := elapsed(from, c.to); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
