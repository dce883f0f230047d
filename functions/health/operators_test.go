package main

import (
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/telemetry"
)

// TestOperatorActionsAreLogged checks that each action is counted in one run.
func TestOperatorActionsAreLogged(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	f := b.Open(open)
	count := func() (actions float64) {
		ctx, metrics := telemetry.With(t.Context())
		if _, err := f.Event(ctx, functiontest.Sample(t, "health", "scheduled")); err != nil {
			t.Fatal(err)
		}
		for _, part := range metrics.Split(telemetry.SecurityEvents) {
			for _, attr := range part.Documents("n", time.Now(), nil)[0] {
				if attr.Key == "SecurityEvents" {
					actions += attr.Value.Float64()
				}
			}
		}
		return actions
	}
	act := func(actor, kind string) {
		b.Exec(`insert into ledger_events (id, at, kind, actor, channel, request_id) values (gen_random_uuid(), clock_timestamp(), $1, $2, 'cli', 'x')`, kind, actor)
	}
	act("operator", "consent.text_added")
	if got := count(); got != 0 {
		t.Errorf("the first run counts %v earlier actions", got)
	}
	act("operator", "destination.paused")
	act("operator", "destination.paused")
	act("visitor", "subscription.requested")
	if got := count(); got != 2 {
		t.Errorf("%v actions, want 2", got)
	}
	if got := count(); got != 0 {
		t.Errorf("%v actions were counted twice", got)
	}
}
