package main

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/local/devstack"
)

// TestConsentFromTextToProof follows a consent text from the tool to the subscriber and the authority.
func TestConsentFromTextToProof(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	dev := startDev(t, path, dir)
	c := console{t, path, dir}
	subscribe := func(body string, want int) {
		t.Helper()
		response, err := http.Post(dev.url+"/api/newsletter/subscribe", "application/json", strings.NewReader(body))
		if err != nil || response.StatusCode != want {
			t.Fatalf("%v %v", response, err)
		}
		_ = response.Body.Close()
	}
	c.expect(0, "default-1", "", "consent", "current", "--locale", "en")
	c.expect(0, "added 2026-11 (en)", "  I want the letter.\r\n", "consent", "add", "--version", "2026-11", "--locale", "en", "-")
	c.expect(1, "", "Another text.", "consent", "add", "--version", "2026-11", "--locale", "en", "-")
	c.expect(2, "", "x", "consent", "add", "--version", "a b", "--locale", "en", "-")
	c.expect(2, "", "", "consent", "add", "--version", "v", "--locale", "en", "-")
	c.expect(0, "I want the letter.", "", "consent", "current")
	c.expect(0, "added default-1 (it)", "Desidero ricevere la newsletter.", "consent", "add", "--version", "default-1", "--locale", "it", "-")
	c.expect(0, "2026-11", "", "consent", "current") // an old version's translation is not the current text

	subscribe(`{"email":"jane@example.org","consent":{"granted":true,"text_version":"default-1"},"locale":"it"}`, http.StatusAccepted)
	subscribe(`{"email":"john@example.org"}`, http.StatusAccepted)
	subscribe(`{"email":"jim@example.org","consent":{"granted":false}}`, http.StatusUnprocessableEntity)
	c.expect(0, "| Desidero ricevere la newsletter.", "", "consent", "proof", "jane@example.org")
	c.expect(0, "none recorded", "", "consent", "proof", "john@example.org")
	c.expect(0, "consent box      ticked", "", "consent", "proof", "jane@example.org")
	c.expect(0, "1 imported", "email,locale,consent_version,confirmed_at,evidence\njim@example.org,it-CH,default-1,2023-01-02 03:04:05,Ticked the box on paper\n", "import", "/dev/stdin")
	c.expect(0, "| Desidero ricevere la newsletter.", "", "consent", "proof", "jim@example.org")
	c.expect(0, "consented at     2023-01-02T03:04:05Z (according to the list)", "", "consent", "proof", "jim@example.org")
	c.expect(0, `"confirmed_at": "2023-01-02T03:04:05`, "", "privacy", "export", "jim@example.org")
	c.expect(0, "1 imported", "email\njill@example.org\n", "import", "/dev/stdin")
	c.expect(0, `"confirmed_at": null`, "", "privacy", "export", "jill@example.org") // the list does not say
	c.expect(1, "Status: none", "", "consent", "proof", "joan@example.org")
	c.expect(0, "2026-11", "", "consent", "list")

	c.expect(0, "suppressed", "", "suppression", "add", "john@example.org")
	c.expect(0, "operator", "", "suppression", "list")
	c.expect(0, `"reason": "operator"`, "", "suppression", "list", "--reason", "operator", "--json")
	c.expect(0, "suppression_removed", "", "suppression", "remove", "john@example.org")
	c.expect(1, "", "", "suppression", "remove", "john@example.org")
	c.refuse("known: bounce, complaint, declined, objection, operator", "suppression", "list", "--reason", "nonsense")
	c.refuse("known: en", "consent", "current", "--locale", "de")
	c.expect(2, "", "", "suppression", "remove")
}

func TestOutboxByTool(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	startDev(t, path, dir)
	c := console{t, path, dir}
	state, err := devstack.ReadState(dir)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := pgx.Connect(t.Context(), state.Functions["migrate"].Variables["MIGRATE_DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	const insert = `insert into outbox (id, kind, state, attempts, outcome, due_at, created_at, finished_at)
		select gen_random_uuid(), 'notify.pigeon', 'dead', 12, 'status_500', now(), now(), now() from generate_series(1, 3) returning id::text`
	var ids []string
	rows, err := admin.Query(t.Context(), insert)
	if err == nil {
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		t.Fatal(err)
	}
	c.expect(0, "status_500", "", "outbox", "list")
	c.expect(0, `"attempts": 12`, "", "outbox", "list", "--kind", "notify.pigeon", "--json")
	c.expect(0, "1 of 1 dropped", "", "outbox", "drop", ids[0])
	c.expect(1, "0 of 1 dropped", "", "outbox", "drop", ids[0])
	c.expect(0, "2 of 2 retried", "", "outbox", "retry", "--all", "--kind", "notify.pigeon")
	c.expect(2, "", "", "outbox", "retry")
	c.expect(0, "0 of 0 retried", "", "outbox", "retry", "--all")
	c.refuse("known: dead, done, held, ready", "outbox", "list", "--state", "lost")
	c.refuse("email.confirm", "outbox", "list", "--kind", "email.confirmed")
	c.expect(0, "ID", "", "outbox", "list", "--kind", "alert.firing.slack")
	c.expect(2, "", "", "outbox", "drop", "1")
	var record string
	err = admin.QueryRow(t.Context(), `select string_agg(kind || ' ' || (data->'counts'->>'changed'), ',' order by id) from ledger_events where actor = 'operator'`).Scan(&record)
	if err != nil || record != "outbox.dropped 1,outbox.retried 2" {
		t.Errorf("%s %v", record, err)
	}
	if _, err := admin.Exec(t.Context(), `insert into outbox (id, kind, state, due_at, created_at, finished_at)
		select gen_random_uuid(), 'notify.pigeon', 'dead', now(), now(), now() from generate_series(1, 10001)`); err != nil {
		t.Fatal(err)
	}
	c.expect(1, "notify.pigeon", "", "outbox", "list") // it is cut
	c.expect(1, "10000 of 10000 dropped", "", "outbox", "drop", "--all")
	c.expect(0, "1 of 1 dropped", "", "outbox", "drop", "--all")
}
