package telemetry_test

import (
	"os"
	"strings"
	"testing"

	"newsletter/shared/telemetry"
)

// Each reason has its own line, and the invocation's line has none.
func TestSecurityEventsAreSeparate(t *testing.T) {
	t.Parallel()
	ctx, m := telemetry.With(t.Context())
	telemetry.Add(ctx, telemetry.SignUps, 1, "rate_limited")
	for range 3 {
		telemetry.SecurityEvent(ctx, "rate_limited")
	}
	telemetry.SecurityEvent(ctx, "honeypot")
	telemetry.SecurityEvent(ctx, "a word that nobody knows")
	parts := m.Split(telemetry.SecurityEvents)
	if len(parts) != 2 {
		t.Fatalf("%d parts", len(parts))
	}
	for i, want := range []struct {
		reason string
		count  float64
	}{{"rate_limited", 3}, {"honeypot", 1}} {
		data, lines := written(t, parts[i], map[string]string{"function_name": "f"})
		if n, got := count(data, "SecurityEvents", want.reason); lines != 1 || n != 1 || got != want.count {
			t.Errorf("%s: %d lines, %v", want.reason, lines, data)
		}
	}
	if data, _ := written(t, m, map[string]string{"function_name": "f"}); len(data) != 1 {
		t.Errorf("remaining: %v", data)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	ctx, first := telemetry.With(t.Context())
	telemetry.Add(ctx, telemetry.PoolDial, 5)
	ctx, second := telemetry.With(t.Context())
	telemetry.Add(ctx, telemetry.PoolDial, 7)
	second.Merge(first)
	second.Merge(first)
	data, _ := written(t, second, map[string]string{"function_name": "stack-subscribe"})
	if n, got := count(data, "PoolDial", "stack-subscribe"); n != 2 || got != 12 {
		t.Errorf("%d values with the sum %v", n, got)
	}
}

// The page lists exactly the reasons, with their descriptions.
func TestPageListsTheReasons(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Security events\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for reason, description := range telemetry.SecurityReasons {
		if row := "\n| `" + reason + "` | " + description + " |"; !strings.Contains(section, row) {
			t.Errorf("docs/security.md has no row %q", row)
		}
	}
	if rows := strings.Count(section, "\n| `"); rows != len(telemetry.SecurityReasons) {
		t.Errorf("%d rows for %d reasons", rows, len(telemetry.SecurityReasons))
	}
}
