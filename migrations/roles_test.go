package migrations_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"newsletter/internal/fixtures/testenv"
	"newsletter/migrations"
	"newsletter/shared/config"
)

var serial atomic.Int64

// signIn creates a role with a password and returns its URL for db.
func signIn(t *testing.T, db *testenv.Database, attributes string) (name, dsn string) {
	t.Helper()
	name = fmt.Sprintf("%.40s_%d", strings.ToLower(t.Name()), serial.Add(1))
	admin := db.Conn(t)
	if _, err := admin.Exec(t.Context(), fmt.Sprintf("create role %s login password 'pw' %s", name, attributes)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		clean, err := pgx.Connect(context.Background(), db.AdminURL)
		if err != nil {
			t.Error(err)
			return
		}
		defer clean.Close(context.Background())
		for _, statement := range []string{"reassign owned by %s to postgres", "drop owned by %s", "drop role %s"} {
			if _, err := clean.Exec(context.Background(), fmt.Sprintf(statement, name)); err != nil {
				t.Error(err)
			}
		}
	})
	return name, db.URL(name, "pw")
}

func runnerOn(t *testing.T, db *testenv.Database, dsn string, change func(*migrations.Config)) *migrations.Runner {
	t.Helper()
	cfg := configFor(db)
	cfg.URL = config.Seal(dsn)
	if change != nil {
		change(&cfg)
	}
	r, err := migrations.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestTheFunctionsMayDoWhatTheyNeedAndNoMore checks the rights of the functions' role: it writes what it needs, cannot
// change evidence, and creates no tables.
func TestTheFunctionsMayDoWhatTheyNeedAndNoMore(t *testing.T) {
	t.Parallel()
	db := testenv.EmptyPostgres(t)
	if result := run(t, runnerFor(t, db).Up); len(result.Warnings) != 0 {
		t.Errorf("warnings: %q", result.Warnings)
	}
	app := db.AppConn(t)
	const refused = "42501"
	for statement, want := range map[string]string{
		"insert into ledger_events (id, at, kind, actor, channel, request_id) values (gen_random_uuid(), now(), 'k', 'visitor', 'form', 'r')": "",
		"select id from ledger_events":                                       "",
		"update ledger_events set kind = 'x'":                                refused,
		"delete from ledger_events":                                          refused,
		"truncate ledger_events":                                             refused,
		"drop table ledger_events":                                           refused,
		"select ledger_write_tombstones_v1('-infinity', now(), now(), 1)":    refused,
		"alter table ledger_events disable trigger all":                      refused,
		"update consent_texts set body = 'x'":                                refused,
		"delete from consent_texts":                                          refused,
		"select id from consent_texts":                                       "",
		"delete from subscribers":                                            "",
		"update outbox set state = 'ready'":                                  "",
		"delete from email_log":                                              "",
		"update email_log set purpose = 'none'":                              refused,
		"update email_log set at = now()":                                    "",
		"select max(version_id) from goose_db_version":                       "",
		"delete from goose_db_version":                                       refused,
		"select file from migration_checksums":                               refused,
		"create table mine (id int)":                                         refused,
		"create schema mine":                                                 refused,
		"set role newsletter_owner":                                          refused,
		"alter role app createrole":                                          refused,
		"update ledger_seals set anchored_at = now()":                        refused,
		"delete from ledger_seals":                                           refused,
		"select * from ledger_seals":                                         "",
		"delete from maintenance":                                            refused,
		"update maintenance set at = 'infinity'":                             refused,
		"select * from maintenance":                                          "",
		"create temporary table mine (id int)":                               refused,
		"create function pg_temp.f() returns int language sql as 'select 1'": refused,
		"select lo_create(0)":                                                refused,
		"select lo_from_bytea(0, 'x')":                                       refused,
		"select lo_put(1, 0, 'x')":                                           refused,
		"select lo_open(1, 131072)":                                          refused,
		"select lowrite(0, 'x')":                                             refused,
		"select * from pg_stat_activity":                                     refused,
		"select pg_stat_get_activity(null)":                                  refused,
		"select pg_terminate_backend(1)":                                     refused,
		"select pg_cancel_backend(1)":                                        refused,
		"select pg_read_file('postgresql.conf')":                             refused,
		"copy subscribers to program 'cat'":                                  refused,
		"insert into consent_texts (id, version, locale, body, sha256) values (gen_random_uuid(), 'v', 'en', 'x', sha256('x'))": refused,
		`insert into ledger_seals (id, from_at, to_at, events, digest, previous, hash, created_at)
			values (gen_random_uuid(), '2026-01-01', '2026-01-02', 0, sha256('x'), '', sha256('y'), now())`: refused,
		"insert into maintenance (task, at, problems) values ('verification', now(), 0)": refused,
	} {
		if got := appMay(t, app, statement); got != want {
			t.Errorf("%s: got %q, want %q", statement, got, want)
		}
	}
	keeper, err := pgx.Connect(t.Context(), db.URL("keeper", db.KeeperPassword))
	if err != nil {
		t.Fatal(err)
	}
	defer keeper.Close(t.Context())
	for statement, want := range map[string]string{
		`insert into ledger_seals (id, from_at, to_at, events, digest, previous, hash, created_at)
			values (gen_random_uuid(), '2026-01-01', '2026-01-02', 0, sha256('x'), '', sha256('y'), now())`: "",
		"update ledger_seals set anchored_at = now()": "",
		"update ledger_seals set hash = sha256('z')":  refused,
		"delete from ledger_seals":                    refused,
		"insert into consent_texts (id, version, locale, body, sha256) values (gen_random_uuid(), 'v', 'en', 'x', sha256('x'))": "",
		"update consent_texts set body = 'x'":                                            refused,
		"insert into maintenance (task, at, problems) values ('verification', now(), 0)": "",
		"update maintenance set problems = 1":                                            "",
		"delete from maintenance":                                                        refused,
		"delete from ledger_events":                                                      refused,
		"update ledger_events set kind = 'x'":                                            refused,
		"select ledger_write_tombstones_v1('-infinity', now(), now(), 1)":                "",
		"delete from email_log":                                                          "",
		"create temporary table mine (id int)":                                           refused,
		"select lo_create(0)":                                                            refused,
		"select * from pg_stat_activity":                                                 refused,
		"set role newsletter_owner":                                                      refused,
		"alter role app password 'x'":                                                    refused,
	} {
		if got := appMay(t, keeper, statement); got != want {
			t.Errorf("keeper: %s: got %q, want %q", statement, got, want)
		}
	}
	for name, want := range map[string]string{"statement_timeout": "3s", "lock_timeout": "1s", "idle_in_transaction_session_timeout": "5s"} {
		var got string
		if err := app.QueryRow(t.Context(), "select current_setting($1)", name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, want %q, %v", name, got, want, err)
		}
	}
}

// TestMigratorsOfSeveralDatabasesDoNotDisturbEachOther creates the roles, which belong to the server, from several
// databases at the same time.
func TestMigratorsOfSeveralDatabasesDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	results := make(chan error)
	const databases = 4
	for range databases {
		db := testenv.EmptyPostgres(t)
		go func() {
			_, err := runnerFor(t, db).Up(t.Context())
			results <- err
		}()
	}
	for range databases {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// appMay runs a statement as the functions' role and returns the SQLSTATE; empty on success.
func appMay(t *testing.T, app *pgx.Conn, statement string) string {
	t.Helper()
	_, err := app.Exec(t.Context(), statement)
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refused.Code
	}
	if err != nil {
		t.Fatal(err)
	}
	return ""
}
