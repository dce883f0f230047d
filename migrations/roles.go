package migrations

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// bootstrapLock is the advisory lock under which roles and grants are written: PostgreSQL fails two sessions that alter
// one role at a time. The number is arbitrary, and ours.
const bootstrapLock = 7239146051

// roleSettings are the limits of the functions' role. They stand on the role, because RDS Proxy refuses them when a
// connection is opened and because a client-side cancel does not pass it.
var roleSettings = map[string]string{
	"statement_timeout":                   "5s",
	"lock_timeout":                        "2s",
	"idle_in_transaction_session_timeout": "10s",
}

// insufficientPrivilege is PostgreSQL's code for what a role may not do.
const insufficientPrivilege = "42501"

// bootstrap makes the functions' role where it may, and sets its limits and grants. Where roles may not be made and the
// role is missing, the functions have to use this one, and that is a warning: then nothing keeps them from changing the
// ledger.
func (r *Runner) bootstrap(ctx context.Context) ([]string, error) {
	conn, err := pgx.ConnectConfig(ctx, r.conn.Copy())
	if err != nil {
		return nil, fmt.Errorf("connect to set up roles: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var warnings []string
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", int64(bootstrapLock)); err != nil {
			return fmt.Errorf("lock the roles: %w", err)
		}
		found, err := r.ensureRole(ctx, tx)
		if err != nil {
			return err
		}
		if !found {
			warnings = append(warnings, fmt.Sprintf("role %q does not exist and may not be created: the functions must sign in as the migrating role, which can change the ledger", r.cfg.AppUser))
			return nil
		}
		if warning, err := r.limitRole(ctx, tx); err != nil {
			return err
		} else if warning != "" {
			warnings = append(warnings, warning)
		}
		app := pgx.Identifier{r.cfg.AppUser}.Sanitize()
		if _, err := tx.Exec(ctx, strings.ReplaceAll(grants, "{app}", app)); err != nil {
			return fmt.Errorf("grants.sql: %w", err)
		}
		return nil
	})
	return warnings, err
}

// attempt runs a statement that this role may not be allowed to run; then it reports false.
func attempt(ctx context.Context, tx pgx.Tx, statement string) (bool, error) {
	err := pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
		_, err := savepoint.Exec(ctx, statement)
		return err
	})
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == insufficientPrivilege {
		return false, nil
	}
	return err == nil, err
}

func (r *Runner) ensureRole(ctx context.Context, tx pgx.Tx) (bool, error) {
	var exists, iam bool
	err := tx.QueryRow(ctx, `select exists (select 1 from pg_roles where rolname = $1), exists (select 1 from pg_roles where rolname = 'rds_iam')`,
		r.cfg.AppUser).Scan(&exists, &iam)
	if err != nil {
		return false, fmt.Errorf("look for the role: %w", err)
	}
	app := pgx.Identifier{r.cfg.AppUser}.Sanitize()
	if !exists {
		if exists, err = attempt(ctx, tx, "create role "+app+" login"); err != nil || !exists {
			return false, wrap("create the role", err)
		}
	}
	if !r.cfg.AppPassword.IsZero() {
		quoted := "'" + strings.ReplaceAll(r.cfg.AppPassword.Reveal(), "'", "''") + "'"
		if strings.ContainsAny(quoted, "\\\x00") {
			return false, errors.New("APP_DATABASE_PASSWORD: backslash and NUL are not allowed")
		}
		_, err = attempt(ctx, tx, "alter role "+app+" password "+quoted)
		return true, wrap("set the role's password", err)
	}
	if iam {
		_, err = attempt(ctx, tx, "grant rds_iam to "+app)
		return true, wrap("let the role sign in with IAM", err)
	}
	return true, nil
}

// limitRole sets the limits that are not set yet.
func (r *Runner) limitRole(ctx context.Context, tx pgx.Tx) (warning string, err error) {
	missing, err := missingSettings(ctx, tx, r.cfg.AppUser)
	if err != nil {
		return "", err
	}
	app := pgx.Identifier{r.cfg.AppUser}.Sanitize()
	for _, name := range missing {
		allowed, err := attempt(ctx, tx, fmt.Sprintf("alter role %s set %s = '%s'", app, name, roleSettings[name]))
		if err != nil {
			return "", fmt.Errorf("limit the role: %w", err)
		}
		if !allowed {
			return fmt.Sprintf("the limits of role %q may not be set: set them as its administrator", r.cfg.AppUser), nil
		}
	}
	return "", nil
}

const roleSettingsSQL = `
select coalesce(array_agg(setting), '{}')
from pg_db_role_setting s join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) as setting
where r.rolname = $1 and s.setdatabase = 0`

// querier is a connection or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func missingSettings(ctx context.Context, q querier, role string) ([]string, error) {
	var set []string
	if err := q.QueryRow(ctx, roleSettingsSQL, role).Scan(&set); err != nil {
		return nil, fmt.Errorf("read the role's limits: %w", err)
	}
	var missing []string
	for _, name := range []string{"idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout"} {
		want, found := name+"="+roleSettings[name], false
		for _, have := range set {
			found = found || have == want
		}
		if !found {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
