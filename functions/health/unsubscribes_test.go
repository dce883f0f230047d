package main

import (
	"testing"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/healthcheck"
)

// TestUnsubscribesAtOnceAreCounted within 30 seconds of a delivery, or of the sending of an email without one.
func TestUnsubscribesAtOnceAreCounted(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	f := b.Open(open)
	for name, test := range map[string]struct {
		sent, delivered string // before the unsubscribe; empty for not at all
		left            string // how long ago
		channel, want   string
	}{
		"without an email":       {"", "", "1 hour", "link", "1 in a day, 0 of them within 30 s of an email"},
		"at once, by delivery":   {"2 hours", "29 seconds", "1 hour", "link", "1 in a day, 1 of them within 30 s of an email"},
		"at once, by sending":    {"29 seconds", "", "1 hour", "link", "1 in a day, 1 of them within 30 s of an email"},
		"later, by delivery":     {"29 seconds", "31 seconds", "1 hour", "link", "1 in a day, 0 of them within 30 s of an email"},
		"later, by sending":      {"31 seconds", "", "1 hour", "link", "1 in a day, 0 of them within 30 s of an email"},
		"before it was sent":     {"-1 second", "", "1 hour", "link", "1 in a day, 0 of them within 30 s of an email"},
		"two days ago":           {"1 second", "1 second", "2 days", "link", "0 in a day, 0 of them within 30 s of an email"},
		"by the operator's tool": {"1 second", "1 second", "1 hour", "import", "0 in a day, 0 of them within 30 s of an email"},
	} {
		for _, table := range []string{"alerts", "outbox", "engagement_events"} {
			b.Exec("delete from " + table)
		}
		b.Exec("truncate ledger_events cascade")
		b.Exec(`insert into ledger_events (id, at, kind, subscriber_id, actor, channel, request_id)
			values (gen_random_uuid(), now() - $1::interval, 'subscription.unsubscribed', '0190a0b0-c0d0-7000-8000-000000000001', 'subscriber', $2, 'r')`, test.left, test.channel)
		if test.sent != "" {
			b.Exec(`insert into outbox (id, kind, subscriber_id, due_at, created_at, state, outcome, finished_at)
				select gen_random_uuid(), 'email.confirm', subscriber_id, now(), now(), 'done', 'sent', at - $1::interval from ledger_events`, test.sent)
		}
		if test.delivered != "" {
			b.Exec(`insert into engagement_events (id, at, kind, subscriber_id, delivery_id)
				select gen_random_uuid(), e.at - $1::interval, 'delivery', e.subscriber_id, o.id from ledger_events e join outbox o using (subscriber_id)`, test.delivered)
		}
		if check := run(t, f).Checks["unsubscribes"][0]; check.Observed != test.want || check.Status != healthcheck.Pass {
			t.Errorf("%s: %+v, want %s", name, check, test.want)
		}
	}
}
