package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/config"
	"newsletter/shared/lambdafn"
)

// fixture is the function with a clock.
type fixture struct {
	*functiontest.Fixture
	ahead time.Duration
}

func setup(t *testing.T) *fixture {
	t.Helper()
	return &fixture{functiontest.New(t), 0}
}

func (b *fixture) open() lambdafn.Function {
	b.Helper()
	return b.Open(func(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
		return openAt(ctx, env, func() time.Time { return time.Now().Add(b.ahead) })
	})
}

// run runs the function at a number of days from now, as on the first run of a day.
func (b *fixture) run(days float64) result {
	b.Helper()
	b.ahead = time.Duration(days * 24 * float64(time.Hour))
	b.Exec(`delete from maintenance`)
	value, err := b.open().Event(b.Context(), functiontest.Sample(b, "maintain", "scheduled"))
	if err != nil {
		b.Fatal(err)
	}
	return value.(result)
}

func (b *fixture) count(from string) (n int) {
	b.Helper()
	b.Scan("select count(*) from "+from, nil, &n)
	return n
}

// TestRetentionPeriods checks that each table loses its rows after its period, not before.
func TestRetentionPeriods(t *testing.T) {
	for name, test := range map[string]struct {
		prepare string // inserts one row
		from    string // counts the row
		days    float64
	}{
		"contexts":         {`insert into event_context values (gen_random_uuid(), now(), '192.0.2.1', 'x')`, "event_context", 90},
		"email_log":        {`insert into email_log (id, mailbox_hmac, purpose, at) values (gen_random_uuid(), '\x00', 'confirm', now())`, "email_log", 31},
		"signup_slots":     {`insert into signup_slots values ('\x00', '\x00', true, now())`, "signup_slots", 1},
		"deliveries":       {`insert into outbox (id, kind, state, due_at, created_at, finished_at) values (gen_random_uuid(), 'none', 'done', now(), now(), now())`, "outbox", 30},
		"dead_letters":     {`insert into outbox (id, kind, state, due_at, created_at, finished_at) values (gen_random_uuid(), 'email.confirm', 'dead', now(), now(), now())`, "outbox", 90},
		"erasures":         {`insert into erasures values (gen_random_uuid(), '\x00', 'k', now())`, "erasures", 365},
		"engagement":       {`insert into engagement_events (id, at, kind, delivery_id) values (gen_random_uuid(), now(), 'open', gen_random_uuid())`, "engagement_events", 400},
		"privacy_requests": {`insert into privacy_requests values (gen_random_uuid(), 'export', 'link', null, now(), now(), now(), 'answered')`, "privacy_requests", 1095},
		"request_minutes":  {`insert into request_stats values (60, now(), 'subscribe POST', 2, false, 1, 1)`, "request_stats", 1},
		"request_slots":    {`insert into request_stats values (300, now(), 'subscribe POST', 2, false, 1, 1)`, "request_stats", 4},
		"request_hours":    {`insert into request_stats values (3600, now(), 'subscribe POST', 2, false, 1, 1)`, "request_stats", 70},
		"health_samples":   {`insert into health_samples values (now(), 'pass', '{}')`, "health_samples", 14},
		"alerts":           {`insert into alerts values (gen_random_uuid(), 'r', '', 'critical', 's', now(), now(), null, now())`, "alerts", 70},
		"pauses":           {`insert into pauses values (gen_random_uuid(), 'email', 'bounces', now(), now())`, "pauses", 90},
		"identities":       {`insert into identities values (gen_random_uuid(), '\x00', '\x00', 'k', now() + interval '14 days')`, "identities", 14},
		"suppressions":     {`insert into suppressions (email_hmac, key_id, reason, created_at, until) values ('\x00', 'k', 'declined', now(), now() + interval '30 days')`, "suppressions", 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.Exec(test.prepare)
			if got := b.run(test.days - 0.01).Counts[name]; got != 0 || b.count(test.from) != 1 {
				t.Errorf("before the period: %d deleted", got)
			}
			if got := b.run(test.days + 0.01).Counts[name]; got != 1 || b.count(test.from) != 0 {
				t.Errorf("after the period: %d deleted", got)
			}
		})
	}
}

// TestUnlimitedRetention checks that rows without a period are kept.
func TestUnlimitedRetention(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Activate("jane@example.org")
	b.Exec(`insert into suppressions (email_hmac, key_id, reason, created_at, until) values ('\x00', 'k', 'complaint', now(), null)`)
	b.Exec(`insert into privacy_requests values (gen_random_uuid(), 'export', 'letter', null, now(), now(), null, null)`)
	b.Exec(`insert into outbox (id, kind, state, due_at, created_at) values (gen_random_uuid(), 'email.confirm', 'ready', now(), now())`)
	events := b.count("ledger_events")
	b.run(36500)
	for from, want := range map[string]int{
		"subscribers": 1, "identities": 1, "suppressions": 1, "privacy_requests": 1, "consent_texts": 3, "outbox where state = 'ready' and kind = 'email.confirm'": 2,
		"ledger_events where kind <> 'maintenance.run'": events,
	} {
		if got := b.count(from); got != want {
			t.Errorf("%s: %d, want %d", from, got, want)
		}
	}
}

// TestRun checks that a run is recorded, expires unconfirmed sign-ups and seals the ledger.
func TestRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.SignUp("jane@example.org")
	got := b.run(36)
	if got.Counts["expired"] != 1 || got.Seals != 1 || len(got.Head) != 64 {
		t.Errorf("%+v", got)
	}
	records := b.Strings(`select data::text from ledger_events where kind = 'maintenance.run' and actor = 'system'`)
	if len(records) != 1 || !strings.Contains(records[0], `"expired": 1`) {
		t.Errorf("%v", records)
	}
	if b.count("subscribers") != 0 || b.count("ledger_seals") != 1 {
		t.Error("nothing is expired or sealed")
	}
	b.run(51) // only the ledger remains of a sign-up that was never confirmed
	if n := b.count("identities") + b.count("email_log"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// TestReminder checks that reminders are sent only if configured, and once.
func TestReminder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 3 {
		b.SignUp(fmt.Sprintf("jane%d@example.org", i))
	}
	b.Exec(`update outbox set state = 'done', outcome = 'sent', finished_at = now()`)
	if got := b.run(3).Counts["reminded"]; got != 0 {
		t.Errorf("%d reminders without the setting", got)
	}
	b.Variables["SIGNUP_REMIND_AFTER"] = "48h"
	if got := b.run(3).Counts["reminded"]; got != 3 || b.count("outbox where kind = 'email.reminder' and domain_hmac is not null") != 3 {
		t.Errorf("%d reminders", got)
	}
	if got := b.run(4).Counts["reminded"]; got != 0 {
		t.Errorf("the next day: %d reminders", got)
	}
	for _, wrong := range []string{"30m", "700h", "-1h"} {
		b.Variables["SIGNUP_REMIND_AFTER"] = wrong
		if _, err := open(t.Context(), b.Env()); err == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
}

// TestErasureOfLongUnsubscribed checks that destinations are notified of the erasure.
func TestErasureOfLongUnsubscribed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	unsubscribed := b.Activate("jane@example.org")
	b.Activate("john@example.org")
	if _, err := b.Store.Unsubscribe(t.Context(), unsubscribed.Link, functiontest.Visit); err != nil {
		t.Fatal(err)
	}
	b.Variables["RETENTION_UNSUBSCRIBED_DAYS"] = "0"
	b.run(2000)
	b.Variables["RETENTION_UNSUBSCRIBED_DAYS"] = "100"
	b.run(99)
	if b.count("subscribers") != 2 {
		t.Fatal("a subscriber is erased before the period")
	}
	if got := b.run(101); got.Counts["long_gone"] != 1 || b.count("subscribers") != 1 {
		t.Errorf("%+v", got)
	}
	if got := b.Strings(`select actor || ' ' || channel from ledger_events where kind = 'subscription.erased'`); len(got) != 1 || got[0] != "system schedule" {
		t.Errorf("%v", got)
	}
	if b.count("outbox where kind = 'change' and sealed is not null") != 1 || b.count("privacy_requests") != 0 {
		t.Error("destinations are not notified, or a privacy request is recorded")
	}
}

// TestConcurrentRuns deletes more rows than one transaction does.
func TestConcurrentRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(`insert into email_log (id, mailbox_hmac, purpose, at) select gen_random_uuid(), '\x00', 'confirm', now() from generate_series(1, 9001)`)
	b.ahead = 31 * 24 * time.Hour
	var mu sync.Mutex
	var deleted int64
	var both sync.WaitGroup
	for range 2 {
		f := b.open()
		both.Go(func() {
			value, err := f.Event(t.Context(), json.RawMessage(`{}`))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			deleted += value.(result).Counts["email_log"]
		})
	}
	both.Wait()
	if deleted != 9001 || b.count("email_log") != 0 {
		t.Errorf("%d deleted, %d left", deleted, b.count("email_log"))
	}
}

// TestInterruptedRun checks that the next run continues.
func TestInterruptedRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(`insert into email_log (id, mailbox_hmac, purpose, at) select gen_random_uuid(), '\x00', 'confirm', now() from generate_series(1, 3000)`)
	b.ahead = 31 * 24 * time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), timeToRecord+time.Millisecond) // time only for the record
	defer cancel()
	if _, err := b.open().Event(ctx, json.RawMessage(`{}`)); err == nil {
		t.Error("the run succeeds")
	}
	if n := b.count("ledger_events where kind = 'maintenance.run'"); n != 1 {
		t.Errorf("%d records", n)
	}
	b.run(31)
	if b.count("email_log") != 0 {
		t.Error("rows are left")
	}
}

func TestOnlyScheduledEventsAreAccepted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.open()
	for _, sample := range functiontest.SampleNames(t, "maintain") {
		_, err := f.Event(t.Context(), functiontest.Sample(t, "maintain", sample))
		if wrong := sample == "not-scheduled"; (err != nil) != wrong {
			t.Errorf("%s: %v", sample, err)
		}
	}
}

func TestInvalidRetentionPeriods(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Variables["RETENTION_UNSUBSCRIBED_DAYS"], b.Variables["RETENTION_ERASURES_DAYS"], b.Variables["RETENTION_CONTEXT_DAYS"] = "-1", "34", "0"
	_, err := open(t.Context(), b.Env())
	for _, name := range []string{"RETENTION_UNSUBSCRIBED_DAYS", "RETENTION_ERASURES_DAYS", "RETENTION_CONTEXT_DAYS"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not refused: %v", name, err)
		}
	}
}
