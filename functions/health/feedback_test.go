package main

import (
	"testing"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/healthcheck"
)

// TestFeedbackAlerts checks that an alert fires if SES has sent for an hour without any event, and only then.
func TestFeedbackAlerts(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	f := b.Open(open)
	const missing, unreadable = "feedback_missing/ warning", "feedback_unreadable/ warning"
	type email struct {
		ago     string
		outcome string
		event   string // kind of the event that SES reported, or empty
	}
	for name, test := range map[string]struct {
		emails []email // the oldest first, to different subscribers
		sql    string
		want   string
	}{
		"new installation":       {},
		"email within the hour":  {[]email{{"59 minutes", "sent", ""}}, "", ""},
		"first email":            {[]email{{"61 minutes", "sent", ""}}, "", missing},
		"delivery":               {[]email{{"61 minutes", "sent", "delivery"}}, "", ""},
		"slow receiver":          {[]email{{"61 minutes", "sent", "delay"}}, "", ""},
		"bounce":                 {[]email{{"61 minutes", "sent", "bounce"}}, "", ""},
		"events ended":           {[]email{{"9 hours", "sent", "delivery"}, {"4 hours", "sent", ""}, {"3 hours", "sent", ""}, {"2 hours", "sent", ""}}, "", missing},
		"two slow receivers":     {[]email{{"100 hours", "sent", "delivery"}, {"3 hours", "sent", ""}, {"2 hours", "sent", ""}}, "", ""},
		"events returned":        {[]email{{"4 hours", "sent", ""}, {"3 hours", "sent", ""}, {"2 hours", "sent", ""}, {"1 minute", "sent", "delivery"}}, "", ""},
		"nothing sent for a day": {[]email{{"25 hours", "sent", ""}}, "", ""},
		"not sent":               {[]email{{"2 hours", "stale", ""}, {"2 hours", "rejected", ""}}, "", ""},
		"erased subscriber":      {[]email{{"2 hours", "sent", "delivery"}}, `with e as (delete from engagement_events) delete from identities`, ""},
		"unreadable event":       {nil, `insert into engagement_events (id, at, kind, delivery_id) values (gen_random_uuid(), now(), 'unreadable', gen_random_uuid())`, unreadable},
		"old unreadable event":   {nil, `insert into engagement_events (id, at, kind, delivery_id) values (gen_random_uuid(), now() - interval '25 hours', 'unreadable', gen_random_uuid())`, ""},
	} {
		for _, table := range []string{"alerts", "outbox", "engagement_events", "identities"} {
			b.Exec("delete from " + table)
		}
		for _, e := range test.emails {
			b.Exec(`with person as (insert into identities (subscriber_id, email_hmac, mailbox_hmac, key_id) values (gen_random_uuid(), 'a', 'a', 'a') returning subscriber_id),
				email as (insert into outbox (id, kind, subscriber_id, due_at, created_at, state, outcome, finished_at)
					select gen_random_uuid(), 'email.confirm', subscriber_id, now(), now(), 'done', $2, now() - $1::interval from person returning id)
				insert into engagement_events (id, at, kind, delivery_id) select gen_random_uuid(), now() - $1::interval, $3, id from email where $3 <> ''`, e.ago, e.outcome, e.event)
		}
		if test.sql != "" {
			b.Exec(test.sql)
		}
		d := run(t, f)
		if got, check := firing(d), d.Checks["feedback"][0]; got != test.want || (check.Status == healthcheck.Warn) != (test.want != "") {
			t.Errorf("%s: alerts %q, want %q; check %+v", name, got, test.want, check)
		}
	}
	b.Variables["LOOPS_TRANSACTIONAL_ID"] = "letter1" // Loops reports no events
	b.Exec("delete from alerts")
	b.Exec(`insert into outbox (id, kind, subscriber_id, due_at, created_at, state, outcome, finished_at)
		select gen_random_uuid(), 'email.confirm', subscriber_id, now(), now(), 'done', 'sent', now() - interval '2 hours' from identities`)
	if d := run(t, b.Open(open)); firing(d) != "" || d.Checks["feedback"] != nil {
		t.Errorf("with Loops: %s, %+v", firing(d), d.Checks["feedback"])
	}
}
