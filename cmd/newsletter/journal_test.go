package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/local/devstack"
)

// TestReplayAfterRestore checks that the journal suppresses the subscribers again who left after the restored backup.
func TestReplayAfterRestore(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	dev := startDev(t, path, dir)
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
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	c.expect(1, "", "", "journal", "replay", "--since", "2026-01-01") // an empty journal may be the wrong one
	for _, name := range []string{"stays", "erased", "objects", "complains", "back"} {
		response, err := http.Post(dev.url+"/api/newsletter/subscribe", "application/json", strings.NewReader(`{"email":"`+name+`@example.org"}`))
		if err != nil || response.StatusCode != http.StatusAccepted {
			t.Fatalf("%v %v", response, err)
		}
		_ = response.Body.Close()
	}
	exec("update subscribers set status = 'active', confirmed_at = now()")
	tables := []string{"subscribers", "identities", "event_context", "suppressions", "erasures", "privacy_requests"}
	for _, table := range tables { // the backup
		exec("create table kept_" + table + " as table " + table)
	}
	backup := time.Now().Add(-time.Second).UTC().Format(time.RFC3339)

	c.expect(0, "erased", "", "privacy", "erase", "--yes", "erased@example.org")
	c.expect(0, "erased", "", "privacy", "erase", "--yes", "--object", "objects@example.org")
	c.expect(0, "suppressed", "", "suppression", "add", "complains@example.org")
	c.expect(0, "suppressed", "", "suppression", "add", "back@example.org")
	c.expect(0, "suppression_removed", "", "suppression", "remove", "back@example.org")
	for deadline := time.Now().Add(2 * time.Minute); journalEntries(t, dir) < 5; time.Sleep(200 * time.Millisecond) { // deliver writes them
		if time.Now().After(deadline) {
			t.Fatalf("%d entries in the journal", journalEntries(t, dir))
		}
	}

	for _, table := range tables { // the restoration
		exec("delete from " + table)
		exec("insert into " + table + " table kept_" + table)
		exec("drop table kept_" + table)
	}
	c.expect(0, "5 suppressions since", "", "journal", "replay", "--since", backup)
	c.expect(0, "2 erased", "", "journal", "replay", "--yes", "--since", backup)
	c.expect(0, "5 suppressions", "", "journal", "replay", "--yes", "--since", backup) // again: nothing happens
	var got string
	err = admin.QueryRow(t.Context(), `select string_agg(split_part(email, '@', 1) || ' ' || status, ', ' order by email) from subscribers`).Scan(&got)
	if want := "back unsubscribed, complains suppressed, stays active"; err != nil || got != want {
		t.Errorf("%q %v, want %q", got, err, want)
	}
	err = admin.QueryRow(t.Context(), `select string_agg(reason, ', ' order by reason) from suppressions`).Scan(&got)
	if want := "objection, operator"; err != nil || got != want {
		t.Errorf("%q %v, want %q", got, err, want)
	}
	c.expect(0, "no suppressions since 2099-01-01T00:00:00Z; nothing changed", "", "journal", "replay", "--yes", "--since", "2099-01-01")
	broken := filepath.Join(dir, "journal", "journal", "v1", "2099", "01", "02", "broken.json")
	if err := errors.Join(os.MkdirAll(filepath.Dir(broken), 0o700), os.WriteFile(broken, []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	c.expect(1, "0 suppressions since", "", "journal", "replay", "--since", "2099-01-01")
	c.expect(1, "", "", "journal", "list")
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	c.expect(2, "", "", "journal", "replay")
	c.expect(2, "", "", "journal", "list", "--since", "yesterday")
	c.expect(0, "erased", "", "journal", "list")
}

// journalEntries counts the entries.
func journalEntries(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "journal"), func(_ string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) { // there is none yet
			return nil
		}
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
