package breaker

import (
	"testing"
	"time"
)

const (
	limit = 3
	pause = 10 * time.Second
)

type clock struct{ at time.Time }

func (c *clock) now() time.Time          { return c.at }
func (c *clock) advance(d time.Duration) { c.at = c.at.Add(d) }

func TestOneProbeAPause(t *testing.T) {
	t.Parallel()
	c := &clock{time.Now()}
	b := New(limit, pause, c.now)
	for i := range limit {
		if !b.Allow() {
			t.Fatalf("open after %d failures", i)
		}
		b.Report(false)
		if i == 0 {
			b.Report(true)
			b.Report(false) // only consecutive failures count
		}
	}
	if b.Allow() {
		t.Fatal("closed after its failures")
	}
	c.advance(pause/2 - time.Microsecond)
	if b.Allow() {
		t.Error("a probe before the shortest pause is over")
	}
	c.advance(pause/2 + time.Microsecond)
	probes := 0
	for range 10 {
		if b.Allow() {
			probes++
		}
	}
	if probes != 1 {
		t.Fatalf("%d probes, want 1", probes)
	}
	c.advance(pause) // the probe never reported, for example because its call panicked
	if !b.Allow() {
		t.Error("no further probe")
	}
	b.Report(true)
	for range 2 {
		if !b.Allow() {
			t.Error("open after a successful probe")
		}
	}
}

func TestPausesDiffer(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for range 50 {
		b := New(1, pause, time.Now)
		b.Report(false)
		if b.wait < pause/2 || b.wait >= pause {
			t.Fatalf("a pause of %v", b.wait)
		}
		seen[b.wait] = true
	}
	if len(seen) < 10 {
		t.Error("instances return together")
	}
}

// TestAFrozenEnvironment: the wall clock alone advances while the environment is frozen, and may be set back later.
func TestAFrozenEnvironment(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]func(time.Time) time.Time{
		"the monotonic clock stopped":   func(t time.Time) time.Time { return t.Round(0).Add(pause) },
		"the wall clock alone advanced": func(t time.Time) time.Time { return t.Add(pause).Round(0) },
	} {
		c := &clock{time.Now()}
		b := New(1, pause, c.now)
		b.Report(false)
		if c.at = later(c.at); !b.Allow() {
			t.Errorf("%s: still open", name)
		}
	}
}
