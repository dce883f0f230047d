package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestDestinationPause checks that only existing destinations are paused, that each command prints its result, that the
// ledger records only changes, and that health warns while a destination is paused, publicly and to the operator.
func TestDestinationPause(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	dev := startDev(t, path, dir)
	c := console{t, path, dir}
	c.refuse("known: discord, email, ga4, journal, loops, slack, sns, webhook-", "destination", "pause", "emails")
	c.refuse(`unknown destination "nothing"`, "destination", "resume", "nothing")
	c.refuse("one word", "destination", "pause", "--reason", "jane@example.org complained", "email")
	c.expect(1, "", "", "destination", "resume", "email")
	c.ledger("destination.%", "")

	c.expect(0, "paused email (operator)\n", "", "destination", "pause", "email")
	c.expect(0, "email is already paused (operator), since ", "", "destination", "pause", "--reason", "attack", "email")
	c.expect(0, "all email is paused (operator)", "", "health")
	c.expect(1, "outbox", "", "health", "--strict")
	c.expect(0, "WARN  health ran", "", "monitor", "--once")
	if status, body := dev.health(t); status != http.StatusOK || !strings.Contains(body, `"status":"warn"`) || !strings.Contains(body, `"outbox":[{"status":"warn"}]`) {
		t.Errorf("%d %s", status, body)
	}
	c.expect(0, "resumed email\n", "", "destination", "resume", "email")
	c.expect(1, "", "", "destination", "resume", "email")
	c.expect(0, "paused slack (attack)\n", "", "destination", "pause", "--reason", "attack", "slack")
	c.expect(1, "paused: slack (attack)", "", "health", "--strict")
	c.expect(0, "resumed slack\n", "", "destination", "resume", "slack")
	c.ledger("destination.%", "destination.paused email,destination.resumed email,destination.paused slack,destination.resumed slack")

	execute(t, dir, `insert into outbox (id, kind, due_at, created_at, state, finished_at, outcome) values (gen_random_uuid(), 'alert.firing.webhook-00c0ffee', now(), now(), 'done', now(), 'warned')`)
	c.expect(0, "paused webhook-00c0ffee", "", "destination", "pause", "webhook-00c0ffee") // the outbox knows it
	c.refuse("webhook-00c0ffee", "destination", "pause", "webhook-00c0ffef")
}

// ledger compares the events whose kind matches a pattern, with their destinations and in their order.
func (c console) ledger(kinds, want string) {
	c.Helper()
	if got := query(c.T, c.dir, `select coalesce(string_agg(kind || ' ' || (data ->> 'purpose'), ',' order by at, id), '') from ledger_events where kind like '`+kinds+`'`); got != want {
		c.Errorf("ledger %q, want %q", got, want)
	}
}

// health requests the public route, after the cached response has expired.
func (r *running) health(t *testing.T) (status int, body string) {
	t.Helper()
	time.Sleep(6 * time.Second) // a response is cached for five
	response, err := http.Get(r.url + "/api/health")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// TestUnknownResultsFail checks that the tool exits with 1 if it could not read or print the result.
func TestUnknownResultsFail(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	startDev(t, path, dir)
	c := console{t, path, dir}
	c.expect(0, "pass", "", "health")
	c.expect(0, "No alerts", "", "alerts", "list")
	execute(t, dir, `insert into request_stats values (3600, date_trunc('hour', now()), 'subscribe POST', 2, false, 30, 5)`)
	c.expect(0, "subscribe POST", "", "perf", "--endpoint", "subscribe POST")
	c.refuse("known: ", "perf", "--endpoint", "subscribe")

	if _, err := os.Stat("/dev/full"); err == nil { // Linux has it
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = full.Close() }()
		for _, args := range []string{
			"help", "consent --help", "export --help", "health", "alerts list", "perf", "monitor --once", "ledger verify", "ledger verify --json", "destination list", "outbox list", "hold list",
			"suppression list", "consent list", "consent current", "privacy list", "export", "destination pause email", "destination resume email",
		} {
			cmd := exec.CommandContext(t.Context(), path, strings.Fields(args)...)
			cmd.Env = append(os.Environ(), "LOCAL_DIR="+dir)
			cmd.Stdout = full
			_ = cmd.Run() // the status says it
			if status := cmd.ProcessState.ExitCode(); status != 1 {
				t.Errorf("%s into a full disk: status %d", args, status)
			}
		}
	}

	execute(t, dir, `update health_samples set at = at - interval '1 hour'`)
	c.expect(1, "No alerts", "", "alerts", "list")
	c.expect(1, "subscribe POST", "", "perf")
	c.expect(1, "SILENT", "", "monitor", "--once")
	execute(t, dir, `revoke select on request_stats from app`)
	c.expect(1, "statistics", "", "health", "--strict")
}
