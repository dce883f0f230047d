package main

import (
	"testing"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/field"
	"newsletter/shared/subscription"
)

// TestFieldsEndWithTheirPeriod checks that the daily work deletes values by the periods of the settings, and counts them.
func TestFieldsEndWithTheirPeriod(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Variables["FIELDS"] = `{"company":{"type":"text","purpose":"p","retention_days":30},"vip":{"type":"boolean","purpose":"p"}}`
	request := subscription.Request{
		Address: b.Address("jane@example.org"), Visit: functiontest.Visit, OptIn: subscription.SingleOptIn, Fields: field.Values{"company": "Acme", "vip": true, "removed": "x"},
	}
	if _, err := b.Store.Request(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		days float64
		want string
		n    int64
	}{{29, `{"vip": true, "company": "Acme", "removed": "x"}`, 0}, {31, `{"vip": true, "removed": "x"}`, 1}, {400, `{"vip": true, "removed": "x"}`, 0}} {
		counts := b.run(step.days).Counts
		if got := b.Strings(`select fields::text from subscribers`); len(got) != 1 || got[0] != step.want || counts["fields"] != step.n {
			t.Errorf("after %v days: %v, %v", step.days, got, counts)
		}
	}
}
