package alert_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/testenv"
	"newsletter/shared/alert"
	"newsletter/shared/config"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
)

// rig is a Store with its own database and a manual clock.
type rig struct {
	*alert.Store
	t     *testing.T
	exec  func(sql string, args ...any)
	admin func(sql string)
	rows  func(sql string) []string
	db    *postgres.DB
	now   time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	database := testenv.Postgres(t)
	db := database.Pool(t)
	conn := database.AppConn(t)
	r := &rig{t: t, db: db, now: time.Now().UTC().Truncate(time.Second)}
	r.Store = alert.NewStore(db, config.Read[alert.Config](config.FromMap(nil)), func() time.Time { return r.now })
	r.exec = func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	owner := database.Conn(t)
	r.admin = func(sql string) {
		t.Helper()
		if _, err := owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	r.rows = func(sql string) (all []string) {
		t.Helper()
		rows, err := conn.Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				t.Fatal(err)
			}
			all = append(all, text)
		}
		return all
	}
	return r
}

// evaluate moves the clock and evaluates; it returns the counts of notifications by stage, and of firing alerts.
func (r *rig) evaluate(after time.Duration, m alert.Measurements) string {
	r.t.Helper()
	r.now = r.now.Add(after)
	all, err := r.Evaluate(r.t.Context(), m)
	if err != nil {
		r.t.Fatal(err)
	}
	return fmt.Sprintf("%d %d %d, %d firing", len(all.Reached(alert.Firing)), len(all.Reached(alert.Repeated)), len(all.Reached(alert.Resolved)), len(all.Firing()))
}

func (r *rig) ledger(kind, outcome string, at time.Time) {
	r.t.Helper()
	r.exec(`insert into ledger_events (id, at, kind, actor, channel, request_id, data)
		values (gen_random_uuid(), $1, $2, 'visitor', 'form', 'test', jsonb_build_object('outcome', $3::text))`, at, kind, outcome)
}

func (r *rig) queued() string {
	r.t.Helper()
	return strings.Join(r.rows(`select kind from outbox where event_id is not null and subscriber_id is null order by id`), " ")
}

// TestEvaluate checks that alerts and their notifications are stored, listed and read.
func TestEvaluate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	overdue, longOverdue := alert.Measurements{Outbox: outbox.Depth{OldestDue: 6 * time.Minute}}, alert.Measurements{Outbox: outbox.Depth{OldestDue: time.Hour}}
	for i, step := range []struct {
		after    time.Duration
		measured alert.Measurements
		want     string
	}{
		{0, alert.Measurements{}, "0 0 0, 0 firing"},
		{time.Minute, overdue, "1 0 0, 1 firing"},
		{time.Minute, longOverdue, "0 1 0, 1 firing"},
		{4 * time.Hour, longOverdue, "0 1 0, 1 firing"},
		{5 * time.Minute, alert.Measurements{}, "0 0 1, 0 firing"},
		{time.Minute, overdue, "1 0 0, 1 firing"},
	} {
		if got := r.evaluate(step.after, step.measured); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
	if got := r.queued(); got != "alert.firing alert.repeated alert.repeated alert.resolved alert.firing" {
		t.Errorf("queued %s", got)
	}
	all, err := r.List(t.Context(), false, 10)
	if err != nil || len(all) != 2 || all[0].ResolvedAt != nil || all[1].ResolvedAt == nil || all[1].Severity != alert.Critical {
		t.Errorf("%v %+v", err, all)
	}
	firing, err := r.List(t.Context(), true, 10)
	if err != nil || len(firing) != 1 || firing[0].ID != all[0].ID {
		t.Errorf("%v %+v", err, firing)
	}
	got, found, err := r.Get(t.Context(), all[0].ID)
	if err != nil || !found || got.Summary != all[0].Summary {
		t.Errorf("%v %v %+v", err, found, got)
	}
	if _, found, err := r.Get(t.Context(), uuid.New()); err != nil || found {
		t.Errorf("an unknown alert: %v %v", err, found)
	}
}

// TestMeasure stores the data of each rule and reads it.
func TestMeasure(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, err := r.Measure(t.Context())
	if err != nil || len(config.Read[alert.Config](config.FromMap(nil)).Findings(m)) != 0 {
		t.Fatalf("an empty database: %v %+v", err, m)
	}
	hour, minute := r.now.Truncate(time.Hour), r.now.Truncate(time.Minute)
	for _, row := range []struct {
		span     int
		at       time.Time
		endpoint string
		class, n int
	}{
		{60, minute.Add(-5 * time.Minute), "subscribe POST", 2, 90}, {60, minute, "subscribe POST", 5, 10}, // five whole minutes and the present one
		{60, minute.Add(-6 * time.Minute), "subscribe POST", 2, 20}, {60, minute.Add(-40 * time.Minute), "confirm GET", 5, 7},
		{300, r.now.Add(-2 * time.Minute), "subscribe POST", 2, 100}, {300, r.now.Add(-5 * time.Hour), "confirm GET", 4, 3},
		{60, r.now.Add(-time.Minute), "health GET", 5, 1000}, {3600, hour.Add(-70 * time.Hour), "confirm GET", 2, 1000},
		{3600, hour.Add(-80 * time.Hour), "confirm GET", 5, 1000},
	} {
		r.exec(`insert into request_stats values ($1, $2, $3, $4, false, 10, $5)`, row.span, row.at, row.endpoint, row.class, row.n)
	}
	for i := range 40 {
		r.ledger("subscription.requested", "confirmation_queued", r.now.Add(-time.Duration(i)*time.Minute/2))
		r.ledger("subscription.requested", []string{"activated", "dropped", "request_suppressed", "already_subscribed"}[i%4], r.now.Add(-5*time.Minute))
	}
	r.ledger("subscription.confirmed", "confirmed", r.now)
	r.ledger("subscription.confirmed", "confirmed", r.now.Add(-20*time.Minute))
	r.exec(`insert into outbox (id, kind, epoch, due_at, created_at, state, hold_reason) values
		(gen_random_uuid(), 'email.confirm', 0, $1, $1, 'ready', null), (gen_random_uuid(), 'email.confirm', 0, $1, $1, 'held', 'signup_burst'),
		(gen_random_uuid(), 'email.confirm', 0, $1, $1, 'held', 'disposable')`, r.now.Add(-10*time.Minute))
	r.exec(`insert into outbox (id, kind, due_at, created_at, state, finished_at) values (gen_random_uuid(), 'notify.slack', $1, $1, 'dead', $1)`, r.now)
	r.exec(`insert into pauses values (gen_random_uuid(), 'email', 'bounces', $1, null)`, r.now)
	r.exec(`insert into sending_breakers (id, network, reason, opened_at, half_open_at, openings, next_at) values
		(gen_random_uuid(), null, 'bounces', $1, $1, 1, $1), (gen_random_uuid(), '192.0.2.0/24', 'complaints', $1, $1, 1, $1)`, r.now.Add(time.Hour))
	r.exec(`insert into outbox (id, kind, due_at, deferred_until, created_at, waits_for)
		values (gen_random_uuid(), 'email.confirm', $1, $1, $1, 'breaker'), (gen_random_uuid(), 'none', $1, $1, $1, 'breaker')`, r.now.Add(time.Hour))
	r.exec(`insert into privacy_requests (id, kind, channel, subscriber_id, received_at, due_at)
		values (gen_random_uuid(), 'export', 'letter', gen_random_uuid(), $1, $2), (gen_random_uuid(), 'export', 'letter', gen_random_uuid(), $1, $3)`,
		r.now, r.now.AddDate(0, 0, 7), r.now.AddDate(0, 0, 20))
	for i, limiter := range []string{"local", "local", "redis", "local"} { // newest first
		r.exec(`insert into health_samples values ($1, 'warn', jsonb_build_object('limiter', $2::text))`, r.now.Add(-time.Duration(i)*time.Minute), limiter)
	}
	m, err = r.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for window, want := range map[time.Duration]alert.Counts{
		5 * time.Minute: {Requests: 100, Errors: 10}, 30 * time.Minute: {Requests: 120, Errors: 10}, time.Hour: {Requests: 127, Errors: 17},
		6 * time.Hour: {Requests: 103}, 72 * time.Hour: {Requests: 1000},
	} {
		if m.Requests[window] != want {
			t.Errorf("%v: %+v, want %+v", window, m.Requests[window], want)
		}
	}
	if m.LimiterDown != time.Minute || m.Requested != 30 || m.Confirmed != 1 || fmt.Sprint(m.Outbox.HeldByReason) != "map[disposable:1 signup_burst:1]" || m.EmailPaused != "bounces" || m.Outbox.OldestDue != 10*time.Minute ||
		!m.AllStopped || !strings.HasPrefix(m.Stopped, "Email to unproven mailboxes is stopped (all: bounces; sign-ups of a network: complaints); 1 wait. From ") ||
		m.Outbox.Ready != 3 || m.Outbox.Dead != 1 || m.PrivacyDue != 1 || !m.PrivacyDueAt.Equal(r.now.AddDate(0, 0, 7)) {
		t.Errorf("%+v", m)
	}
}

// TestPagesAreMeasured counts the sign-ups of a day by page, and the requests for a link by email.
func TestPagesAreMeasured(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	event := func(age time.Duration, kind, channel, source, data string) {
		r.exec(`insert into ledger_events (id, at, kind, actor, channel, request_id, source, data)
			values (gen_random_uuid(), $1, $2, 'visitor', $3, 'test', $4::text::jsonb, $5::text::jsonb)`, r.now.Add(-age), kind, channel, source, data)
	}
	const signUp, blog = "subscription.requested", `{"page":"https://example.org/blog/*"}`
	event(time.Hour, signUp, "form", blog, `{"cleaned":["locale","utm_term"],"reasons":["too_fast"]}`)
	event(time.Hour, signUp, "api", blog, `{"cleaned":["locale"]}`)
	event(time.Hour, signUp, "api", blog, `{}`)
	event(25*time.Hour, signUp, "api", blog, `{"cleaned":["page"]}`)
	event(time.Hour, signUp, "link", blog, `{"cleaned":["page"]}`) // not of a page
	event(time.Hour, signUp, "form", `{}`, `{"reasons":["too_fast"]}`)
	event(time.Hour, signUp, "form", `{"page":"other"}`, `{"reasons":["disposable"]}`)
	event(time.Hour, "link.requested", "form", `{}`, `{"purpose":"unsubscribe_link","cleaned":["started_at"]}`)
	event(time.Hour, "subscription.confirmed", "form", `{}`, `{"cleaned":["page"]}`)
	m, err := r.Measure(t.Context())
	want := []alert.PageRequests{
		{Name: "https://example.org/blog/*", Requests: 3, Cleaned: 2, TooFast: 1, Fields: []string{"locale", "utm_term"}},
		{Name: "unknown", Requests: 1, TooFast: 1, Fields: []string{}},
		{Name: "unsubscribe_link", Requests: 1, Cleaned: 1, Fields: []string{"started_at"}},
	}
	if err != nil || !reflect.DeepEqual(m.Pages, want) {
		t.Errorf("%+v, %v, want %+v", m.Pages, err, want)
	}
}

// TestUnknownMeasurements checks that alerts of unknown measurements do not change, and that other rules are evaluated.
func TestUnknownMeasurements(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(`insert into pauses values (gen_random_uuid(), 'email', 'bounces', $1, null)`, r.now)
	read := func(fails bool) alert.Measurements {
		t.Helper()
		m, err := r.Measure(t.Context())
		if (err != nil) != fails {
			t.Fatalf("%+v %v", m, err)
		}
		return m
	}
	if got := r.evaluate(0, read(false)); got != "1 0 0, 1 firing" {
		t.Error(got)
	}
	r.admin(`revoke select on pauses from app`)
	r.exec(`insert into outbox (id, kind, due_at, created_at, state, finished_at) values (gen_random_uuid(), 'notify.slack', $1, $1, 'dead', $1)`, r.now)
	m := read(true)
	if got := fmt.Sprint(m.Unknown); got != "[email_paused]" || m.Outbox.Dead != 1 {
		t.Errorf("unknown %s, %+v", got, m)
	}
	if got := r.evaluate(time.Hour, m); got != "2 0 0, 3 firing" { // the dead letter, and the unknown measurements
		t.Error(got)
	}
	r.admin(`grant select on pauses to app`)
	r.exec(`update pauses set resumed_at = now()`)
	r.exec(`delete from outbox where state = 'ready'`) // as deliver does
	if got := r.evaluate(5*time.Minute-time.Second, read(false)); got != "0 0 0, 3 firing" {
		t.Error(got)
	}
	if got := r.evaluate(time.Second, read(false)); got != "0 0 2, 1 firing" {
		t.Error(got)
	}
}

// delayed is a database that calls a function while an update waits for its turn.
type delayed struct {
	*postgres.DB
	wait func()
}

func (d delayed) Transact(ctx context.Context, lock int64, load func(*pgx.Batch), decide func(*pgx.Batch) error) error {
	return d.DB.Transact(ctx, lock, load, func(b *pgx.Batch) error {
		d.wait()
		return decide(b)
	})
}

// TestEvaluateReadsClockInItsTurn checks that an evaluation that waited is not before those that it waited for.
func TestEvaluateReadsClockInItsTurn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	began := r.now
	r.Store = alert.NewStore(delayed{r.db, func() { r.now = began.Add(time.Minute) }}, config.Read[alert.Config](config.FromMap(nil)), func() time.Time { return r.now })
	r.evaluate(0, alert.Measurements{Outbox: outbox.Depth{Dead: 1}})
	if got := r.rows(`select to_char(firing_since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') from alerts`); len(got) != 1 || got[0] != r.now.Format(time.RFC3339) {
		t.Errorf("firing since %v, want %s", got, r.now.Format(time.RFC3339))
	}
}
