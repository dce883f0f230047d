package ratelimit

import (
	"testing"
	"time"
)

func TestTheBreakerLetsOneProbeThrough(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := newBreaker(c.now)
	for i := range breakerFailures {
		if !b.allow() {
			t.Fatalf("open after %d failures", i)
		}
		b.report(false)
		if i == 0 {
			b.report(true)
			b.report(false) // only failures in a row count
		}
	}
	if b.allow() {
		t.Fatal("closed after its failures")
	}
	c.advance(breakerMin - time.Microsecond)
	if b.allow() {
		t.Error("a probe before the shortest pause is over")
	}
	c.advance(breakerMax - breakerMin + time.Microsecond)
	probes := 0
	for range 10 {
		if b.allow() {
			probes++
		}
	}
	if probes != 1 {
		t.Fatalf("%d probes, want 1", probes)
	}
	c.advance(breakerMax) // the probe never reported: its call panicked, say
	if !b.allow() {
		t.Error("no other probe, for ever")
	}
	b.report(true)
	for range 2 {
		if !b.allow() {
			t.Error("open after a good probe")
		}
	}
}

func TestPausesDiffer(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for range 50 {
		b := newBreaker(newClock().now)
		b.open()
		if b.pause < breakerMin || b.pause >= breakerMax {
			t.Fatalf("a pause of %v", b.pause)
		}
		seen[b.pause] = true
	}
	if len(seen) < 10 {
		t.Error("instances come back together")
	}
}
