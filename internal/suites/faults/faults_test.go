package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAShortHistory injects every kind of fault of the long run, `make faults`.
func TestAShortHistory(t *testing.T) {
	if testing.Short() {
		t.Skip("real servers are left out with -short")
	}
	var out strings.Builder
	o := options{ops: 500, seed: uint64(time.Now().UnixNano()), time: time.Minute, workers: 12, root: filepath.Join("..", "..", ".."), out: &out}
	h, err := runHistory(t.Context(), o)
	if err != nil {
		t.Fatalf("seed %d: %v\n%s", o.seed, err, out.String())
	}
	if broken := verdict(&out, &h); broken > 0 || len(h.Calls) < o.ops || len(h.Faults) == 0 {
		t.Errorf("seed %d: %d violations in %d calls with %d faults\n%s", o.seed, broken, len(h.Calls), len(h.Faults), out.String())
	}
	if strings.Contains(out.String(), absent) {
		if os.Getenv("CI") == "true" {
			t.Errorf("a server is missing:\n%s", out.String())
		}
		t.Log(out.String())
	}
}
