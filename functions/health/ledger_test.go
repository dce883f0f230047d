package main

import (
	"fmt"
	"strings"
	"testing"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/fixtures/testenv"
	"newsletter/migrations"
	"newsletter/shared/alert"
	"newsletter/shared/config"
	"newsletter/shared/healthcheck"
	"newsletter/shared/ledger"
)

// TestLedgerAlerts checks that late seals, late anchors, and a verification that is late or found a difference fire an
// alert, and that nothing written by the functions' role hides them.
func TestLedgerAlerts(t *testing.T) {
	t.Parallel()
	if c := config.Read[alert.Config](config.FromMap(nil)); c.SealMax != ledger.Overdue {
		t.Errorf("the alert fires after %s, and the verification expects seals within %s", c.SealMax, ledger.Overdue)
	}
	b := functiontest.New(t)
	f := b.Open(open)
	const (
		event = `insert into ledger_events (id, at, kind, actor, channel, request_id)
			select gen_random_uuid(), now() - $1::interval, 'subscription.requested', 'visitor', 'form', 'r'`
		seal = `insert into ledger_seals (id, from_at, to_at, events, digest, previous, hash, created_at, anchored_at)
			select gen_random_uuid(), '2020-01-01', now() - $1::interval, 1, sha256('d'), sha256($2::bytea), sha256($2::bytea), now(), case when $3 then now() end`
		verified = `insert into maintenance (task, at, problems) values ('verification', now() - $1::interval, $2)`
		seals    = "ledger/seals warning"
		anchors  = "ledger/anchors warning"
		late     = "ledger/verification warning"
		differs  = "ledger/verification critical"
	)
	for name, test := range map[string]struct {
		events   []string // ages
		seals    []string // ages of their ends; with "unanchored" before them, they are not anchored
		verified string   // age
		problems int
		want     string
	}{
		"new installation":             {},
		"young events":                 {events: []string{"179 minutes"}},
		"never sealed":                 {events: []string{"181 minutes"}, want: seals},
		"sealed":                       {events: []string{"5 hours", "1 hour"}, seals: []string{"4 hours"}},
		"sealing stopped":              {events: []string{"5 hours", "181 minutes"}, seals: []string{"4 hours"}, want: seals},
		"a seal of the far future":     {events: []string{"181 minutes"}, seals: []string{"-100 years"}, want: seals},
		"not anchored for 179 minutes": {seals: []string{"4 hours", "unanchored 179 minutes"}},
		"not anchored for 181 minutes": {seals: []string{"2 hours", "unanchored 181 minutes"}, want: anchors},
		"verified":                     {seals: []string{"100 hours", "1 hour"}, verified: "26 hours"},
		"not verified for long":        {seals: []string{"100 hours", "1 hour"}, verified: "28 hours", want: late},
		"never verified":               {seals: []string{"28 hours", "1 hour"}, want: late},
		"differences":                  {verified: "1 hour", problems: 2, want: differs},
		"old differences":              {verified: "90 hours", problems: 2, want: differs},
	} {
		for _, table := range []string{"alerts", "outbox", "maintenance", "ledger_seals", "ledger_events"} {
			b.Exec("delete from " + table)
		}
		for _, age := range test.events {
			b.Exec(event, age)
		}
		for i, age := range test.seals {
			end, unanchored := strings.CutPrefix(age, "unanchored ")
			b.Exec(seal, end, fmt.Sprint(i), !unanchored)
		}
		if test.verified != "" {
			b.Exec(verified, test.verified, test.problems)
		}
		if got := firing(run(t, f)); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestRoleAlerts lets the functions' role do to itself what PostgreSQL cannot forbid, and wants an alert. The role is that
// of a server of its own, as on RDS.
func TestRoleAlerts(t *testing.T) {
	t.Parallel()
	b, db := functiontest.New(t), testenv.RDS(t)
	runner, err := migrations.New(migrations.Config{
		URL: config.Seal(db.MasterURL), CAFile: db.CAFile, AppUser: testenv.AppUser,
		AppPassword: config.Seal(db.AppPassword), KeeperPassword: config.Seal(db.KeeperPassword),
	})
	if err != nil {
		t.Fatal(err)
	}
	up := func() {
		t.Helper()
		if result, err := runner.Up(t.Context()); err != nil || len(result.Warnings) != 0 {
			t.Fatalf("%+v %v", result, err)
		}
	}
	up()
	b.Variables["DATABASE_URL"], b.Variables["TLS_CA_FILE"] = db.AppURL, db.CAFile
	f, app, admin := b.Open(open), db.AppConn(t), db.Conn(t)
	const changed = "role/app critical"
	for _, step := range []struct{ sql, undo, want string }{
		{"select", "", ""},
		{"alter role app set statement_timeout = 0", "alter role app set statement_timeout = '3s'", changed},
		{"alter role app set lock_timeout = '2s'", "alter role app set lock_timeout = '1s'", changed},
		{"alter role app reset idle_in_transaction_session_timeout", "alter role app set idle_in_transaction_session_timeout = '5s'", changed},
		{"alter role app set search_path = evil, public", "alter role app reset search_path", changed},
		{"select lo_from_bytea(4711, 'kept for ever')", "select lo_unlink(4711)", changed},
	} {
		if _, err := app.Exec(t.Context(), step.sql); err != nil {
			t.Errorf("%s: %v", step.sql, err)
		}
		if got := firing(run(t, f)); got != step.want {
			t.Errorf("%s: %q, want %q", step.sql, got, step.want)
		}
		for _, sql := range []string{step.undo, "delete from alerts"} {
			if _, err := admin.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := app.Exec(t.Context(), "alter role app set statement_timeout = 0"); err != nil {
		t.Fatal(err)
	}
	up() // restores it
	if got := firing(run(t, f)); got != "" {
		t.Errorf("after the migration: %q", got)
	}
	// A new password locks the functions out: the next connection of health fails.
	if _, err := app.Exec(t.Context(), "alter role app password 'another'"); err != nil {
		t.Fatal(err)
	}
	if d := run(t, b.Open(open)); d.StatusOf("postgres") != healthcheck.Fail {
		t.Errorf("%+v", d.Checks["postgres"])
	}
}
