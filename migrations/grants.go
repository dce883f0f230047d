package migrations

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// grant applies grants.sql, after transferring tables that are older than the owner role to it.
func (s *session) grant(ctx context.Context) error {
	if !s.roles.separate() {
		return nil
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("grant: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // a no-op after Commit; before it, the returned error matters more
	if err := s.applyGrants(ctx, tx); err != nil {
		return err
	}
	return wrap("grant", tx.Commit())
}

func (s *session) applyGrants(ctx context.Context, tx *sql.Tx) error {
	app, keeper := quote(s.cfg.AppUser), "current_user" // a grant to the owner of the tables has no effect
	if s.roles.HasKeeper {
		app, keeper = app+", "+keeperRole, keeperRole
	}
	_, err := tx.ExecContext(ctx, strings.NewReplacer("{app}", app, "{keeper}", keeper).Replace(s.texts.grants))
	return wrap("grants.sql", err)
}

// The rights of the functions' roles and of public on relations, columns and privileged functions, one line per right.
const rightsSQL = `
select format('%s may %s %s%s', coalesce(g.rolname, 'everybody'), lower(a.privilege_type), o.name,
              case when a.is_grantable then ', and pass that on' else '' end)
from (
    select c.relname::text as name, coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's'::"char" else 'r'::"char" end, c.relowner)) as acl
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relowner = current_user::regrole and c.relkind in ('r', 'p', 'v', 'm', 'S')
    union all
    select c.relname || '.' || t.attname, t.attacl
    from pg_class c join pg_attribute t on t.attrelid = c.oid
    where c.relnamespace = 'public'::regnamespace and c.relowner = current_user::regrole and t.attacl is not null
    union all
    select p.proname, coalesce(p.proacl, acldefault('f', p.proowner))
    from pg_proc p where p.pronamespace = 'public'::regnamespace and p.proowner = current_user::regrole and p.prosecdef
) o, aclexplode(o.acl) a left join pg_roles g on g.oid = a.grantee
where a.grantee = 0 or g.rolname = any ($1::text[])
order by 1`

func (s *session) rights(ctx context.Context, db querier) ([]string, error) {
	return lines(ctx, db, rightsSQL, s.roles.signers())
}

// checkGrants lists differences from grants.sql. It applies the file, compares, and rolls back.
func (s *session) checkGrants(ctx context.Context) ([]string, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("check the grants: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // a trial
	have, err := s.rights(ctx, tx)
	if err != nil {
		return nil, err
	}
	if err := s.applyGrants(ctx, tx); err != nil {
		return nil, err
	}
	want, err := s.rights(ctx, tx)
	if err != nil {
		return nil, err
	}
	missing, extra := difference(have, want)
	return append(prefixed("right is missing: ", missing), prefixed("right is too much: ", extra)...), nil
}

// Powers of a role that no statement of grants.sql can revoke.
const powersSQL = `
select 'role ' || rolname || ' is a superuser' from pg_roles where rolname = $1 and rolsuper
union all select 'role ' || rolname || ' may create roles' from pg_roles where rolname = $1 and rolcreaterole
union all select 'role ' || rolname || ' may bypass row security' from pg_roles where rolname = $1 and rolbypassrls
union all select 'role ' || rolname || ' may create tables' from pg_roles where rolname = $1 and has_schema_privilege(oid, 'public', 'create')
union all select 'role ' || rolname || ' may create temporary tables' from pg_roles
    where rolname = $1 and has_database_privilege(oid, current_database(), 'temporary')
union all select 'role ' || u.rolname || ' is a member of ' || o.rolname from pg_roles u, pg_roles o
    where u.rolname = $1 and o.rolname <> $1 and o.rolname <> 'rds_iam' and not u.rolsuper and pg_has_role(u.oid, o.oid, 'member')`

// checkRoles lists the problems of the functions' roles.
func (s *session) checkRoles(ctx context.Context) (problems []string, err error) {
	if !s.roles.HasKeeper {
		problems = append(problems, fmt.Sprintf("role %s does not exist", keeperRole))
	}
	for _, role := range s.roles.signers() {
		powers, err := lines(ctx, s.db, powersSQL, role)
		if err != nil {
			return nil, err
		}
		problems = append(problems, powers...)
		for _, l := range limits {
			var set bool
			if err := s.db.QueryRowContext(ctx, limitSetSQL, role, l.name+"="+l.value).Scan(&set); err != nil {
				return nil, fmt.Errorf("read the limits of the role: %w", err)
			}
			if !set {
				problems = append(problems, fmt.Sprintf("role %s has no %s of %s", role, l.name, l.value))
			}
		}
	}
	return problems, nil
}
