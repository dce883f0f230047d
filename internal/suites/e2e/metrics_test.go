package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/emfcheck"
	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/devstack"
	"newsletter/shared/telemetry"
)

// metrics returns what CloudWatch would read from the log: for each name and dimensions, such as
// "SignUps outcome=pending", the sum of the values and their number.
func (l *logWriter) metrics(t *testing.T) (sums map[string]float64, counts map[string]int) {
	t.Helper()
	sums, counts = map[string]float64{}, map[string]int{}
	for _, line := range l.objects() {
		data, err := emfcheck.Parse([]byte(line))
		if err != nil {
			t.Errorf("%v: %s", err, line)
		}
		for _, d := range data {
			name := d.Name
			for _, key := range []string{"endpoint", "function_name", "outcome", "backend", "decision", "destination", "rule"} {
				if value, found := d.Dimensions[key]; found {
					name += " " + key + "=" + value
				}
			}
			sums[name] += d.Value
			counts[name]++
		}
	}
	return sums, counts
}

// TestEveryMetricIsWritten checks that the deployed functions write every metric of the catalogue.
func TestEveryMetricIsWritten(t *testing.T) {
	t.Parallel()
	redis := testenv.RedisServer(t)
	sentry := &devstack.Sentry{}
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(20 * time.Millisecond) // network latency
		sentry.ServeHTTP(w, r)
	}))
	t.Cleanup(slow.Close)
	o := quiet()
	o.Variables = with(o.Variables, "SENTRY_DSN", "http://local@"+slow.Listener.Addr().String()+"/1")
	o.Redis = &devstack.Redis{URL: redis.URL, CAFile: redis.CAFile}
	s := start(t, o)
	jane := newVisitor(s.base, "127.18.0.1")
	for i := range 3 {
		jane.subscribe(t, fmt.Sprintf("jane%d.metrics@example.org", i))
	}
	if got := jane.send(t, http.MethodPost, subscribePath, `{"email":"jane0.metrics@example.org","locale":"*"}`, asJSON); got.Status != http.StatusAccepted {
		t.Fatal(got.Body)
	}
	s.deliver(t)
	s.exec(t, `insert into outbox (id, kind, due_at, created_at, state, finished_at) values (gen_random_uuid(), 'notify.slack', now(), now(), 'dead', now())`)
	s.exec(t, `insert into outbox (id, kind, due_at, created_at) values (gen_random_uuid(), 'email.reminder', now() + interval '1 hour', now() - interval '1 minute')`)
	s.exec(t, `insert into outbox (id, kind, due_at, created_at, state, hold_reason) values (gen_random_uuid(), 'email.confirm', now(), now(), 'held', 'signup_burst')`)
	s.invoke(t, "engagement", string(functiontest.Sample(t, "engagement", "unreadable")))
	s.invoke(t, "health", `{}`)

	t.Log("The database refuses writes, then Redis does not respond.")
	s.exec(t, `revoke insert on ledger_events from app`)
	if got := jane.send(t, http.MethodPost, subscribePath, `{"email":"john.metrics@example.org"}`, asJSON); got.Status < 500 {
		t.Fatalf("without the ledger: %d %s", got.Status, got.Body)
	}
	s.exec(t, `grant insert on ledger_events to app`)
	redis.Freeze()
	t.Cleanup(redis.Thaw)
	for i := range 3 {
		jane.subscribe(t, fmt.Sprintf("joan%d.metrics@example.org", i))
	}

	sums, counts := s.logs.metrics(t)
	for name, least := range map[string]float64{
		"SignUps outcome=confirmation_queued": 6, "LimiterDecisions backend=redis decision=allowed": 4, "LimiterDecisions backend=local decision=allowed": 3,
		"ColdStarts function_name=subscribe": 1, "ColdStarts function_name=deliver": 1, "ColdStarts function_name=health": 1,
		"Duration endpoint=subscribe POST": 0.01, "ServerErrors endpoint=subscribe POST": 1, "PoolAcquire function_name=subscribe": 0.001,
		"PoolDial function_name=health": 0.01, "RedisRoundTrip function_name=subscribe": 0.001, "ReportingTime function_name=subscribe": 20,
		"StatisticsDropped function_name=subscribe": 1, "Deliveries outcome=delivered destination=email": 3, "FeedbackUnreadable": 1,
		"OutboxReady": 1, "OutboxHeld": 1, "OutboxDeadLetters": 1, "OutboxAge": 60, "Health": 1, "AlertsFiring": 2, "CleanedRequests": 1,
		"AlertsFired rule=dead_letters": 1, "AlertsFired rule=signup_burst": 1,
	} {
		if sums[name] < least {
			t.Errorf("%s is %v, want at least %v", name, sums[name], least)
		}
	}
	for _, m := range telemetry.Catalog {
		written := false
		for name := range sums {
			written = written || strings.Split(name, " ")[0] == m.Name
		}
		if !written {
			t.Errorf("nothing writes %s", m.Name)
		}
	}
	if cold, warm := sums["ColdStarts function_name=subscribe"], counts["Duration endpoint=subscribe POST"]; int(cold)+warm != 8 {
		t.Errorf("%v cold and %d warm requests, want 8 together", cold, warm)
	}
	if problems := sentry.Problems(); len(problems) > 0 || len(sentry.Events()) == 0 {
		t.Errorf("Sentry received %d events and would refuse %v", len(sentry.Events()), problems)
	}
	if t.Failed() {
		for name := range maps.Keys(sums) {
			t.Logf("%s: %v in %d", name, sums[name], counts[name])
		}
	}
}
