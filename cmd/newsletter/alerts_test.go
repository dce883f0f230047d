package main

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/local/devstack"
)

// deadLetter inserts a dead-lettered message.
const deadLetter = `insert into outbox (id, kind, due_at, created_at, state, finished_at) values (gen_random_uuid(), 'notify.slack', now(), now(), 'dead', now())`

// execute runs a statement in the database of a running local system, as its owner.
func execute(t *testing.T, dir, sql string) {
	t.Helper()
	state, err := devstack.ReadState(dir)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), strings.Trim(strings.TrimPrefix(state.Psql, "psql "), "'"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// query reads one text from the database of a running local system.
func query(t *testing.T, dir, sql string) (text string) {
	t.Helper()
	state, err := devstack.ReadState(dir)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), strings.Trim(strings.TrimPrefix(state.Psql, "psql "), "'"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// TestHealthAndAlerts checks that a dead letter in the local system appears in health and alerts.
func TestHealthAndAlerts(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	startDev(t, path, dir)
	c := console{t, path, dir}
	c.expect(0, "limiter", "", "health")
	c.expect(0, `"checks"`, "", "health", "--json")
	_, output := c.run("", "health")
	for _, check := range []string{"postgres", "migrations", "redis", "pool", "memory", "outbox", "integrations"} {
		if !strings.Contains(output, check) {
			t.Errorf("no check %s: %s", check, output)
		}
	}
	if strings.Contains(output, "postgres://") || strings.Contains(output, "password") {
		t.Errorf("a secret: %s", output)
	}
	c.expect(0, "[]", "", "alerts", "list", "--json")
	c.expect(0, "No alerts", "", "alerts", "list")
	c.expect(0, "No requests yet", "", "perf")
	execute(t, dir, deadLetter)
	c.expect(0, "1 delivery is dead-lettered", "", "health")
	c.expect(1, "warn", "", "health", "--strict")
	c.expect(1, "dead_letters", "", "alerts", "list")
	c.expect(1, `"rule": "dead_letters"`, "", "alerts", "list", "--all", "--json")
	for _, wrong := range [][]string{{"health", "now"}, {"alerts"}, {"alerts", "list", "x"}, {"perf", "x"}, {"perf", "--target", "0s"}} {
		c.expect(2, "", "", wrong...)
	}
}
