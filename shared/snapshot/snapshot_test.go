package snapshot

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/fixtures/sqlcheck"
	"newsletter/internal/fixtures/testenv"
	"newsletter/shared/alert"
	"newsletter/shared/healthcheck"
	"newsletter/shared/postgres"
)

// rig is a database of the application's role, and its owner's connection to prepare it.
type rig struct {
	*testing.T
	db    *postgres.DB
	owner *pgx.Conn
	trips int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	database := testenv.Postgres(t)
	db := database.Pool(t)
	return &rig{T: t, db: db, owner: database.Conn(t)}
}

func (r *rig) exec(sql string, args ...any) {
	r.Helper()
	if _, err := r.owner.Exec(context.Background(), sql, args...); err != nil {
		r.Fatalf("%v: %s", err, sql)
	}
}

// Batch counts the round trips.
func (r *rig) Batch(ctx context.Context, queue func(*pgx.Batch)) error {
	r.trips++
	return r.db.Batch(ctx, queue)
}

func (r *rig) read(reader *Reader) Snapshot {
	r.Helper()
	s, err := reader.Read(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	return s
}

func TestStatementsAreSound(t *testing.T) {
	t.Parallel()
	sqlcheck.Prepare(t, newRig(t).owner, ".")
}

func TestAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.read(NewReader(r, time.Now))
	if !s.Health.At.IsZero() || len(s.Routes) != 0 || s.SignUps.Requested.Sum() != 0 || len(s.Deliveries.Destinations) != 0 || len(s.Alerts.Firing) != 0 {
		t.Errorf("%+v", s)
	}
	if s.Status(time.Now()) != healthcheck.Fail {
		t.Error("it is well, although health has never looked")
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	now := time.Now().UTC().Truncate(slot).Add(2 * time.Minute) // in a slot's middle
	at := func(ago time.Duration) time.Time { return now.Add(-ago) }

	figures := `{"limiter":"redis","memory_percent":12.5,"checks":{"outbox":"warn","redis":"pass"},"took_ms":{"outbox":3,"redis":1},"outbox":{"ready":%d,"held":0,"dead":0,"overdue_s":%d.9}}`
	for i, minutes := range []int{1, 2, 3, 9, 70} {
		r.exec(`insert into health_samples values ($1, 'warn', $2)`, at(time.Duration(minutes)*time.Minute), fmt.Sprintf(figures, 10*i, i))
	}
	ms := functiontest.Bucket
	stats := func(ago time.Duration, endpoint string, class int, cold bool, took time.Duration, n int) {
		r.exec(`insert into request_stats values (300, $1, $2, $3, $4, $5, $6)`, at(ago).Truncate(slot), endpoint, class, cold, ms(took), n)
	}
	stats(0, "subscribe POST", 2, false, 10*time.Millisecond, 90)
	stats(0, "subscribe POST", 5, false, 100*time.Millisecond, 10)
	stats(10*time.Minute, "subscribe POST", 2, false, 10*time.Millisecond, 50)
	stats(10*time.Minute, "subscribe POST", 5, true, 900*time.Millisecond, 5) // errors count, but not as speed
	stats(65*time.Minute, "subscribe POST", 2, false, time.Second, 1000)
	stats(5*time.Minute, "confirm GET", 2, false, 2*time.Millisecond, 7)
	for week := 1; week <= 3; week++ {
		r.exec(`insert into request_stats values (3600, $1, 'subscribe POST', 2, false, $2, 60)`, now.Truncate(time.Hour).AddDate(0, 0, -7*week), ms(20*time.Millisecond))
	}
	for kind, agos := range map[string][]time.Duration{
		"subscription.requested": {0, time.Minute, 4 * time.Minute, 50 * time.Minute, 2 * time.Hour}, "subscription.confirmed": {time.Minute}, "subscription.expired": {0},
	} {
		for _, ago := range agos {
			r.exec(`insert into ledger_events (id, at, kind, actor, channel, request_id) values (gen_random_uuid(), $1, $2, 'system', 'test', 'test')`, at(ago), kind)
		}
	}
	outbox := func(kind, state string, attempts int, outcome string, ago time.Duration) {
		r.exec(`insert into outbox (id, kind, state, hold_reason, attempts, outcome, due_at, created_at, finished_at) values
			(gen_random_uuid(), $1, $2, case when $2 = 'held' then 'signup_burst' end, $3, nullif($4, ''), $5, $5, case when $2 in ('done', 'dead') then $5::timestamptz end)`,
			kind, state, attempts, outcome, at(ago))
	}
	outbox("email.confirm", "done", 1, "sent", time.Minute)
	outbox("email.unsubscribe_link", "done", 1, "sent", 2*time.Minute)
	outbox("email.confirm", "done", 1, "sent", 2*time.Hour)
	outbox("none", "done", 1, "none", time.Minute)
	outbox("email.confirm", "ready", 0, "", 30*time.Second)
	outbox("email.confirm", "held", 0, "", time.Minute)
	outbox("notify.slack", "dead", 8, "gone", time.Minute)
	outbox("alert.firing.slack", "done", 1, "notified", 3*time.Minute)
	outbox("notify.loops", "ready", 2, "timeout", -time.Minute)
	outbox("notify.loops", "ready", 1, "", -time.Minute)         // under way
	outbox("notify.loops", "ready", 1, "released", -time.Minute) // by the owner, and under way
	r.exec(`insert into pauses (id, destination, reason, at) values (gen_random_uuid(), 'email', 'bounces', $1)`, at(time.Hour))
	alerts := func(rule, level string, opened time.Duration, closed any) {
		r.exec(`insert into alerts (id, rule, subject, severity, summary, firing_since, last_found_at, resolved_at) values (gen_random_uuid(), $1, '', $2, 'so it is', $3, $3, $4)`, rule, level, at(opened), closed)
	}
	alerts("dead_letters", "warning", 3*time.Hour, nil)
	alerts("bombing", "critical", time.Hour, nil)
	for i, rule := range []string{"limiter", "signup_burst", "outbox_age", "bounces"} {
		alerts(rule, "warning", time.Duration(i+2)*time.Hour, at(time.Duration(4-i)*10*time.Minute))
	}

	reader := NewReader(r, func() time.Time { return now })
	s := r.read(reader)
	if h := s.Health; h.At.Sub(at(time.Minute)).Abs() > time.Millisecond || h.Status != healthcheck.Warn || h.Checks["outbox"] != healthcheck.Warn || h.Limiter != "redis" || h.Memory != 12.5 || h.TookMS["redis"] != 1 || h.Every != time.Minute ||
		h.Ready[Slots-1] != 10 || h.Ready[Slots-3] != 30 || h.Overdue[Slots-1] != 1 || !math.IsNaN(h.Ready[0]) {
		t.Errorf("health %+v", h)
	}
	if len(s.Routes) != 2 || s.Routes[0].Name != "confirm GET" || s.Routes[0].Requests != 7 {
		t.Fatalf("routes %+v", s.Routes)
	}
	near := func(got time.Duration, want time.Duration) bool { return got > want*9/10 && got < want*11/10 } // a bucket is 9 % wide
	if f := s.Routes[1]; f.Requests != 155 || f.Errors != 15 || !near(f.P50, 10*time.Millisecond) || !near(f.P99, 100*time.Millisecond) ||
		f.Counts[Slots-1] != 100 || f.Counts[Slots-3] != 55 || f.Counts[0] != 0 || !near(time.Duration(f.Slowest[Slots-1]), 100*time.Millisecond) || !math.IsNaN(f.Slowest[Slots-2]) ||
		f.Usual.Weeks != 3 || !near(f.Usual.Median, 20*time.Millisecond) {
		t.Errorf("subscribe %+v", f)
	}
	if u := s.SignUps; u.Requested.Sum() != 4 || u.Requested[Slots-1] != 2 || u.Requested[Slots-2] != 1 || u.Confirmed.Sum() != 1 || u.Unsubscribed.Sum() != 0 || u.Capped {
		t.Errorf("sign-ups %+v", u)
	}
	if d := s.Depth; d.Ready != 4 || d.Held != 1 || d.Dead != 1 || d.OldestDue.Round(time.Second) != 30*time.Second {
		t.Errorf("outbox %+v", d)
	}
	ways := s.Deliveries.Destinations
	if len(ways) != 3 || ways["email"].Delivered != 2 || !ways["email"].LastDelivered.Equal(at(time.Minute)) || *ways["slack"] != (Destination{1, 1, 0, ways["slack"].LastDelivered}) || *ways["loops"] != (Destination{Retrying: 1}) {
		t.Errorf("deliveries %+v %+v %+v", ways["email"], ways["slack"], ways["loops"])
	}
	if p := s.Deliveries.Pauses; len(p) != 1 || p[0].Destination != "email" {
		t.Errorf("pauses %+v", p)
	}
	if a := s.Alerts; len(a.Firing) != 2 || a.Firing[0].Rule != alert.Bombing || a.Firing[1].Rule != alert.DeadLetters || len(a.Resolved) != 3 || a.Resolved[0].Rule != "bounces" || a.Resolved[2].Rule != "signup_burst" {
		t.Errorf("alerts %+v", a)
	}

	if r.read(reader); r.trips != 2 {
		t.Errorf("%d round trips for two looks", r.trips)
	}
	if reader.now = func() time.Time { return now.Add(time.Hour) }; r.read(reader).Routes != nil && r.read(reader).Routes[0].Usual.Weeks != 0 {
		t.Error("the usual speed of another hour")
	}
}

// TestAnAttackIsCountedToABound: what is older than the latest hundred thousand events is unknown, also in JSON.
func TestAnAttackIsCountedToABound(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	now := time.Now().UTC().Truncate(slot).Add(2 * time.Minute)
	r.exec(`insert into ledger_events (id, at, kind, actor, channel, request_id)
		select gen_random_uuid(), $1::timestamptz - make_interval(secs => i * 0.012), 'subscription.requested', 'visitor', 'test', 'test' from generate_series(0, 110000) as i`, now)
	r.exec(`insert into outbox (id, kind, state, due_at, created_at, finished_at)
		select gen_random_uuid(), 'email.confirm', 'done', now(), now(), $1::timestamptz - make_interval(secs => i * 0.05) from generate_series(0, 30000) as i`, now)
	s := r.read(NewReader(r, func() time.Time { return now }))
	if d := s.Deliveries; !d.Capped || d.Destinations["email"].Delivered != MaxDeliveries {
		t.Errorf("%+v", d)
	}
	if u := s.SignUps; !u.Capped || !math.IsNaN(u.Requested[0]) || u.Requested[Slots-2] != 25000 || u.Requested.Sum() >= maxEvents {
		t.Errorf("%+v", u)
	}
	var again Snapshot // unknown values have no number in JSON
	if text, err := json.Marshal(s); err != nil || json.Unmarshal(text, &again) != nil || !math.IsNaN(again.SignUps.Requested[0]) || again.SignUps.Requested[Slots-2] != 25000 {
		t.Errorf("%v: %+v", err, again.SignUps)
	}
}

var scan = regexp.MustCompile(`Seq Scan on (\w+)`)

// TestNoTableIsReadWhole: in a database that has grown, every statement finds its rows by an index.
func TestNoTableIsReadWhole(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(`insert into ledger_events (id, at, kind, actor, channel, request_id)
		select gen_random_uuid(), now() - make_interval(secs => i * 10), 'subscription.requested', 'visitor', 'test', 'test' from generate_series(1, 50000) as i`)
	r.exec(`insert into outbox (id, kind, state, due_at, created_at, finished_at)
		select gen_random_uuid(), 'email.confirm', case when i % 50 = 0 then 'ready' else 'done' end, now() - make_interval(secs => i * 10), now(), case when i % 50 > 0 then now() - make_interval(secs => i * 10) end
		from generate_series(1, 50000) as i`)
	r.exec(`insert into health_samples select now() - make_interval(mins => i), 'pass', '{"outbox":{"ready":1,"overdue_s":0}}' from generate_series(1, 50000) as i`)
	r.exec(`insert into request_stats select 300, date_trunc('hour', now()) - make_interval(mins => 5 * i), 'subscribe POST', 2, false, bucket, 1 from generate_series(1, 5000) as i, generate_series(1, 10) as bucket`)
	r.exec(`insert into alerts (id, rule, subject, severity, summary, firing_since, last_found_at, resolved_at)
		select gen_random_uuid(), 'slower', i::text, 'warning', '', now() - make_interval(mins => i), now(), case when i > 3 then now() end from generate_series(1, 20000) as i`)
	r.exec(`insert into pauses (id, destination, reason, at, resumed_at) select gen_random_uuid(), 'email', '', now(), case when i > 1 then now() end from generate_series(1, 20000) as i`)
	r.exec(`analyze`)
	plans := &explained{rig: r}
	if _, err := NewReader(plans, time.Now).Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if plans.statements < 10 {
		t.Errorf("%d statements", plans.statements)
	}
}

// explained is a database that explains each statement instead of running it, and returns no rows.
type explained struct {
	*rig
	statements int
}

// Batch implements database.
func (e *explained) Batch(ctx context.Context, queue func(*pgx.Batch)) error {
	e.Helper()
	var b pgx.Batch
	queue(&b)
	for _, query := range b.QueuedQueries {
		e.statements++
		rows, err := e.owner.Query(ctx, "explain "+query.SQL, query.Arguments...)
		if err != nil {
			return fmt.Errorf("%w: %s", err, query.SQL)
		}
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("%w: %s", err, query.SQL)
		}
		if found := scan.FindStringSubmatch(strings.Join(plan, "\n")); found != nil {
			e.Errorf("%s is read whole by %s\n%s", found[1], query.SQL, strings.Join(plan, "\n"))
		}
	}
	return nil
}
