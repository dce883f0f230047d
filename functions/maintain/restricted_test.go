package main

import (
	"testing"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/subscription"
)

// TestRetentionWaitsForARestriction checks that nothing about a subscriber is deleted while they restrict the processing of
// their data, and that everything is afterwards. What is about others is deleted in its time.
func TestRetentionWaitsForARestriction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jane, john := b.Activate("jane@example.org").Link, b.Activate("john@example.org").Link
	b.Exec(`insert into engagement_events (id, at, kind, subscriber_id, delivery_id) select gen_random_uuid(), now(), 'open', subscriber_id, gen_random_uuid() from identities`)
	b.Exec(`update outbox set state = 'done', outcome = 'sent', finished_at = now() where kind like 'email.%'`)
	b.Exec(`update outbox set state = 'dead', outcome = 'failed', finished_at = now() where kind = 'change'`)
	if got, err := b.Store.Restrict(t.Context(), jane, functiontest.Visit); err != nil || got != subscription.RestrictedNow {
		t.Fatal(got, err)
	}
	tables := []string{"event_context c join ledger_events e on e.id = c.event_id", "outbox e", "engagement_events e"}
	kept := func(id any) (n []int) {
		t.Helper()
		for _, table := range append(tables, "privacy_requests e") {
			var rows int
			b.Scan("select count(*) from "+table+" where e.subscriber_id = $1 and ($2 <> 'outbox e' or to_jsonb(e) ->> 'state' <> 'ready')", []any{id, table}, &rows)
			n = append(n, rows)
		}
		return n
	}
	before := kept(jane.SubscriberID)
	b.run(2000)
	for i, n := range kept(jane.SubscriberID) {
		if n != before[i] || n == 0 {
			t.Errorf("%d: %d of %d rows are kept", i, n, before[i])
		}
	}
	for i, n := range kept(john.SubscriberID) {
		if n != 0 {
			t.Errorf("%d: %d rows of another subscriber are kept", i, n)
		}
	}
	b.Exec(`delete from suppressions`)
	b.run(4000)
	for i, n := range kept(jane.SubscriberID) {
		if n != 0 {
			t.Errorf("%d: %d rows are kept after the end", i, n)
		}
	}
}
