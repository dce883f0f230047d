package migrations_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/testenv"
	"newsletter/migrations"
	"newsletter/shared/config"
)

// TestTheMasterUserCreatesTheRoles runs as on RDS: the master user may create roles and owns the database, but is no
// superuser. Since PostgreSQL 16 the creator of a role may grant it, but cannot act as it unless
// createrole_self_grant allows that.
func TestTheMasterUserCreatesTheRoles(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		since int // the first version with the setting
		alter string
	}{
		"as RDS makes it":          {},
		"with a grant to inherit":  {16, "alter role master set createrole_self_grant = 'inherit'"},
		"with a grant to set role": {16, "alter role master set createrole_self_grant = 'set'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := testenv.RDS(t)
			if db.Version(t) < tc.since {
				return
			}
			admin := db.Conn(t)
			if _, err := admin.Exec(t.Context(), tc.alter); err != nil {
				t.Fatal(err)
			}
			firstDeploy(t, db)
			var owners []string
			const ownersSQL = "select array_agg(distinct tableowner::text) from pg_tables where schemaname = 'public'"
			if err := admin.QueryRow(t.Context(), ownersSQL).Scan(&owners); err != nil || !slices.Equal(owners, []string{"newsletter_owner"}) {
				t.Errorf("the tables belong to %q, %v", owners, err)
			}
			if code := appMay(t, db.AppConn(t), "delete from ledger_events"); code != "42501" {
				t.Errorf("the ledger can be changed: %q", code)
			}
		})
	}
}

// firstDeploy migrates an empty database twice as the master user and validates it.
func firstDeploy(t *testing.T, db *testenv.Database) {
	t.Helper()
	r := runnerOn(t, db, db.MasterURL, nil)
	for range 2 {
		if result := run(t, r.Up); !result.OK || len(result.Warnings) != 0 {
			t.Errorf("up: %+v", result)
		}
	}
	if result := run(t, r.Validate); !result.OK || len(result.Warnings) != 0 {
		t.Errorf("validate: %+v", result)
	}
}

// TestTheMigratorTakesOver migrates as a role with fewer rights after the first deployment. The master user sets its
// password.
func TestTheMigratorTakesOver(t *testing.T) {
	t.Parallel()
	db := testenv.RDS(t)
	firstDeploy(t, db)
	master, err := pgx.Connect(t.Context(), db.MasterURL)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close(t.Context())
	if _, err := master.Exec(t.Context(), "alter role migrator password 'pw'"); err != nil {
		t.Fatal(err)
	}
	migrator := runnerOn(t, db, db.URL("migrator", "pw"), nil)
	run(t, migrator.Down)
	if result := run(t, migrator.Up); !result.OK || len(result.Migrations) != 1 || len(result.Warnings) != 0 {
		t.Errorf("up: %+v", result)
	}
	if result := run(t, migrator.Validate); !result.OK {
		t.Errorf("validate: %q", result.Problems)
	}
}

// TestRolesCreatedByAnotherUser covers roles that the master user may not grant since PostgreSQL 16, because another
// user created them. It then migrates as itself, and warns.
func TestRolesCreatedByAnotherUser(t *testing.T) {
	t.Parallel()
	db := testenv.RDS(t)
	if _, err := db.Conn(t).Exec(t.Context(), "create role newsletter_owner; create role migrator login; create role app login"); err != nil {
		t.Fatal(err)
	}
	r := runnerOn(t, db, db.MasterURL, nil)
	result := run(t, r.Up)
	refused := strings.Contains(strings.Join(result.Warnings, "\n"), "not allowed to join newsletter_owner")
	if want := db.Version(t) >= 16; !result.OK || refused != want {
		t.Errorf("refused %v, want %v: %+v", refused, want, result)
	}

	// The membership alone is enough, as PostgreSQL 15 created it and as an upgrade keeps it.
	if _, err := db.Conn(t).Exec(t.Context(), "grant newsletter_owner to master"); err != nil {
		t.Fatal(err)
	}
	for _, command := range []func(context.Context) (migrations.Result, error){r.Up, r.Down, r.Up} {
		result = run(t, command)
	}
	if !result.OK || strings.Contains(strings.Join(result.Warnings, "\n"), "join") {
		t.Errorf("as a member: %+v", result)
	}
	if code := appMay(t, db.Conn(t), "set role newsletter_owner; update ledger_events set kind = 'x'"); code != "" {
		t.Errorf("the tables were not transferred: %q", code)
	}
}

// TestTheMasterUserKeepsItsPassword checks the memberships of rds_iam. A role that may use IAM must use it. Since
// PostgreSQL 16 the creator of such a role is automatically a member with the admin option only, as is every role
// that may grant rds_iam. Our grants must not extend that membership.
func TestTheMasterUserKeepsItsPassword(t *testing.T) {
	t.Parallel()
	db := testenv.RDS(t)
	admin := db.Conn(t)
	for range 2 {
		result := run(t, runnerOn(t, db, db.MasterURL, func(c *migrations.Config) { c.AppPassword = config.Sealed{} }).Up)
		if len(result.Warnings) != 0 {
			t.Errorf("%q", result.Warnings)
		}
	}
	const grantedSQL = `
select array_agg(m.roleid::regrole || ' to ' || m.member::regrole order by 1) from pg_auth_members m
where m.grantor in ('master'::regrole, 'rds_superuser'::regrole)`
	var granted []string
	if err := admin.QueryRow(t.Context(), grantedSQL).Scan(&granted); err != nil {
		t.Fatal(err)
	}
	slices.Sort(granted)
	if want := []string{"newsletter_owner to master", "newsletter_owner to migrator", "rds_iam to app", "rds_iam to keeper", "rds_iam to migrator"}; !slices.Equal(granted, want) {
		t.Errorf("granted %q, want %q", granted, want)
	}
	rights := []string{"member"}
	if db.Version(t) >= 16 {
		rights = []string{"usage", "set"}
	}
	for role, want := range map[string]bool{"app": true, "keeper": true, "migrator": true, "master": false, "newsletter_owner": false} {
		for _, right := range rights {
			var has bool
			if err := admin.QueryRow(t.Context(), "select pg_has_role($1::name, 'rds_iam', $2)", role, right).Scan(&has); err != nil || has != want {
				t.Errorf("%s has the %s of rds_iam: %v, want %v, %v", role, right, has, want, err)
			}
		}
	}
}

func TestASingleRoleWorksWithAWarning(t *testing.T) {
	t.Parallel()
	db := testenv.RDS(t)
	const only = "the_only_one"
	admin := db.Conn(t)
	if _, err := admin.Exec(t.Context(), "create role the_only_one login password 'pw'; alter database newsletter owner to the_only_one"); err != nil {
		t.Fatal(err)
	}
	dsn := db.URL(only, "pw")
	for name, change := range map[string]func(*migrations.Config){
		"it is the functions' role":      func(c *migrations.Config) { c.AppUser = only },
		"the functions' role is missing": func(c *migrations.Config) { c.AppUser = "another_role" },
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

	// Later the role gets the rights of a master user and creates the roles; the tables are transferred.
	if _, err := admin.Exec(t.Context(), "alter role the_only_one createrole; grant rds_superuser to the_only_one"); err != nil {
		t.Fatal(err)
	}
	r := runnerOn(t, db, dsn, nil)
	if result := run(t, r.Up); !result.OK || len(result.Warnings) != 0 {
		t.Errorf("with roles: %+v", result)
	}
	if result := run(t, r.Validate); !result.OK {
		t.Errorf("validate with roles: %q", result.Problems)
	}
	if code := appMay(t, db.AppConn(t), "update ledger_events set kind = 'x'"); code != "42501" {
		t.Errorf("the ledger can be changed: %q", code)
	}
}
