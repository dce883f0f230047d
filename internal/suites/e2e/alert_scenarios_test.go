package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/local/devstack"
)

// serversAreLost stops Redis, then PostgreSQL while requests arrive.
func serversAreLost(t *testing.T, w *watch) {
	v := newVisitor(w.base, "127.60.1.1")
	v.subscribe(t, "jane@example.org")
	w.deliver(t)
	link := v.mail(t, "jane@example.org", 1).link(t, confirmPath)

	w.redis.Kill()
	w.fires("limiter")
	w.repeats()
	w.redis.Start()
	w.resolves("limiter")

	w.allowConnections(t, false)
	for range 12 {
		if got := v.send(t, http.MethodPost, subscribePath, `{"email":"during@example.org"}`, asJSON); got.Status != http.StatusServiceUnavailable {
			t.Fatalf("without PostgreSQL: %d", got.Status)
		}
	}
	notified := func(title string) bool {
		w.runHealthTwice()
		return slices.Contains(titles(w.Fakes.SNS.Messages()), title)
	}
	eventually(t, "a notification of the loss", func() bool { return notified("critical: Database unavailable") })
	eventually(t, "a repeated notification", func() bool { return notified("critical: Still firing: Database unavailable") })
	if n := w.Lambda.Environments("health"); n < 2 {
		t.Errorf("%d environments ran", n)
	}
	w.allowConnections(t, true)
	eventually(t, "the resolved notification", func() bool {
		w.runHealth() // with deliver, which notifies
		return notified("good: Resolved: Database unavailable")
	})
	if n := w.count(t, "outbox where event_id in (select id from alerts where rule = 'database') and kind not like 'alert.resolved%'"); n != 0 {
		t.Errorf("%d outbox messages for directly sent notifications", n)
	}

	w.fires("errors/fast", "errors/slow", "errors/creeping")
	w.repeats()
	eventually(t, "enough successful responses", func() bool {
		for range 100 {
			if got := v.send(t, http.MethodPost, link, agree, asForm); got.Status != http.StatusOK {
				t.Fatalf("confirm: %d", got.Status)
			}
		}
		return len(w.runHealth()) == 0
	})
}

// emailsFail causes bounces, which open a sending circuit breaker, a permanent rejection by SES, and a pause of all
// email.
func emailsFail(t *testing.T, w *watch) {
	v := newVisitor(w.base, "127.61.1.1")
	for i := range 5 {
		v.subscribe(t, fmt.Sprintf("bounce%d@example.org", i))
	}
	w.deliver(t)
	eventually(t, "the bounces to be recorded", func() bool { return w.count(t, "engagement_events where kind = 'bounce'") == 5 })
	w.deliver(t)
	w.fires("bounces", "circuit_breaker")
	v = newVisitor(w.base, "127.61.2.1") // another network, and below another domain
	w.Fakes.SES.Fail(devstack.SESFault{Status: http.StatusBadRequest, Code: "MessageRejected"})
	v.subscribe(t, "refused@example.net")
	w.fires("dead_letters")
	w.operator(t, "destination", "pause", "email")
	w.fires("email_paused")
	w.repeats()

	w.operator(t, "outbox", "retry", "--all")
	w.resolves("dead_letters")
	if emails := v.inbox(t, "refused@example.net"); len(emails) != 0 {
		t.Errorf("%d emails were sent while email is paused", len(emails))
	}
	w.operator(t, "destination", "resume", "email") // earlier bounces no longer count
	w.resolves("email_paused", "bounces", "circuit_breaker")
}

// feedbackIsMissing disables the event destination of SES, and publishes an event that cannot be read.
func feedbackIsMissing(t *testing.T, w *watch) {
	v := newVisitor(w.base, "127.64.1.1")
	w.Fakes.SES.SetPublishing(false)
	for i := range 3 {
		v.subscribe(t, fmt.Sprintf("nofeedback%d@example.org", i))
	}
	w.deliver(t)
	w.become(nil) // they were sent just now
	w.exec(t, "update outbox set finished_at = finished_at - interval '61 minutes' where outcome = 'sent'")
	w.fires("feedback_missing")
	w.repeats()
	w.Fakes.SES.SetPublishing(true)
	v.subscribe(t, "feedback@example.org")
	w.resolves("feedback_missing")

	event, err := os.ReadFile(filepath.Join(root, "events", "engagement", "unreadable.json"))
	if err != nil {
		t.Fatal(err)
	}
	w.invoke(t, "engagement", string(event))
	w.fires("feedback_unreadable")
	w.repeats()
	w.exec(t, "update engagement_events set at = at - interval '1 day' where kind = 'unreadable'") // simulates the passing of time
	w.resolves("feedback_unreadable")
}

// strangersAreSignedUp makes a bot sign up people who do not confirm.
func strangersAreSignedUp(t *testing.T, w *watch) {
	v := newVisitor(w.base, "127.62.1.1")
	address := func(i int) string { return fmt.Sprintf("mia.schulz%03d@gmail.com", i) }
	signUps := 0
	eventually(t, "a sign-up burst to be held", func() bool {
		for range 10 {
			v.subscribe(t, address(signUps))
			signUps++
		}
		w.deliver(t)
		return w.count(t, "outbox where state = 'held' and hold_reason = 'signup_burst'") > 0
	})
	w.fires("signup_burst")
	v.subscribe(t, "away@mailinator.com")
	w.fires("held/disposable")
	w.exec(t, "update subscribers set requested_at = requested_at - interval '2 minutes'") // the last minute is not counted yet
	w.exec(t, "update ledger_events set at = at - interval '2 minutes'")
	w.fires("bombing")
	w.repeats()
	v.send(t, http.MethodPost, subscribePath, `{"email":"robot@example.org","website":"https://spam.example"}`, asJSON)
	w.fires("flagged")

	w.operator(t, "hold", "reject", "--all")
	w.resolves("signup_burst", "held/disposable", "flagged")
	for i := range signUps / 5 {
		if got := v.send(t, http.MethodPost, v.mail(t, address(i), 1).link(t, confirmPath), agree, asForm); got.Status != http.StatusOK {
			t.Fatalf("confirm: %d", got.Status)
		}
	}
	w.resolves("bombing")
}

// pageIsAtFault sends requests whose page reports a start that is no time, and then as many from the corrected page.
func pageIsAtFault(t *testing.T, w *watch) {
	v := newVisitor(w.base, "127.67.1.1")
	ask := func(startedAt string) {
		t.Helper()
		for i := range 6 {
			body := fmt.Sprintf("email=person%d%%40example.org&started_at=%s", i, startedAt)
			if got := v.send(t, http.MethodPost, unsubscribePath, body, asForm); got.Status != http.StatusAccepted {
				t.Fatalf("%d %s", got.Status, got.Body)
			}
		}
	}
	ask("soon")
	w.fires("page/unsubscribe_link")
	w.repeats()
	ask("1769860800000")
	w.resolves("page/unsubscribe_link")
}

// workIsLeftUndone leaves a privacy request unanswered, routes slow, a migration not applied, and the outbox full.
func workIsLeftUndone(t *testing.T, w *watch) {
	v := newVisitor(w.base, "127.63.1.1")
	const address = "letter@example.org"
	activate(t, w.stack, v, address)
	w.deliver(t)
	w.operator(t, "privacy", "open", "--received", time.Now().AddDate(0, 0, -25).Format(time.DateOnly), "export", address)
	w.fires("privacy_due")

	const history = `insert into request_stats select 3600, at, $1, 2, false, $2 + $3 * n, 100 from generate_series(1, $4::integer) as n, lateral (select `
	w.exec(t, history+`date_trunc('hour', now()) + make_interval(hours => hour) - n * interval '7 days' as at from generate_series(-1, 1) as hour) as times`,
		"subscribe POST", functiontest.Bucket(20*time.Millisecond), 0, 6)
	eventually(t, "slow requests of the last minutes to be aggregated", func() bool {
		w.answersSlowly("subscribe POST", 300*time.Millisecond)
		w.runHealth()
		return w.count(t, "request_stats where span = 300 and endpoint = 'subscribe POST' and requests >= 60") >= 5
	})
	w.fires("slower/subscribe POST")
	w.exec(t, history+`date_trunc('day', now(), 'UTC') - n * interval '1 day' as at) as times`,
		"confirm GET", functiontest.Bucket(190*time.Millisecond), -1, 14)
	w.Lambda.Kill("health") // each environment evaluates days once an hour
	w.fires("trend/confirm GET")
	const newest = "where version_id = (select max(version_id) from goose_db_version)"
	w.exec(t, "update goose_db_version set is_applied = false "+newest) // the functions are newer than the schema
	w.fires("check/migrations")
	w.repeats()

	w.exec(t, "update goose_db_version set is_applied = true "+newest)
	w.resolves("check/migrations")
	w.exec(t, "update request_stats set slot = slot - interval '1 hour' where span < 3600") // simulates the passing of time
	w.resolves("slower/subscribe POST")
	w.exec(t, "update request_stats set slot = slot - interval '241 hours' where endpoint = 'confirm GET' and slot < now() - interval '12 hours'")
	w.Lambda.Kill("health")
	w.resolves("trend/confirm GET")
	w.operator(t, "privacy", "export", address)
	w.resolves("privacy_due")

	w.asleep = true
	v.subscribe(t, "waits@example.org")
	w.fires("outbox_age")
	w.repeats()
	w.asleep = false
	w.resolves("outbox_age")

	w.Fakes.Loops.Fail(slices.Repeat([]devstack.Fault{{Status: http.StatusServiceUnavailable}}, 20)...)
	activate(t, w.stack, v, "later@example.org")
	w.fires("deliveries/loops")
	w.repeats()
	w.Fakes.Loops.Heal()
	w.exec(t, "update outbox set due_at = now() where state = 'ready'") // simulates the passing of time
	w.resolves("deliveries/loops")
}

// emailsWait signs up many people of a company from one network, and lets two days pass.
func emailsWait(t *testing.T, w *watch) {
	v := newVisitor(w.base, "127.66.1.1")
	for i := range 11 { // five an hour
		v.subscribe(t, fmt.Sprintf("person%d@company.net", i))
	}
	w.deliver(t)
	w.fires("slots")
	if got := w.operator(t, "outbox", "slots"); !strings.Contains(got, "company.net") {
		t.Errorf("outbox slots: %s", got)
	}
	w.exec(t, "update outbox set created_at = created_at - interval '48 hours' where waits_for = 'slot'")
	w.fires("email_overdue")
	w.repeats()

	w.exec(t, "update outbox set due_at = now() where waits_for = 'slot'") // simulates the passing of time
	w.resolves("slots", "email_overdue")
	if n := w.count(t, "outbox where kind = 'email.confirm' and outcome = 'sent'"); n != 11 {
		t.Errorf("%d of 11 emails were sent", n)
	}
}

// ledgerIsNotProven leaves an event without a seal, then forgets the anchor of its seal, then changes the event.
func ledgerIsNotProven(t *testing.T, w *watch) {
	newVisitor(w.base, "127.65.1.1").subscribe(t, "sealed@example.org")
	w.deliver(t)
	w.become(nil) // it happened just now

	// Simulate the passing of time.
	w.exec(t, "update subscribers set requested_at = requested_at - interval '5 hours'")
	w.exec(t, "update ledger_events set at = at - interval '5 hours'")
	w.fires("ledger/seals")
	w.repeats()
	w.invoke(t, "maintain", tick)
	w.resolves("ledger/seals")

	w.exec(t, "update ledger_seals set anchored_at = null")
	w.fires("ledger/anchors")
	w.repeats()
	w.invoke(t, "maintain", tick)
	w.resolves("ledger/anchors")

	const (
		move   = "update ledger_events set at = at + $1::interval where kind = 'subscription.requested'"
		dueNow = "update maintenance set at = at - interval '1 day' where task = 'verification'"
	)
	w.exec(t, move, "1 microsecond")
	w.exec(t, dueNow)
	if result, err := w.Lambda.Invoke(t.Context(), "maintain", []byte(tick)); err != nil || result.FunctionError == "" {
		t.Errorf("maintain with a changed event: %v %s", err, result.Payload)
	}
	w.fires("ledger/verification")
	w.repeats()
	w.exec(t, move, "-1 microsecond")
	w.exec(t, dueNow)
	w.invoke(t, "maintain", tick)
	w.resolves("ledger/verification")
}

// rolesChange changes a setting of one role, and stores a large object as the other. The setting is that of this
// database, because other tests use the roles too.
func rolesChange(t *testing.T, w *watch) {
	role := "alter role app in database " + w.db.Name
	w.exec(t, role+" set statement_timeout = '4s'")
	w.fires("role/app")
	w.exec(t, "select lo_from_bytea(4711, 'kept for ever')")
	w.exec(t, "alter large object 4711 owner to keeper")
	w.fires("role/keeper")
	w.repeats()

	w.exec(t, role+" reset statement_timeout")
	w.resolves("role/app")
	w.exec(t, "select lo_unlink(4711)")
	w.resolves("role/keeper")
}
