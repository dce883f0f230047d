package migrations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// ownerRole owns the schema. Nobody signs in as it: a role that may use IAM must sign in with IAM, and so must every
	// role that it was granted to, so the owner must not be the role that signs in.
	ownerRole = "newsletter_owner"
	// migratorRole signs in to migrate and is a member of ownerRole.
	migratorRole = "migrator"
)

// limits are the settings of the functions' role and their values where the owner of the site set none. RDS Proxy refuses
// them when a connection is opened, and passes no cancel request on, so they are what stops a statement.
//
// The first is below the time that a transaction has in all, so that the server gives up before its client does. The last
// outlasts the pause between two round trips by far, and frees the rows of an environment that was frozen in between.
var limits = []struct{ name, value string }{
	{"statement_timeout", "3s"},
	{"lock_timeout", "1s"},
	{"idle_in_transaction_session_timeout", "5s"},
}

// roles is what the database says about who is who.
type roles struct {
	Current    string // who is signed in
	MayCreate  bool   // roles
	AppExists  bool
	OwnerUsed  bool // ownerRole exists and the current role may become it
	IAMOffered bool // the database knows rds_iam
	Options    bool // memberships have options (PostgreSQL 16)
	app        string
}

// becomeSQL is what pg_has_role is asked for: whether a role may "set role" to another one. Since PostgreSQL 16 that is an
// option of a membership, and whoever creates a role is a member without it.
const becomeSQL = `case when current_setting('server_version_num')::integer >= 160000 then 'set' else 'member' end`

const rolesSQL = `
select current_user::text, r.rolsuper or r.rolcreaterole,
       exists (select from pg_roles where rolname = $1),
       exists (select from pg_roles where rolname = $2 and pg_has_role(current_user, oid, ` + becomeSQL + `)),
       exists (select from pg_roles where rolname = 'rds_iam'),
       current_setting('server_version_num')::integer >= 160000
from pg_roles r where r.rolname = current_user`

func readRoles(ctx context.Context, conn *pgx.Conn, app string) (roles, error) {
	r := roles{app: app}
	err := conn.QueryRow(ctx, rolesSQL, app, ownerRole).Scan(&r.Current, &r.MayCreate, &r.AppExists, &r.OwnerUsed, &r.IAMOffered, &r.Options)
	return r, wrap("read the roles", err)
}

// owner is the role that migrates.
func (r roles) owner() string {
	if r.OwnerUsed {
		return ownerRole
	}
	return r.Current
}

// separate says that the functions' role exists and is not the one that owns the tables.
func (r roles) separate() bool { return r.AppExists && r.app != r.owner() && r.app != r.Current }

// step is one thing that the roles need.
type step struct {
	name string
	done string // a query for whether it is so already; empty: never known
	args []any
	do   string
}

// bootstrap makes the roles and what they need, as far as the current role may. What is missing becomes a warning.
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
		warnings = append(warnings, fmt.Sprintf("the functions have no role of their own beside %q, which may not create one or was "+
			"named as theirs: nothing in the database keeps them from changing the ledger", now.Current))
	}
	if now.separate() && r.cfg.AppPassword.IsZero() && !now.IAMOffered {
		warnings = append(warnings, fmt.Sprintf("role %q is given no password: APP_DATABASE_PASSWORD is empty, and this database does not offer IAM", now.app))
	}
	return warnings, nil
}

const roleExistsSQL = `select exists (select from pg_roles where rolname = $1)`

// creation is what only a role with CREATEROLE can do.
func (r *Runner) creation(known roles) []step {
	const memberSQL = `select exists (select from pg_auth_members m
		join pg_roles g on g.oid = m.roleid join pg_roles u on u.oid = m.member where g.rolname = $1 and u.rolname = $2)`
	const becomesSQL = "select pg_has_role($1::name, $2::name, " + becomeSQL + ")"
	app, options := r.cfg.AppUser, ""
	if known.Options { // named, because createrole_self_grant or a role without inheritance would have them otherwise
		options = " with inherit true, set true"
	}
	steps := []step{
		{"create role " + ownerRole, roleExistsSQL, []any{ownerRole}, "create role " + ownerRole + " nologin"},
		{"create role " + migratorRole, roleExistsSQL, []any{migratorRole}, "create role " + migratorRole + " login"},
		{"create the functions' role", roleExistsSQL, []any{app}, "create role " + quote(app) + " login"},
		{"join " + ownerRole, becomesSQL, []any{known.Current, ownerRole}, "grant " + ownerRole + " to current_user" + options},
		{"let " + migratorRole + " own the schema", becomesSQL, []any{migratorRole, ownerRole}, "grant " + ownerRole + " to " + migratorRole + options},
		{"let " + ownerRole + " create tables", "select has_schema_privilege($1::name, 'public', 'create')", []any{ownerRole},
			"grant usage, create on schema public to " + ownerRole},
	}
	steps = append(steps, r.adoption())
	if known.IAMOffered {
		steps = append(steps, step{"let " + migratorRole + " sign in with IAM", memberSQL, []any{"rds_iam", migratorRole}, "grant rds_iam to " + migratorRole})
	}
	switch {
	case !r.cfg.AppPassword.IsZero():
		steps = append(steps, step{"set the functions' password", "", nil,
			"alter role " + quote(app) + " password '" + scramVerifier(r.cfg.AppPassword.Reveal()) + "'"})
	case known.IAMOffered:
		steps = append(steps, step{"let the functions sign in with IAM", memberSQL, []any{"rds_iam", app}, "grant rds_iam to " + quote(app)})
	}
	return steps
}

// adoption hands over the tables of an earlier run that had no owner's role.
func (r *Runner) adoption() step {
	names := "'" + strings.Join(append(tableNames(r.texts.schema), bookkeeping...), "', '") + "'"
	const oursSQL = `from pg_tables where schemaname = 'public' and tableowner = current_user and tablename in (`
	return step{
		name: "hand the tables over to " + ownerRole,
		done: "select not exists (select " + oursSQL + names + "))",
		do: "do $$ declare t text; begin for t in select tablename " + oursSQL + names +
			") loop execute format('alter table %I owner to " + ownerRole + "', t); end loop; end $$",
	}
}

// A limit counts as set whatever its value: the owner of the site may know better.
const limitSetSQL = `
select exists (
    select from pg_db_role_setting s join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) setting
    where r.rolname = $1 and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
      and setting like $2 || '=%' and setting !~ '=0+[a-z]*$')`

// upkeep is what is checked each time, with whatever rights there are. The limits stand on the role in all databases, so
// that they also hold in a database that was restored under another name.
func (r *Runner) upkeep(known roles) []step {
	steps := []step{
		{"keep others from creating tables", "select not has_schema_privilege('public', 'public', 'create')", nil,
			"revoke create on schema public from public"},
	}
	if !known.AppExists {
		return steps
	}
	app := quote(r.cfg.AppUser)
	steps = append(steps,
		step{"let the functions connect", "select has_database_privilege($1::name, current_database(), 'connect')", []any{r.cfg.AppUser},
			"grant connect on database " + quote(r.conn.Database) + " to " + app},
		step{"let the functions use the schema", "select has_schema_privilege($1::name, 'public', 'usage')", []any{r.cfg.AppUser},
			"grant usage on schema public to " + app})
	for _, l := range limits {
		steps = append(steps, step{"set " + l.name + " of role " + r.cfg.AppUser, limitSetSQL, []any{r.cfg.AppUser, l.name},
			"alter role " + app + " set " + l.name + " = '" + l.value + "'"})
	}
	return steps
}

// raced are the codes of having been second: exists by now (twice), "tuple concurrently updated", and a table in use.
var raced = []string{"42710", "23505", "XX000", "55P03"}

// perform does s unless it is done. That the current role may not is a warning, not an error.
//
// Roles belong to the whole server, so a migrator of another database may be doing the same: PostgreSQL then fails the
// later one, or both, and trying again finds it done.
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

// quote makes an identifier of a name.
func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
