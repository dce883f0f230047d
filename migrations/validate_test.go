package migrations_test

import (
	"fmt"
	"strings"
	"testing"

	"newsletter/internal/fixtures/testenv"
	"newsletter/migrations"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

// TestValidateNamesWhatIsWrong checks that Validate names every kind of damage to a healthy database.
func TestValidateNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	const subscriber = `insert into subscribers (id, email, email_norm, status, request_event_id, requested_at, confirmed_at)
		values (gen_random_uuid(), 'a@example.org', 'a@example.org', 'active', gen_random_uuid(), now(), now())`
	for damage, wants := range map[string][]string{
		"alter table subscribers add column hobby text":                                            {"schema: not of a migration: column subscribers.hobby text"},
		"alter table subscribers drop column locale":                                               {"schema: missing: column subscribers.locale text"},
		"alter table subscribers alter column locale set default 'en'":                             {"schema: missing: column subscribers.locale text", "default 'en'"},
		"drop index outbox_state":                                                                  {"schema: missing: index CREATE INDEX outbox_state"},
		"create index extra on outbox (kind)":                                                      {"schema: not of a migration: index CREATE INDEX extra"},
		"alter table subscribers drop constraint subscribers_check":                                {"schema: missing: constraint subscribers.subscribers_check"},
		"create table stranger (id int)":                                                           {"schema: not of a migration: table stranger"},
		"create view peek as select email from subscribers":                                        {"schema: not of a migration: view peek"},
		"create function f() returns int language sql as 'select 1'":                               {"schema: not of a migration: function f()"},
		"alter function subscription_write_v1 security definer":                                    {"schema: missing: function subscription_write_v1"},
		"alter function link_load_v1 set search_path = pg_temp":                                    {"schema: missing: function link_load_v1"},
		"update pg_proc set prosrc = prosrc || ' ' where proname = 'request_load_v1'":              {"schema: missing: function request_load_v1"},
		"create type mood as enum ('good', 'bad')":                                                 {"schema: not of a migration: type mood good, bad"},
		"create sequence counter":                                                                  {"schema: not of a migration: sequence counter"},
		"update pg_index set indisvalid = false where indexrelid = 'ledger_events_time'::regclass": {"(invalid: its creation did not finish)"},
		"create function t() returns trigger language plpgsql as 'begin return new; end'; create trigger spy before insert on outbox for each row execute function t()": {
			"schema: not of a migration: trigger outbox.spy"},
		"grant update on ledger_events to app":                          {"right is too much: app may update ledger_events"},
		"grant update (kind) on ledger_events to app":                   {"right is too much: app may update ledger_events.kind"},
		"grant select on subscribers to public":                         {"right is too much: everybody may select subscribers"},
		"revoke insert on outbox from app":                              {"right is missing: app may insert outbox"},
		"grant create on schema public to app":                          {"role app may create tables"},
		"delete from migration_checksums where version = 1":             {"0001_initial.sql: changed after it was applied"},
		"update migration_checksums set sha256 = 'x' where version = 1": {"0001_initial.sql: changed after it was applied"},
		"delete from goose_db_version where version_id = 1":             {"not applied: 0001_initial.sql"},
		subscriber: {"data: 1 subscribers whose request is not in the ledger", "data: 1 active subscribers whose activation is not in the ledger",
			"data: 1 subscribers without an identity"},
		strings.ReplaceAll(subscriber, "'a@example.org', 'active'", "'A@example.org', 'active'"): {"data: 1 subscribers whose normalized address is not in lower case"},
		"update consent_texts set body = body || '!' where locale = 'en'":                        {"data: 1 consent texts that do not match their hash"},
		`insert into outbox (id, kind, state, sealed, due_at, created_at, finished_at, event_id)
			values (gen_random_uuid(), 'k', 'done', 'x', now(), now(), now(), gen_random_uuid())`: {
			"data: 1 outbox rows that are done and still contain an address", "data: 1 outbox rows whose event is not in the ledger"},
		`insert into outbox (id, kind, due_at, created_at, event_id) values (gen_random_uuid(), 'alert.firing', now(), now(), gen_random_uuid())`: {
			"data: 1 outbox rows whose alert does not exist"},
	} {
		t.Run(damage, func(t *testing.T) {
			t.Parallel()
			db := testenv.Postgres(t)
			r := runnerFor(t, db)
			if before := run(t, r.Validate); !before.OK {
				t.Fatalf("not healthy: %q", before.Problems)
			}
			if _, err := db.Conn(t).Exec(t.Context(), damage); err != nil {
				t.Fatal(err)
			}
			after := run(t, r.Validate)
			for _, want := range wants {
				if after.OK || !strings.Contains(strings.Join(after.Problems, "\n"), want) {
					t.Errorf("got %q, want %q", after.Problems, want)
				}
			}
			if again := run(t, r.Validate); strings.Join(again.Problems, "\n") != strings.Join(after.Problems, "\n") {
				t.Errorf("validating changed something: %q", again.Problems)
			}
		})
	}
}

// TestValidateKnowsEveryKind writes a row of every kind, with and without what it refers to.
func TestValidateKnowsEveryKind(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t)
	r, conn := runnerFor(t, db), db.Conn(t)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	const event, alert = "01900000-0000-7000-8000-0000000000e1", "01900000-0000-7000-8000-0000000000a1"
	exec(`insert into ledger_events (id, at, kind, actor, channel, request_id) values ($1, now(), 'subscription.requested', 'visitor', 'api', 'r')`, event)
	exec(`insert into alerts (id, rule, subject, severity, summary, firing_since, last_found_at) values ($1, 'bounces', '', 'warning', 's', now(), now())`, alert)
	const insert = `insert into outbox (id, kind, event_id, due_at, created_at) values (gen_random_uuid(), $1, $2, now(), now() - $3::interval)`
	of := func(kind outbox.Kind) (about, missing string) {
		if kind.AlertChange() != "" {
			return alert, "data: 1 outbox rows whose alert does not exist"
		}
		return event, "data: 1 outbox rows whose event is not in the ledger"
	}
	var kinds []outbox.Kind
	for _, email := range subscription.Emails() {
		kinds = append(kinds, email.Kind())
	}
	for _, kind := range outbox.Kinds() {
		kinds = append(kinds, kind)
		for _, destination := range append(outbox.Destinations(), outbox.WebhookPrefix+"0a1b2c3d") {
			if kind.IsFanOut() && destination != outbox.Email {
				kinds = append(kinds, outbox.NotifyOf(kind, destination))
			}
		}
	}
	for _, kind := range kinds {
		about, _ := of(kind)
		exec(insert, string(kind), about, "0 days")
	}
	exec(insert, string(outbox.AlertResolved), "01900000-0000-7000-8000-0000000000a2", "44 days") // retention may have deleted it
	if result := run(t, r.Validate); !result.OK {
		t.Fatalf("%d kinds: %q", len(kinds), result.Problems)
	}
	for _, kind := range kinds {
		exec("delete from outbox")
		exec(insert, string(kind), "01900000-0000-7000-8000-0000000000ff", "0 days")
		if _, missing := of(kind); strings.Join(run(t, r.Validate).Problems, "\n") != missing {
			t.Errorf("%s: %q, want %q", kind, run(t, r.Validate).Problems, missing)
		}
	}
}

func TestValidateReportsExcessPowersOfTheRole(t *testing.T) {
	t.Parallel()
	db := testenv.EmptyPostgres(t)
	role, _ := signIn(t, db, "")
	r := runnerOn(t, db, db.AdminURL, func(c *migrations.Config) { c.AppUser = role })
	run(t, r.Up)
	if healthy := run(t, r.Validate); !healthy.OK {
		t.Fatalf("not healthy: %q", healthy.Problems)
	}
	for _, tc := range [][2]string{
		{"alter role %s reset statement_timeout", "has no statement_timeout"},
		{"alter role %s set lock_timeout = '0s'", "has no lock_timeout"},
		{"alter role %s reset idle_in_transaction_session_timeout", "has no idle_in_transaction_session_timeout"},
		{"alter role %s createrole", "may create roles"},
		{"alter role %s bypassrls", "may bypass row security"},
		{"grant newsletter_owner to %s", "is a member of newsletter_owner"},
		{"alter role %s superuser", "is a superuser"},
	} {
		change, want := tc[0], tc[1]
		if _, err := db.Conn(t).Exec(t.Context(), fmt.Sprintf(change, role)); err != nil {
			t.Fatal(err)
		}
		if after := run(t, r.Validate); after.OK || !strings.Contains(strings.Join(after.Problems, "\n"), want) {
			t.Errorf("%s: got %q", change, after.Problems)
		}
	}
	run(t, r.Up) // puts the limits back
	if after := strings.Join(run(t, r.Validate).Problems, "\n"); strings.Contains(after, "has no") {
		t.Errorf("after up: %s", after)
	}
}
