package main

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/local/devstack"
)

func TestAuditVerify(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	startDev(t, path, dir)
	c := console{t, path, dir}
	c.expect(0, "nothing is sealed yet", "", "ledger", "verify")
	c.expect(1, "", "", "ledger", "head")

	state, err := devstack.ReadState(dir)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := pgx.Connect(t.Context(), state.Functions["migrate"].Variables["MIGRATE_DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(t.Context()) })
	exec := func(sql string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`insert into ledger_events (id, at, kind, actor, channel, request_id)
		select gen_random_uuid(), now() - n * interval '1 hour', 'subscription.requested', 'visitor', 'api', n::text from generate_series(3, 5) as n`)
	c.expect(0, `"anchors":3`, `{}`, "invoke", "maintain", "-")
	c.expect(0, "until", "", "ledger", "verify")
	c.expect(0, "3 anchored", "", "ledger", "verify")
	c.expect(0, `"findings": []`, "", "ledger", "verify", "--json")
	_, output := c.run("", "ledger", "head")
	head, _, _ := strings.Cut(output, " ")
	c.expect(0, "3 anchored", "", "ledger", "verify", head)
	c.expect(1, "is not in the chain", "", "ledger", "verify", strings.Repeat("0", 64))
	exec(`update ledger_events set data = '{"outcome":"x"}' where request_id = '4'`)
	c.expect(1, "events was changed", "", "ledger", "verify")
	c.expect(2, "", "", "ledger", "verify", "abc")
	c.expect(2, "", "", "ledger", "head", "abc")

	exec(`delete from ledger_seals`)
	exec(`delete from ledger_events`)
	c.expect(1, "was anchored and is not in the chain", "", "ledger", "verify")
	exec(`insert into ledger_events (id, at, kind, actor, channel, request_id) values (gen_random_uuid(), now() - interval '29 hours', 'subscription.requested', 'visitor', 'api', '29')`)
	c.expect(1, "not sealed", "", "ledger", "verify")
	exec(`insert into ledger_seals (id, from_at, to_at, events, digest, previous, hash, created_at) values (gen_random_uuid(), now(), '9000-01-01', 0, sha256(''), '', sha256('x'), now())`)
	c.expect(1, "errorMessage", `{}`, "invoke", "maintain", "-")
	c.expect(1, "was changed", "", "ledger", "verify")
	c.expect(1, "", "", "ledger", "head")
}
