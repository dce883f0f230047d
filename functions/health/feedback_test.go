package main

import (
	"testing"

	"newsletter/internal/functiontest"
	"newsletter/shared/healthcheck"
)

// TestSilenceOfSESIsTold where SES has sent for an hour and nothing came back, and only there.
func TestSilenceOfSESIsTold(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	f := b.Open(open)
	const missing, unreadable = "feedback_missing/ warning", "feedback_unreadable/ warning"
	type email struct {
		ago     string
		outcome string
		heard   string // the kind of event that came back, a moment later
	}
	for name, test := range map[string]struct {
		emails []email // the oldest first, to a person each
		also   string
		want   string
	}{
		"a fresh installation":                {},
		"an email of the last hour":           {[]email{{"59 minutes", "sent", ""}}, "", ""},
		"the first email":                     {[]email{{"61 minutes", "sent", ""}}, "", missing},
		"a delivery":                          {[]email{{"61 minutes", "sent", "delivery"}}, "", ""},
		"a receiver that takes its time":      {[]email{{"61 minutes", "sent", "delay"}}, "", ""},
		"a bounce":                            {[]email{{"61 minutes", "sent", "bounce"}}, "", ""},
		"heard before and not since":          {[]email{{"9 hours", "sent", "delivery"}, {"4 hours", "sent", ""}, {"3 hours", "sent", ""}, {"2 hours", "sent", ""}}, "", missing},
		"two slow receivers":                  {[]email{{"100 hours", "sent", "delivery"}, {"3 hours", "sent", ""}, {"2 hours", "sent", ""}}, "", ""},
		"heard again":                         {[]email{{"4 hours", "sent", ""}, {"3 hours", "sent", ""}, {"2 hours", "sent", ""}, {"1 minute", "sent", "delivery"}}, "", ""},
		"nothing was sent for a day":          {[]email{{"25 hours", "sent", ""}}, "", ""},
		"what did not leave":                  {[]email{{"2 hours", "stale", ""}, {"2 hours", "rejected", ""}}, "", ""},
		"an erased subscriber":                {[]email{{"2 hours", "sent", "delivery"}}, `with e as (delete from engagement_events) delete from identities`, ""},
		"what nobody understands":             {nil, `insert into engagement_events (id, at, kind, delivery_id) values (gen_random_uuid(), now(), 'unreadable', gen_random_uuid())`, unreadable},
		"what nobody understood a day before": {nil, `insert into engagement_events (id, at, kind, delivery_id) values (gen_random_uuid(), now() - interval '25 hours', 'unreadable', gen_random_uuid())`, ""},
	} {
		for _, table := range []string{"alerts", "outbox", "engagement_events", "identities"} {
			b.Exec("delete from " + table)
		}
		for _, e := range test.emails {
			b.Exec(`with person as (insert into identities (subscriber_id, email_hmac, mailbox_hmac, key_id) values (gen_random_uuid(), 'a', 'a', 'a') returning subscriber_id),
				email as (insert into outbox (id, kind, subscriber_id, due_at, created_at, state, outcome, finished_at)
					select gen_random_uuid(), 'email.confirm', subscriber_id, now(), now(), 'done', $2, now() - $1::interval from person returning id)
				insert into engagement_events (id, at, kind, delivery_id) select gen_random_uuid(), now() - $1::interval, $3, id from email where $3 <> ''`, e.ago, e.outcome, e.heard)
		}
		if test.also != "" {
			b.Exec(test.also)
		}
		d := ping(t, f)
		if got, check := rules(d), d.Checks["feedback"][0]; got != test.want || (check.Status == healthcheck.Warn) != (test.want != "") {
			t.Errorf("%s: alerts %q, want %q; check %+v", name, got, test.want, check)
		}
	}
	b.Variables["LOOPS_TRANSACTIONAL_ID"] = "letter1" // which tells us of nothing
	b.Exec("delete from alerts")
	b.Exec(`insert into outbox (id, kind, subscriber_id, due_at, created_at, state, outcome, finished_at)
		select gen_random_uuid(), 'email.confirm', subscriber_id, now(), now(), 'done', 'sent', now() - interval '2 hours' from identities`)
	if d := ping(t, b.Open(open)); rules(d) != "" || d.Checks["feedback"] != nil {
		t.Errorf("with Loops: %s, %+v", rules(d), d.Checks["feedback"])
	}
}
