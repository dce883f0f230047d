package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/devstack"
	"newsletter/shared/healthcheck"
	"newsletter/shared/lambdafn"
	"newsletter/shared/telemetry"
)

// ownRedis makes the function use a server of its own: functions with one server have one alert of a lost database.
func ownRedis(b *functiontest.Fixture) *testenv.PrivateRedis {
	b.Helper()
	redis := testenv.RedisServer(b)
	b.Variables["REDIS_URL"] = redis.URL
	return redis
}

// TestRun checks that a run folds the requests of other environments, stores a sample, and queues notifications.
func TestRun(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	ownRedis(b)
	f := b.Open(open)
	for i := range 100 {
		status := http.StatusOK
		if i < 10 {
			status = http.StatusInternalServerError
		}
		f.OnRequest(telemetry.Request{Endpoint: "subscribe POST", Status: status, Duration: 20 * time.Millisecond})
	}
	f.OnRequest(telemetry.Request{Endpoint: "subscribe POST", Status: http.StatusOK, Cold: true, Duration: time.Second})
	if _, err := f.Event(t.Context(), functiontest.Sample(t, "health", "scheduled")); err != nil { // which writes them alongside its transaction
		t.Fatal(err)
	}
	b.Exec(`insert into outbox (id, kind, due_at, created_at, state, finished_at) values (gen_random_uuid(), 'notify.slack', now(), now(), 'dead', now())`)
	time.Sleep(healthcheckFreshness)
	ctx, _ := telemetry.With(t.Context())
	value, err := f.Event(ctx, functiontest.Sample(t, "health", "scheduled"))
	if err != nil {
		t.Fatal(err)
	}
	d := value.(healthcheck.Details)
	if len(d.Requests) != 1 {
		t.Fatalf("requests %+v", d.Requests)
	}
	r := d.Requests[0]
	if r.Name != "subscribe POST" || r.Requests != 101 || r.ErrorRate < 0.09 || r.ErrorRate > 0.11 || r.P95 < 18.5 || r.P95 > 21.5 || r.ColdStarts != 1 {
		t.Errorf("%+v", r)
	}
	var rules []string
	for _, a := range d.Alerts {
		rules = append(rules, string(a.Rule)+"/"+a.Subject)
	}
	if got := strings.Join(rules, " "); got != "errors/fast errors/slow errors/creeping dead_letters/" {
		t.Errorf("alerts %s", got)
	}
	if d.Status != healthcheck.Warn || d.Checks["outbox"][0].Status != healthcheck.Warn {
		t.Errorf("%s, outbox %+v", d.Status, d.Checks["outbox"])
	}
	if queued := b.Strings(`select kind from outbox where kind like 'alert.%'`); len(queued) != 4 {
		t.Errorf("queued %v", queued)
	}
	samples := b.Strings(`select status || ' ' || (measurements ->> 'limiter') || ' ' || (measurements -> 'outbox' ->> 'dead') from health_samples order by at`)
	if got := strings.Join(samples, ", "); got != "pass redis 0, warn redis 1" {
		t.Errorf("samples %s", got)
	}
	if text, err := json.Marshal(d); err != nil || !strings.Contains(string(text), `"p95_ms":`) || strings.Contains(string(text), "postgres://") {
		t.Errorf("%v %s", err, text)
	}
}

// healthcheckFreshness is how long a report is cached.
const healthcheckFreshness = 5100 * time.Millisecond

// run invokes the function as the schedule does.
func run(t *testing.T, f lambdafn.Function) healthcheck.Details {
	t.Helper()
	d, _ := runMeasured(t, f)
	return d
}

// runMeasured also returns the names of the metrics that the run wrote.
func runMeasured(t *testing.T, f lambdafn.Function) (d healthcheck.Details, metrics map[string]bool) {
	t.Helper()
	ctx, m := telemetry.With(t.Context())
	value, err := f.Event(ctx, functiontest.Sample(t, "health", "scheduled"))
	if err != nil {
		t.Fatal(err)
	}
	metrics = map[string]bool{}
	for _, line := range m.Documents("Newsletter", time.Now(), map[string]string{"function_name": "health"}) {
		for _, attr := range line {
			metrics[attr.Key] = true
		}
	}
	return value.(healthcheck.Details), metrics
}

// firing returns the firing alerts, such as "outbox_age/ critical".
func firing(d healthcheck.Details) string {
	var all []string
	for _, a := range d.Alerts {
		all = append(all, fmt.Sprintf("%s/%s %s", a.Rule, a.Subject, a.Severity))
	}
	return strings.Join(all, ", ")
}

// TestFailingDestination checks that the age of a delivery does not restart with its next attempt.
func TestFailingDestination(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Exec(`insert into outbox (id, kind, due_at, created_at, attempts, outcome)
		select gen_random_uuid(), 'email.confirm', now() + interval '2 hours', now() - interval '6 hours', 9, 'unreachable' from generate_series(1, 20)`)
	b.Exec(`insert into outbox (id, kind, due_at, created_at, deferred_until) values (gen_random_uuid(), 'notify.slack', now(), now() - interval '6 hours', now())`)
	d := run(t, b.Open(open))
	if got := firing(d); got != "deliveries/email critical" {
		t.Errorf("alerts %s", got)
	}
	if got := d.Alerts[0].Summary; got != "email: 20 deliveries failed, the oldest has waited for 6 hours (unreachable)." {
		t.Error(got)
	}
	if got := d.Checks["outbox"][0].Status; got != healthcheck.Fail || d.Status != healthcheck.Warn { // sign-ups work
		t.Errorf("outbox %s, the whole %s", got, d.Status)
	}
	if got := d.Checks["outbox"][0].Observed; !strings.HasPrefix(got, "21 ready, the oldest waiting for 6h0m") {
		t.Error(got)
	}
}

// TestUnknownMeasurements checks that a failed query suppresses no alert, and fires one about itself.
func TestUnknownMeasurements(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Exec(`insert into outbox (id, kind, due_at, created_at, state, finished_at) values (gen_random_uuid(), 'notify.slack', now(), now(), 'dead', now())`)
	b.Exec(`revoke select on engagement_events from app`)
	d, metrics := runMeasured(t, b.Open(open))
	if got := firing(d); got != "check/alerts warning, dead_letters/ warning" || !metrics["Health"] || !metrics["AlertsFiring"] {
		t.Errorf("alerts %s, metrics %v", got, metrics)
	}
	if got := d.Checks["alerts"]; len(got) != 1 || !strings.Contains(got[0].Output, "measure bounces") {
		t.Errorf("the details lack the cause: %+v", got)
	}
	if got := d.Checks["feedback"][0]; got.Status != healthcheck.Warn || got.Output == "" || !metrics["OutboxReady"] || d.Checks["integrations"][0].Status != healthcheck.Pass {
		t.Errorf("feedback %+v, metrics %v, integrations %+v", got, metrics, d.Checks["integrations"])
	}
	b.Exec(`revoke select on outbox from app`)
	d, metrics = runMeasured(t, b.Open(open))
	if got := firing(d); got != "check/alerts warning, dead_letters/ warning" || metrics["OutboxReady"] {
		t.Errorf("alerts %s, metrics %v", got, metrics)
	}
}

// TestUnnotifiedRunWritesNoHealthMetric: a CloudWatch alarm watches for its absence.
func TestUnnotifiedRunWritesNoHealthMetric(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Exec(`revoke insert, update on alerts from app`)
	b.Exec(`insert into outbox (id, kind, due_at, created_at, state, finished_at) values (gen_random_uuid(), 'notify.slack', now(), now(), 'dead', now())`)
	if d, metrics := runMeasured(t, b.Open(open)); metrics["Health"] || metrics["AlertsFiring"] || d.Checks["outbox"][0].Status != healthcheck.Warn {
		t.Errorf("%+v, metrics %v", d, metrics)
	}
}

// TestReadOnlyDatabaseIsLost checks that the first notification is sent directly, and the last one through the outbox.
func TestReadOnlyDatabaseIsLost(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	ownRedis(b)
	slack := &devstack.Slack{}
	server := httptest.NewServer(slack)
	t.Cleanup(server.Close)
	b.Variables["SLACK_WEBHOOK_URL"], b.Variables["FAKES_URL"] = server.URL, server.URL
	b.Variables["ALERTS_RESOLVE_AFTER"] = "1ms"
	name := b.Strings(`select current_database()::text`)[0]
	b.Exec(fmt.Sprintf(`alter database %q set default_transaction_read_only = on`, name))
	d, metrics := runMeasured(t, b.Open(open))
	if d.Status != healthcheck.Fail || !metrics["Health"] || len(slack.Messages()) != 1 || slack.Messages()[0].Title != "🔴 Database unavailable" {
		t.Errorf("%s, metrics %v, notifications %+v", d.Status, metrics, slack.Messages())
	}
	b.Exec(`set default_transaction_read_only = off`) // for this connection
	b.Exec(fmt.Sprintf(`alter database %q reset default_transaction_read_only`, name))
	b.Exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
	if d = run(t, b.Open(open)); d.Status == healthcheck.Fail {
		t.Errorf("%+v", d)
	}
	if got := b.Strings(`select o.kind || ' ' || a.rule || ' ' || (a.resolved_at is not null) from outbox o join alerts a on a.id = o.event_id`); fmt.Sprint(got) != "[alert.resolved database true]" {
		t.Errorf("queued %v", got)
	}
	if got := slack.Problems(); len(got) != 0 {
		t.Error(got)
	}
}

// TestUnsentMessagesAreNoSuccess checks that only deliveries count as a success of a destination.
func TestUnsentMessagesAreNoSuccess(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	for _, row := range []string{
		`'email.confirm', 'done', 'stale', now()`, `'notify.slack', 'done', 'skipped', now()`, `'none', 'done', 'none', now()`,
		`'change', 'done', 'expanded', now()`, `'email.reminder', 'done', 'sent', now() - interval '2 hours'`, `'notify.ga4', 'done', 'counted', now() - interval '25 hours'`,
		`'alert.firing.discord', 'done', 'notified', now() - interval '3 hours'`, `'notify.discord', 'ready', 'unreachable', null`,
	} {
		b.Exec(`insert into outbox (id, due_at, created_at, kind, state, outcome, finished_at) values (gen_random_uuid(), now(), now() - interval '4 minutes', ` + row + `)`)
	}
	d := run(t, b.Open(open))
	if got := d.Checks["integrations"][0]; !regexp.MustCompile(`^discord: 3h0m\d+s ago; email: 2h0m\d+s ago$`).MatchString(got.Observed) || got.Status != healthcheck.Pass {
		t.Errorf("%+v", got)
	}
	b.Exec(`update outbox set created_at = created_at - interval '1 hour' where state = 'ready'`)
	d = run(t, b.Open(open))
	if got := d.Checks["integrations"][0]; !strings.Contains(got.Output, "deliveries fail: discord (discord: 3h0m") || got.Status != healthcheck.Warn {
		t.Errorf("%+v", got)
	}
}

// TestIncompleteRunDoesNotPass checks that a run that could not read something warns, and that one that could not
// notify fails.
func TestIncompleteRunDoesNotPass(t *testing.T) {
	t.Parallel()
	for table, test := range map[string]struct {
		check  string
		status healthcheck.Status
	}{
		"request_stats":    {"statistics", healthcheck.Warn},
		"privacy_requests": {"alerts", healthcheck.Warn},
		"alerts":           {"alerts", healthcheck.Fail},
	} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			b := functiontest.New(t)
			b.Exec(`revoke select on ` + table + ` from app`)
			d := run(t, b.Open(open))
			if got := d.Checks[test.check]; len(got) != 1 || got[0].Status != test.status || got[0].Output == "" || d.Status != test.status {
				t.Errorf("%s as a whole, %s: %+v", d.Status, test.check, got)
			}
		})
	}
}
