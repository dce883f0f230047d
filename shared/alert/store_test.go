package alert_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/testenv"
	"newsletter/shared/alert"
	"newsletter/shared/config"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
)

// rig is a store over a database of the test's own, with a clock that the test moves.
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
	db, err := postgres.New(t.Context(), postgres.Config{URL: config.Seal(database.AppURL), CAFile: database.CAFile})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
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

// evaluate moves the clock and evaluates; it gives what changed as "opened 1, open 1".
func (r *rig) evaluate(after time.Duration, f alert.Figures) string {
	r.t.Helper()
	r.now = r.now.Add(after)
	c, err := r.Evaluate(r.t.Context(), f)
	if err != nil {
		r.t.Fatal(err)
	}
	return fmt.Sprintf("%d %d %d, %d open", len(c.Opened), len(c.Reminded), len(c.Closed), len(c.Open))
}

func (r *rig) ledger(kind, outcome string, at time.Time) {
	r.t.Helper()
	r.exec(`insert into ledger_events (id, at, kind, actor, channel, request_id, data)
		values (gen_random_uuid(), $1, $2, 'visitor', 'form', 'test', jsonb_build_object('outcome', $3::text))`, at, kind, outcome)
}

func (r *rig) told() string {
	r.t.Helper()
	return strings.Join(r.rows(`select kind from outbox where event_id is not null and subscriber_id is null order by id`), " ")
}

// TestTheCourseOfAnAlert: it is told when it begins, every four hours, when it gets worse, and when it is over; what comes
// and goes within five minutes is one.
func TestTheCourseOfAnAlert(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	late, later := alert.Figures{Outbox: outbox.Depth{OldestDue: 6 * time.Minute}}, alert.Figures{Outbox: outbox.Depth{OldestDue: time.Hour}}
	for i, step := range []struct {
		after   time.Duration
		figures alert.Figures
		want    string
	}{
		{0, alert.Figures{}, "0 0 0, 0 open"},
		{time.Minute, late, "1 0 0, 1 open"},
		{time.Minute, late, "0 0 0, 1 open"},
		{time.Minute, alert.Figures{}, "0 0 0, 1 open"},
		{time.Minute, late, "0 0 0, 1 open"},
		{time.Minute, later, "0 1 0, 1 open"}, // a warning became an alarm
		{4*time.Hour - time.Second, later, "0 0 0, 1 open"},
		{time.Second, later, "0 1 0, 1 open"},
		{5*time.Minute - time.Second, alert.Figures{}, "0 0 0, 1 open"},
		{time.Second, alert.Figures{}, "0 0 1, 0 open"},
		{time.Minute, late, "1 0 0, 1 open"}, // another one
	} {
		if got := r.evaluate(step.after, step.figures); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
	if got := r.told(); got != "alert.firing alert.repeated alert.repeated alert.resolved alert.firing" {
		t.Errorf("told %s", got)
	}
	all, err := r.List(t.Context(), false, 10)
	if err != nil || len(all) != 2 || all[0].ClosedAt != nil || all[1].ClosedAt == nil || all[1].Level != alert.Alarm {
		t.Errorf("%v %+v", err, all)
	}
	if title := all[1].Title(alert.Closed); title != "Over: Emails and messages are not delivered" {
		t.Error(title)
	}
	if text := strings.Join(all[1].Lines(alert.Closed), "\n"); !strings.Contains(text, "It lasted 4 hours") {
		t.Error(text)
	}
	if text := strings.Join(all[0].Lines(alert.Opened), "\n"); !strings.Contains(text, "waiting for 6 minutes") || !strings.Contains(text, "What to do") {
		t.Error(text)
	}
	got, found, err := r.Get(t.Context(), all[0].ID)
	if err != nil || !found || got.Summary != all[0].Summary {
		t.Errorf("%v %v %+v", err, found, got)
	}
}

// TestALevelThatSwingsIsToldOnce: an alarm stays one until it is over.
func TestALevelThatSwingsIsToldOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 20 {
		age := 29 * time.Minute
		if i%2 == 1 {
			age = 31 * time.Minute
		}
		r.evaluate(time.Minute, alert.Figures{Outbox: outbox.Depth{OldestDue: age}})
	}
	if got := r.told(); got != "alert.firing alert.repeated" {
		t.Errorf("told %s", got)
	}
}

// TestManyEvaluatorsOpenAnAlertOnce: pings overlap.
func TestManyEvaluatorsOpenAnAlertOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := r.Evaluate(t.Context(), alert.Figures{Outbox: outbox.Depth{Dead: 1}, Failing: []string{"memory"}}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := r.told(); got != "alert.firing alert.firing" {
		t.Errorf("told %s", got)
	}
}

// TestTheFiguresOfTheDatabase puts each kind of trouble into the database and reads it.
func TestTheFiguresOfTheDatabase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f, err := r.Read(t.Context())
	if err != nil || len(alert.Evaluate(config.Read[alert.Config](config.FromMap(nil)), f)) != 0 {
		t.Fatalf("an empty database: %v %+v", err, f)
	}
	hour, minute := r.now.Truncate(time.Hour), r.now.Truncate(time.Minute)
	for _, row := range []struct {
		span     int
		at       time.Time
		endpoint string
		class, n int
	}{
		{60, minute.Add(-5 * time.Minute), "subscribe POST", 2, 90}, {60, minute, "subscribe POST", 5, 10}, // five whole ones and this one
		{60, minute.Add(-6 * time.Minute), "subscribe POST", 2, 20}, {60, minute.Add(-40 * time.Minute), "confirm GET", 5, 7},
		{300, r.now.Add(-2 * time.Minute), "subscribe POST", 2, 100}, {300, r.now.Add(-5 * time.Hour), "confirm GET", 4, 3},
		{60, r.now.Add(-time.Minute), "health GET", 5, 1000}, {3600, hour.Add(-70 * time.Hour), "confirm GET", 2, 1000},
		{3600, hour.Add(-80 * time.Hour), "confirm GET", 5, 1000},
	} {
		r.exec(`insert into request_stats values ($1, $2, $3, $4, false, 10, $5)`, row.span, row.at, row.endpoint, row.class, row.n)
	}
	for i := range 40 {
		r.ledger("subscription.requested", []string{"confirmation_queued", "confirmation_over_budget"}[i%2], r.now.Add(-time.Duration(i)*time.Minute/2))
		r.ledger("subscription.requested", []string{"activated", "dropped", "request_suppressed", "already_subscribed"}[i%4], r.now.Add(-5*time.Minute))
	}
	r.ledger("subscription.confirmed", "confirmed", r.now)
	r.ledger("subscription.confirmed", "confirmed", r.now.Add(-20*time.Minute))
	r.exec(`insert into outbox (id, kind, epoch, due_at, created_at, state, hold_reason) values
		(gen_random_uuid(), 'email.confirm', 0, $1, $1, 'ready', null), (gen_random_uuid(), 'email.confirm', 0, $1, $1, 'held', 'signup_burst'),
		(gen_random_uuid(), 'email.confirm', 0, $1, $1, 'held', 'disposable')`, r.now.Add(-10*time.Minute))
	r.exec(`insert into outbox (id, kind, due_at, created_at, state, finished_at) values (gen_random_uuid(), 'notify.slack', $1, $1, 'dead', $1)`, r.now)
	r.exec(`insert into pauses values (gen_random_uuid(), 'email', 'bounces', $1, null)`, r.now)
	r.exec(`insert into privacy_requests (id, kind, channel, subscriber_id, received_at, due_at)
		values (gen_random_uuid(), 'export', 'letter', gen_random_uuid(), $1, $2), (gen_random_uuid(), 'export', 'letter', gen_random_uuid(), $1, $3)`,
		r.now, r.now.AddDate(0, 0, 7), r.now.AddDate(0, 0, 20))
	for i, limiter := range []string{"local", "local", "redis", "local"} { // newest first
		r.exec(`insert into health_samples values ($1, 'warn', jsonb_build_object('limiter', $2::text))`, r.now.Add(-time.Duration(i)*time.Minute), limiter)
	}
	f, err = r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for window, want := range map[time.Duration]alert.Counts{
		5 * time.Minute: {Requests: 100, Errors: 10}, 30 * time.Minute: {Requests: 120, Errors: 10}, time.Hour: {Requests: 127, Errors: 17},
		6 * time.Hour: {Requests: 103}, 72 * time.Hour: {Requests: 1000},
	} {
		if f.Requests[window] != want {
			t.Errorf("%v: %+v, want %+v", window, f.Requests[window], want)
		}
	}
	if f.LimiterDown != time.Minute || f.Asked != 30 || f.Confirmed != 1 || fmt.Sprint(f.Outbox.HeldByReason) != "map[disposable:1 signup_burst:1]" || f.MailPaused != "bounces" || f.Outbox.OldestDue != 10*time.Minute ||
		f.Outbox.Ready != 1 || f.Outbox.Dead != 1 || f.PrivacyDue != 1 || !f.PrivacyDueAt.Equal(r.now.AddDate(0, 0, 7)) {
		t.Errorf("%+v", f)
	}
}

// TestWhatCannotBeReadLeavesItsAlertsAsTheyAre, however long that lasts, and all else is judged.
func TestWhatCannotBeReadLeavesItsAlertsAsTheyAre(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(`insert into pauses values (gen_random_uuid(), 'email', 'bounces', $1, null)`, r.now)
	read := func(fails bool) alert.Figures {
		t.Helper()
		f, err := r.Read(t.Context())
		if (err != nil) != fails {
			t.Fatalf("%+v %v", f, err)
		}
		return f
	}
	if got := r.evaluate(0, read(false)); got != "1 0 0, 1 open" {
		t.Error(got)
	}
	r.admin(`revoke select on pauses from app`)
	r.exec(`insert into outbox (id, kind, due_at, created_at, state, finished_at) values (gen_random_uuid(), 'notify.slack', $1, $1, 'dead', $1)`, r.now)
	f := read(true)
	if got := fmt.Sprint(f.Unknown); got != "[mail_paused]" || f.Outbox.Dead != 1 {
		t.Errorf("unknown %s, %+v", got, f)
	}
	if got := r.evaluate(time.Hour, f); got != "2 0 0, 3 open" { // the dead letter, and that something cannot be read
		t.Error(got)
	}
	r.admin(`grant select on pauses to app`)
	r.exec(`update pauses set resumed_at = now()`)
	r.exec(`delete from outbox where state = 'ready'`) // as deliver does
	if got := r.evaluate(5*time.Minute-time.Second, read(false)); got != "0 0 0, 3 open" {
		t.Error(got)
	}
	if got := r.evaluate(time.Second, read(false)); got != "0 0 2, 1 open" {
		t.Error(got)
	}
}

// late is a database that gives an evaluation its turn after a while.
type late struct {
	*postgres.DB
	wait func()
}

func (l late) Transact(ctx context.Context, lock int64, load func(*pgx.Batch), decide func(*pgx.Batch) error) error {
	return l.DB.Transact(ctx, lock, load, func(b *pgx.Batch) error {
		l.wait()
		return decide(b)
	})
}

// TestAnEvaluationThatWaited records the time of its turn, which is not before what another one has written meanwhile.
func TestAnEvaluationThatWaited(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	began := r.now
	r.Store = alert.NewStore(late{r.db, func() { r.now = began.Add(time.Minute) }}, config.Read[alert.Config](config.FromMap(nil)), func() time.Time { return r.now })
	r.evaluate(0, alert.Figures{Outbox: outbox.Depth{Dead: 1}})
	if got := r.rows(`select to_char(firing_since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') from alerts`); len(got) != 1 || got[0] != r.now.Format(time.RFC3339) {
		t.Errorf("opened at %v, want %s", got, r.now.Format(time.RFC3339))
	}
}
