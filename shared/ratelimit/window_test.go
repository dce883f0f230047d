package ratelimit

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestModelIsTheDefinition compares the model with the definition: a call that was counted at s counts at t if
// t - window < s <= t; a call fits if what counts and its cost are within every limit; and what a refused call is told
// to wait is exact.
func TestModelIsTheDefinition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		quotas := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) quota {
			return quota{rapid.IntRange(1, 6).Draw(t, "limit"), rapid.Int64Range(1, 50).Draw(t, "length")}
		}), 1, 3).Draw(t, "quotas")
		logs := make([]window, len(quotas))
		var history []int64 // one for each unit of cost that was ever counted
		now := int64(1000)
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			now += rapid.Int64Range(-5, 30).Draw(t, "advance")
			cost := rapid.IntRange(1, 3).Draw(t, "cost")
			if len(history) > 0 { // a clock that steps back stands still
				now = max(now, history[len(history)-1])
			}
			fits := true
			for _, q := range quotas {
				fits = fits && counted(history, now, q.length)+cost <= q.limit
			}
			allowed, at, counts, after := take(logs, quotas, now, cost)
			if allowed != fits || at != now {
				t.Fatalf("at %d: allowed %t, counted at %d; %v say %t", now, allowed, at, history, fits)
			}
			if !allowed {
				exactWait(t, logs, quotas, now, cost, counts)
			}
			for range cost {
				if allowed {
					history = append(history, now)
				}
			}
			for i, q := range quotas {
				if want := max(0, q.limit-counted(history, now, q.length)); counts[i].remaining != want {
					t.Fatalf("at %d: %d remain, want %d", now, counts[i].remaining, want)
				}
			}
			logs = after
		}
	})
}

func counted(history []int64, now, length int64) int {
	n := 0
	for _, s := range history {
		if now-length < s && s <= now {
			n++
		}
	}
	return n
}

// exactWait checks that the call is refused one microsecond before the time it was told, and allowed then.
func exactWait(t *rapid.T, logs []window, quotas []quota, now int64, cost int, counts []count) {
	var wait int64
	for i, c := range counts {
		if c.refused {
			wait = max(wait, c.reset)
		}
		if cost > quotas[i].limit {
			return // never
		}
	}
	if early, _, _, _ := take(logs, quotas, now+wait-1, cost); early {
		t.Fatalf("at %d: allowed before the wait of %d is over", now, wait)
	}
	if then, _, _, _ := take(logs, quotas, now+wait, cost); !then {
		t.Fatalf("at %d: refused after the wait of %d", now, wait)
	}
}

func TestARefundLeavesTheRest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var log window
		now := int64(0)
		for range rapid.IntRange(1, 12).Draw(t, "length") {
			now += rapid.Int64Range(0, 2).Draw(t, "gap")
			log = append(log, now)
		}
		at, cost := rapid.Int64Range(-1, now+1).Draw(t, "at"), rapid.IntRange(1, 3).Draw(t, "cost")
		have := map[int64]int{}
		for _, s := range log {
			have[s]++
		}
		have[at] = max(0, have[at]-cost)
		for i, s := range refund(log, at, cost) {
			if have[s]--; have[s] < 0 || i > 0 && s < log[0] {
				t.Fatalf("refund(%v, %d, %d) gives %v", log, at, cost, refund(log, at, cost))
			}
		}
		for s, n := range have {
			if n != 0 {
				t.Fatalf("refund(%v, %d, %d) lost %d at %d", log, at, cost, n, s)
			}
		}
	})
}

func TestLRUForgetsWhatWasAskedForLeastRecently(t *testing.T) {
	t.Parallel()
	l := newLRU[int](3)
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
