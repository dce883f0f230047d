package main

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"newsletter/internal/suites/fullstack"
)

// TestASmallCampaign runs all attackers on the real system for a short while.
func TestASmallCampaign(t *testing.T) {
	expectNoProblems(t, func() (*fullstack.Report, error) { return runAttackers(t.Context(), 3, 1, 7, os.Stderr) })
}

func TestTheNeighborComparesWithReferences(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	known := []*house{{reference: true, subscribed: true, seen: "a"}, {reference: true, subscribed: false, seen: "b"}, {subscribed: false, seen: "a"}}
	if !guess(known, "a", random) || guess(known, "b", random) {
		t.Error("the neighbor does not recognize a reference")
	}
	if got := difference(known[:2]); !strings.Contains(got, `shows "a", another's "b"`) {
		t.Errorf("houses that differ: %q", got)
	}
	if got := difference(known); got != "" {
		t.Errorf("houses of one state that look like those of the other: %q", got)
	}
	right := 0
	for range 1000 {
		if guess(known, "c", random) {
			right++
		}
	}
	if right < 400 || right > 600 {
		t.Errorf("without a reference, the guess is %d of 1000 times the same", right)
	}
}

func TestMostCountsByMailboxAndWindow(t *testing.T) {
	t.Parallel()
	c := &campaign{stage: &stage{}, bombed: map[string]string{"a@x.org": "x", "A@x.org": "x", "b@y.org": "y"}}
	c.inbox = []letter{{to: "a@x.org"}, {to: "A@x.org", at: time.Hour}, {to: "b@y.org", at: 2 * time.Hour}, {to: "a@x.org", at: 24 * time.Hour}, {to: "c@z.org"}}
	if n, of := c.most(24 * time.Hour); n != 2 || of != "x" {
		t.Errorf("a day: %d to %s", n, of)
	}
	if n, of := c.most(25 * time.Hour); n != 3 || of != "x" {
		t.Errorf("25 hours: %d to %s", n, of)
	}
}
