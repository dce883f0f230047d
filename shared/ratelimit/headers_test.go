package ratelimit

import (
	"strconv"
	"testing"
	"time"
)

func TestHeaders(t *testing.T) {
	t.Parallel()
	host, site := Policy{5, 10 * time.Minute, Host}, Policy{200, time.Hour, Site}
	allowed := Decision{Allowed: true, States: []State{{host, 4, 10 * time.Minute, false}, {site, 180, 1500 * time.Millisecond, false}}}
	h := allowed.Headers()
	if got, want := h.Get("RateLimit-Policy"), `"host-10m";q=5;w=600, "site-1h";q=200;w=3600`; got != want {
		t.Errorf("RateLimit-Policy %s, want %s", got, want)
	}
	if got, want := h.Get("RateLimit"), `"host-10m";r=4;t=600, "site-1h";r=180;t=2`; got != want {
		t.Errorf("RateLimit %s, want %s", got, want)
	}
	if len(h) != 2 {
		t.Errorf("%v, want two fields", h)
	}
	if h := (Decision{Allowed: true}).Headers(); len(h) != 0 {
		t.Errorf("without policies: %v", h)
	}
}

func TestRetryAfterIsNeverTooEarly(t *testing.T) {
	t.Parallel()
	p := Policy{5, 10 * time.Minute, Host}
	for wait, want := range map[time.Duration][2]int{
		time.Microsecond:                 {1, 1},
		time.Second:                      {1, 2},
		100 * time.Second:                {100, 103},
		10*time.Minute + time.Nanosecond: {601, 619},
	} {
		seen := map[int]bool{}
		for range 500 {
			refused := Decision{RetryAfter: wait, States: []State{{p, 0, wait, true}}}
			seconds, err := strconv.Atoi(refused.Headers().Get("Retry-After"))
			if err != nil || seconds < want[0] || seconds > want[1] {
				t.Fatalf("%v: Retry-After %d, want %v: %v", wait, seconds, want, err)
			}
			seen[seconds] = true
		}
		if want[1] > want[0]+1 && len(seen) < 2 {
			t.Errorf("%v: all clients receive the same time", wait)
		}
	}
}
