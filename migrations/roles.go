package migrations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"newsletter/shared/config"
)

const (
	// ownerRole owns the schema. It cannot sign in: a role that may use IAM must sign in with IAM, and so must every
	// role it was granted to, so the owner and the role that signs in are different roles.
	ownerRole = "newsletter_owner"
	// migratorRole signs in to migrate. It is a member of ownerRole.
	migratorRole = "migrator"
	// keeperRole signs in to maintain: it may do what the functions' role may, and also seal the ledger and add consent
	// texts. shared/postgres signs in as it.
	keeperRole = "keeper"
)

// limits are the settings of the functions' role and of keeperRole. RDS Proxy refuses them as startup parameters and
// forwards no cancel request, so only they stop a statement. A role may change its own settings: up restores them, and
// health alerts when they differ.
//
// The first is shorter than the timeout of a transaction, so that the server cancels before its client. The last is
// far longer than the pause between two round trips; it frees the rows of an environment that was frozen in between.
var limits = []struct{ name, value string }{
	{"statement_timeout", "3s"},
	{"lock_timeout", "1s"},
	{"idle_in_transaction_session_timeout", "5s"},
}

// roles describes the roles of the database.
type roles struct {
	Current    string // the role that signed in
	MayCreate  bool   // may create roles
	AppExists  bool
	HasKeeper  bool
	OwnerUsed  bool // ownerRole exists and the current role may act as it
	IAMOffered bool // the role rds_iam exists
	Options    bool // memberships have options (PostgreSQL 16)
	Super      bool // the current role is a superuser
	app        string
}

// becomeSQL is the privilege to ask pg_has_role for: whether a role may "set role" to another. Since PostgreSQL 16
// that is an option of a membership, and the creator of a role is a member without it.
const becomeSQL = `case when current_setting('server_version_num')::integer >= 160000 then 'set' else 'member' end`

const rolesSQL = `
select current_user::text, r.rolsuper or r.rolcreaterole,
       exists (select from pg_roles where rolname = $1),
       exists (select from pg_roles where rolname = $3),
       exists (select from pg_roles where rolname = $2 and pg_has_role(current_user, oid, ` + becomeSQL + `)),
       exists (select from pg_roles where rolname = 'rds_iam'),
       current_setting('server_version_num')::integer >= 160000, r.rolsuper
from pg_roles r where r.rolname = current_user`

func readRoles(ctx context.Context, conn *pgx.Conn, app string) (roles, error) {
	r := roles{app: app}
	err := conn.QueryRow(ctx, rolesSQL, app, ownerRole, keeperRole).
		Scan(&r.Current, &r.MayCreate, &r.AppExists, &r.HasKeeper, &r.OwnerUsed, &r.IAMOffered, &r.Options, &r.Super)
	return r, wrap("read the roles", err)
}

// owner returns the role that migrates.
func (r roles) owner() string {
	if r.OwnerUsed {
		return ownerRole
	}
	return r.Current
}

// signers returns the roles that the functions sign in as, of those that exist: with separate roles, the functions' and
// keeperRole.
func (r roles) signers() (names []string) {
	if r.AppExists {
		names = append(names, r.app)
	}
	if r.HasKeeper && r.app != keeperRole {
		names = append(names, keeperRole)
	}
	return names
}

// separate reports whether the functions' role exists and does not own the tables.
func (r roles) separate() bool { return r.AppExists && r.app != r.owner() && r.app != r.Current }

// step is a change that the roles may need.
type step struct {
	name string
	done string // a query that reports whether it is done; empty if unknown
	args []any
	do   string
}

// bootstrap creates the roles and their settings, as far as the current role may. It warns of what is missing.
func (r *Runner) bootstrap(ctx context.Context, conn *pgx.Conn) (warnings []string, err error) {
	before, err := readRoles(ctx, conn, r.cfg.AppUser)
	if err != nil {
		return nil, err
	}
	var steps []step
	if before.MayCreate && r.cfg.AppUser != before.Current {
		steps = r.creation(before)
	}
	for _, s := range steps {
		if warnings, err = perform(ctx, conn, s, warnings); err != nil {
			return nil, err
		}
	}
	now, err := readRoles(ctx, conn, r.cfg.AppUser)
	if err != nil {
		return nil, err
	}
	for _, s := range r.upkeep(now) {
		if warnings, err = perform(ctx, conn, s, warnings); err != nil {
			return nil, err
		}
	}
	if !now.separate() {
		warnings = append(warnings, fmt.Sprintf("the functions share the role %q with the migrator, which may not create one or is "+
			"configured as theirs: nothing in the database keeps them from changing the ledger", now.Current))
	}
	if now.separate() && r.cfg.AppPassword.IsZero() && !now.IAMOffered {
		warnings = append(warnings, fmt.Sprintf("role %q has no password: APP_DATABASE_PASSWORD is empty, and this database does not offer IAM", now.app))
	}
	switch {
	case now.separate() && !now.HasKeeper:
		warnings = append(warnings, fmt.Sprintf("role %q is missing and cannot be created: maintain cannot seal the ledger", keeperRole))
	case now.separate() && r.cfg.KeeperPassword.IsZero() && !now.IAMOffered:
		warnings = append(warnings, fmt.Sprintf("role %q has no password: KEEPER_DATABASE_PASSWORD is empty, and this database does not offer IAM", keeperRole))
	}
	return warnings, nil
}

const roleExistsSQL = `select exists (select from pg_roles where rolname = $1)`

// creation returns the steps that need CREATEROLE.
func (r *Runner) creation(known roles) []step {
	const memberSQL = `select exists (select from pg_auth_members m
		join pg_roles g on g.oid = m.roleid join pg_roles u on u.oid = m.member where g.rolname = $1 and u.rolname = $2)`
	const becomesSQL = "select pg_has_role($1::name, $2::name, " + becomeSQL + ")"
	app, options := r.cfg.AppUser, ""
	if known.Options { // explicit, because createrole_self_grant or a role without inheritance changes the defaults
		options = " with inherit true, set true"
	}
	steps := []step{
		{"create role " + ownerRole, roleExistsSQL, []any{ownerRole}, "create role " + ownerRole + " nologin"},
		{"create role " + migratorRole, roleExistsSQL, []any{migratorRole}, "create role " + migratorRole + " login"},
		{"create the functions' role", roleExistsSQL, []any{app}, "create role " + quote(app) + " login"},
		{"create role " + keeperRole, roleExistsSQL, []any{keeperRole}, "create role " + keeperRole + " login"},
		{"join " + ownerRole, becomesSQL, []any{known.Current, ownerRole}, "grant " + ownerRole + " to current_user" + options},
		{"let " + migratorRole + " own the schema", becomesSQL, []any{migratorRole, ownerRole}, "grant " + ownerRole + " to " + migratorRole + options},
		{"let " + ownerRole + " create tables", "select has_schema_privilege($1::name, 'public', 'create')", []any{ownerRole},
			"grant usage, create on schema public to " + ownerRole},
	}
	steps = append(steps, r.adoption())
	if known.IAMOffered {
		steps = append(steps, step{"let " + migratorRole + " sign in with IAM", memberSQL, []any{"rds_iam", migratorRole}, "grant rds_iam to " + migratorRole})
	}
	// The two roles sign in alike: a role that may use IAM must use it.
	iam := known.IAMOffered && r.cfg.AppPassword.IsZero()
	for _, signer := range []struct {
		role     string
		password config.Sealed
	}{{app, r.cfg.AppPassword}, {keeperRole, r.cfg.KeeperPassword}} {
		switch {
		case iam:
			steps = append(steps, step{"let " + signer.role + " sign in with IAM", memberSQL, []any{"rds_iam", signer.role}, "grant rds_iam to " + quote(signer.role)})
		case !signer.password.IsZero():
			steps = append(steps, step{"set the password of " + signer.role, "", nil,
				"alter role " + quote(signer.role) + " password '" + scramVerifier(signer.password.Reveal()) + "'"})
		}
	}
	return steps
}

const limitSetSQL = `
select exists (
    select from pg_db_role_setting s join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) setting
    where r.rolname = $1 and s.setdatabase = 0 and setting = $2)`

// hiddenSQL revokes what every role of a database may do by default and the functions never need: see and end sessions
// of their role, and store large objects, which no retention deletes. Only a superuser may revoke it, so on RDS it
// stays; health alerts when a large object appears. Monitoring keeps its rights.
const hiddenSQL = `
do $$
declare f regprocedure;
begin
    for f in select oid from pg_proc where pronamespace = 'pg_catalog'::regnamespace and (` + largeObjectsSQL + ` or proname in (
        'pg_stat_get_activity', 'pg_terminate_backend', 'pg_cancel_backend'))
    loop
        execute format('revoke execute on function %s from public', f);
    end loop;
    grant execute on function pg_terminate_backend, pg_cancel_backend to pg_signal_backend;
    grant execute on function pg_stat_get_activity to pg_read_all_stats;
    revoke select on pg_stat_activity from public;
    grant select on pg_stat_activity to pg_read_all_stats;
end
$$`

// largeObjectsSQL selects the functions of large objects (PostgreSQL documentation, "Large Objects").
const largeObjectsSQL = `proname ~ '^lo(_|read$|write$)'`

const hiddenDoneSQL = `
select not exists (
    select from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
    where p.pronamespace = 'pg_catalog'::regnamespace and a.grantee = 0
      and (` + largeObjectsSQL + ` or proname in ('pg_stat_get_activity', 'pg_terminate_backend', 'pg_cancel_backend')))`

// upkeep returns the steps for every run, with whatever rights there are. The limits are set on the role in all
// databases, so that they also apply in a database that was restored under another name.
func (r *Runner) upkeep(known roles) []step {
	database := quote(r.conn.Database)
	steps := []step{
		{"keep others from creating tables", "select not has_schema_privilege('public', 'public', 'create')", nil,
			"revoke create on schema public from public"},
		{"keep others from creating temporary tables and functions", "select not has_database_privilege('public', current_database(), 'temporary')", nil,
			"revoke temporary on database " + database + " from public"},
	}
	if known.Super {
		steps = append(steps, step{"hide sessions and large objects", hiddenDoneSQL, nil, hiddenSQL})
	}
	for _, role := range known.signers() {
		steps = append(steps,
			step{"let " + role + " connect", "select has_database_privilege($1::name, current_database(), 'connect')", []any{role},
				"grant connect on database " + database + " to " + quote(role)},
			step{"let " + role + " use the schema", "select has_schema_privilege($1::name, 'public', 'usage')", []any{role},
				"grant usage on schema public to " + quote(role)})
		for _, l := range limits {
			steps = append(steps, step{"set " + l.name + " of role " + role, limitSetSQL, []any{role, l.name + "=" + l.value},
				"alter role " + quote(role) + " set " + l.name + " = '" + l.value + "'"})
		}
	}
	return steps
}

// raced lists the errors of a concurrent migrator: already exists (twice), "tuple concurrently updated", and a table
// in use.
var raced = []string{"42710", "23505", "XX000", "55P03"}

// perform runs s unless it is done. A missing right is a warning, not an error.
//
// Roles belong to the whole server, so migrators of several databases may run the same step at once. PostgreSQL then
// fails one or both of them; a retry finds the step done.
func perform(ctx context.Context, conn *pgx.Conn, s step, warnings []string) ([]string, error) {
	const tries, pause = 10, 100 * time.Millisecond
	for try := 1; ; try++ {
		if s.done != "" {
			var done bool
			if err := conn.QueryRow(ctx, s.done, s.args...).Scan(&done); err != nil {
				return warnings, fmt.Errorf("%s: %w", s.name, err)
			}
			if done {
				return warnings, nil
			}
		}
		_, err := conn.Exec(ctx, s.do)
		if err == nil {
			return warnings, nil
		}
		refused, ok := errors.AsType[*pgconn.PgError](err)
		if ok && refused.Code == "42501" { // insufficient_privilege
			return append(warnings, fmt.Sprintf("not allowed to %s: %s", s.name, refused.Message)), nil
		}
		if !ok || !slices.Contains(raced, refused.Code) || try == tries {
			return warnings, fmt.Errorf("%s: %w", s.name, err)
		}
		select {
		case <-ctx.Done():
			return warnings, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// quote quotes an identifier.
func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
