package migrations_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"newsletter/internal/testenv"
	"newsletter/migrations"
	"newsletter/shared/config"
)

var serial atomic.Int64

// signIn makes a role with a password of its own, and gives its URL for db.
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
	u, err := url.Parse(db.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(name, "pw")
	return name, u.String()
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

// own gives the database to a role, as RDS gives it to its master user.
func own(t *testing.T, db *testenv.Database, role string) {
	t.Helper()
	if _, err := db.Conn(t).Exec(t.Context(), fmt.Sprintf("alter database %s owner to %s", db.Name, role)); err != nil {
		t.Fatal(err)
	}
}

// The functions' role writes what it must and changes nothing that proves something; it makes no tables.
func TestTheFunctionsMayDoWhatTheyNeedAndNoMore(t *testing.T) {
	t.Parallel()
	db := testenv.EmptyPostgres(t)
	if result := run(t, runnerFor(t, db).Up); len(result.Warnings) != 0 {
		t.Errorf("warnings: %q", result.Warnings)
	}
	app := db.AppConn(t)
	const refused = "42501"
	for statement, want := range map[string]string{
		"insert into audit_events (id, at, kind, actor, channel, request_id) values (gen_random_uuid(), now(), 'k', 'visitor', 'form', 'r')": "",
		"select id from audit_events":                  "",
		"update audit_events set kind = 'x'":           refused,
		"delete from audit_events":                     refused,
		"truncate audit_events":                        refused,
		"drop table audit_events":                      refused,
		"alter table audit_events disable trigger all": refused,
		"update consent_texts set body = 'x'":          refused,
		"delete from consent_texts":                    refused,
		"select id from consent_texts":                 "",
		"delete from subscribers":                      "",
		"update outbox set state = 'ready'":            "",
		"delete from mail_log":                         "",
		"update mail_log set at = now()":               refused,
		"update mail_log set sent_at = now()":          "",
		"select max(version_id) from goose_db_version": "",
		"delete from goose_db_version":                 refused,
		"select file from migration_checksums":         refused,
		"create table mine (id int)":                   refused,
		"create schema mine":                           refused,
		"set role newsletter_owner":                    refused,
		"alter role app createrole":                    refused,
	} {
		if got := appMay(t, app, statement); got != want {
			t.Errorf("%s: got %q, want %q", statement, got, want)
		}
	}
	for name, want := range map[string]string{"statement_timeout": "3s", "lock_timeout": "1s", "idle_in_transaction_session_timeout": "5s"} {
		var got string
		if err := app.QueryRow(t.Context(), "select current_setting($1)", name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, want %q, %v", name, got, want, err)
		}
	}
}

// As on RDS: the master user may create roles, owns the database and is no superuser.
func TestTheMasterUserMakesTheRoles(t *testing.T) {
	t.Parallel()
	db := testenv.EmptyPostgres(t)
	master, dsn := signIn(t, db, "createrole createdb")
	own(t, db, master)
	r := runnerOn(t, db, dsn, nil)
	if result := run(t, r.Up); !result.OK {
		t.Errorf("%+v", result)
	}
	if result := run(t, r.Validate); !result.OK {
		t.Errorf("validate: %q", result.Problems)
	}
	var owners []string
	const ownersSQL = "select array_agg(distinct tableowner::text) from pg_tables where schemaname = 'public'"
	if err := db.Conn(t).QueryRow(t.Context(), ownersSQL).Scan(&owners); err != nil || !slices.Equal(owners, []string{"newsletter_owner"}) {
		t.Errorf("the tables belong to %q, %v", owners, err)
	}
	if code := appMay(t, db.AppConn(t), "delete from audit_events"); code != "42501" {
		t.Errorf("the ledger can be changed: %q", code)
	}

	// From now on somebody with fewer rights can go on: a member of the owner's role.
	_, dsn = signIn(t, db, "in role newsletter_owner")
	migrator := runnerOn(t, db, dsn, nil)
	run(t, migrator.Down)
	if result := run(t, migrator.Up); !result.OK || len(result.Migrations) != 1 || len(result.Warnings) != 0 {
		t.Errorf("as the migrator: %+v", result)
	}
	if result := run(t, migrator.Validate); !result.OK {
		t.Errorf("validate as the migrator: %q", result.Problems)
	}
}

// A role that may use IAM must: if the master user came to it through another role, its password would work no more.
func TestTheMasterUserKeepsItsPassword(t *testing.T) {
	t.Parallel()
	db := testenv.EmptyPostgres(t)
	admin := db.Conn(t)
	if code := appMay(t, admin, "create role rds_iam nologin"); code != "" && code != "42710" {
		t.Fatal(code)
	}
	master, dsn := signIn(t, db, "createrole")
	own(t, db, master)
	app := master + "_app"
	t.Cleanup(func() {
		clean, err := pgx.Connect(context.Background(), db.AdminURL)
		if err == nil {
			_, err = clean.Exec(context.Background(), fmt.Sprintf("drop owned by %s; drop role %s", app, app))
			_ = clean.Close(context.Background())
		}
		if err != nil {
			t.Error(err)
		}
	})
	result := run(t, runnerOn(t, db, dsn, func(c *migrations.Config) { c.AppUser, c.AppPassword = app, config.Sealed{} }).Up)
	if len(result.Warnings) != 0 {
		t.Errorf("%q", result.Warnings)
	}
	for role, want := range map[string]bool{app: true, "migrator": true, master: false, "newsletter_owner": false} {
		var member bool
		if err := admin.QueryRow(t.Context(), "select pg_has_role($1::name, 'rds_iam', 'member')", role).Scan(&member); err != nil || member != want {
			t.Errorf("%s must sign in with IAM: %v, want %v, %v", role, member, want, err)
		}
	}
}

func TestOneRoleWorksAndIsWarnedAbout(t *testing.T) {
	t.Parallel()
	db := testenv.EmptyPostgres(t)
	only, dsn := signIn(t, db, "")
	own(t, db, only)
	for name, change := range map[string]func(*migrations.Config){
		"it is the functions' role":      func(c *migrations.Config) { c.AppUser = only },
		"the functions' role is missing": func(c *migrations.Config) { c.AppUser = "somebody_else" },
	} {
		r := runnerOn(t, db, dsn, change)
		if result := run(t, r.Up); !result.OK || !strings.Contains(strings.Join(result.Warnings, "\n"), "nothing in the database keeps them from changing the ledger") {
			t.Errorf("%s: %+v", name, result)
		}
		if result := run(t, r.Validate); !result.OK || len(result.Warnings) == 0 {
			t.Errorf("%s: validate: %+v", name, result)
		}
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var timeout string
	if err := conn.QueryRow(t.Context(), "select current_setting('statement_timeout')").Scan(&timeout); err != nil || timeout != "3s" {
		t.Errorf("statement_timeout of the one role is %q, %v", timeout, err)
	}

	// Later the master user comes, and makes the roles; the tables change hands.
	if _, err := db.Conn(t).Exec(t.Context(), fmt.Sprintf("alter role %s createrole", only)); err != nil {
		t.Fatal(err)
	}
	r := runnerOn(t, db, dsn, nil)
	if result := run(t, r.Up); !result.OK || len(result.Warnings) != 0 {
		t.Errorf("with roles: %+v", result)
	}
	if result := run(t, r.Validate); !result.OK {
		t.Errorf("validate with roles: %q", result.Problems)
	}
	if code := appMay(t, db.AppConn(t), "update audit_events set kind = 'x'"); code != "42501" {
		t.Errorf("the ledger can be changed: %q", code)
	}
}

// Roles belong to the server: migrators of several databases make them at the same time.
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

// appMay runs a statement as the functions' role and gives the server's code; empty: it worked.
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
