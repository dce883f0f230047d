package migrations

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// bookkeeping lists goose's and our own tables, which no migration creates.
var bookkeeping = []string{"goose_db_version", "goose_lock", "migration_checksums"}

// The schema, one line per object, in terms that do not depend on the version of PostgreSQL. Objects of extensions are
// excluded.
const schemaSQL = `
with mine as (
    select c.oid, c.relname::text as name, c.relkind, c.relrowsecurity
    from pg_class c
    where c.relnamespace = 'public'::regnamespace
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
), tables as (
    select * from mine where relkind in ('r', 'p') and name <> all ($1::text[])
)
select line from (
    select 'table ' || name || case when relrowsecurity then ' with row security' else '' end as line from tables
    union all
    select format('column %s.%s %s%s%s%s%s', t.name, a.attname, format_type(a.atttypid, a.atttypmod),
                  case when a.attcollation <> y.typcollation then ' collate ' || a.attcollation::regcollation else '' end,
                  case when a.attnotnull then ' not null' else '' end,
                  case when a.attidentity <> '' then ' identity' else '' end,
                  case a.attgenerated when '' then coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
                                      else ' generated ' || pg_get_expr(d.adbin, d.adrelid) end)
    from tables t join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    join pg_type y on y.oid = a.atttypid
    left join pg_attrdef d on d.adrelid = t.oid and d.adnum = a.attnum
    union all
    select format('constraint %s.%s %s', t.name, k.conname, pg_get_constraintdef(k.oid))
    from tables t join pg_constraint k on k.conrelid = t.oid and k.contype <> 'n'
    union all
    select 'index ' || pg_get_indexdef(i.indexrelid) || case when i.indisvalid then '' else ' (invalid: its creation did not finish)' end
    from tables t join pg_index i on i.indrelid = t.oid
    where not exists (select from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
    union all
    select format('trigger %s.%s %s', t.name, g.tgname, pg_get_triggerdef(g.oid))
    from tables t join pg_trigger g on g.tgrelid = t.oid and not g.tgisinternal
    union all
    select 'view ' || name || ' ' || md5(pg_get_viewdef(oid)) from mine where relkind in ('v', 'm')
    union all
    select 'sequence ' || m.name from mine m
    where m.relkind = 'S' and not exists (select from pg_depend d where d.objid = m.oid and d.deptype = 'i')
    union all
    select format('function %s(%s) returns %s, %s %s%s%s, source %s', p.proname, pg_get_function_identity_arguments(p.oid),
                  pg_get_function_result(p.oid), l.lanname, p.provolatile, case when p.prosecdef then ' as its owner' else '' end,
                  coalesce(' with ' || array_to_string(p.proconfig, ', '), ''), md5(p.prosrc))
    from pg_proc p join pg_language l on l.oid = p.prolang
    where p.pronamespace = 'public'::regnamespace
      and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
    union all
    select 'type ' || typname || coalesce((select ' ' || string_agg(enumlabel, ', ' order by enumsortorder) from pg_enum where enumtypid = y.oid), '')
    from pg_type y where y.typnamespace = 'public'::regnamespace and y.typtype in ('e', 'd', 'r')
      and not exists (select from pg_depend d where d.classid = 'pg_type'::regclass and d.objid = y.oid and d.deptype = 'e')
) as everything order by line collate "C"`

// querier is a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// describe reads the live schema.
func describe(ctx context.Context, db querier) ([]string, error) {
	return lines(ctx, db, schemaSQL, bookkeeping)
}

// checkSchema lists where the live schema differs from the expected one.
func (s *session) checkSchema(ctx context.Context) ([]string, error) {
	have, err := describe(ctx, s.db)
	if err != nil {
		return nil, err
	}
	missing, extra := difference(have, slices.Collect(strings.Lines(s.texts.schema)))
	return append(prefixed("schema: missing: ", missing), prefixed("schema: not of a migration: ", extra)...), nil
}

// namesOf lists the objects of one kind ("table ", "function ") in a schema's description.
func namesOf(kind, schema string) []string {
	var names []string
	for line := range strings.Lines(schema) {
		if rest, found := strings.CutPrefix(line, kind); found {
			name, _, _ := strings.Cut(strings.Fields(rest)[0], "(")
			names = append(names, name)
		}
	}
	return names
}

// lines returns the rows of a query with one text column.
func lines(ctx context.Context, db querier, query string, args ...any) ([]string, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, fmt.Errorf("read the catalog: %w", err)
		}
		all = append(all, line)
	}
	return all, wrap("read the catalog", rows.Err())
}

// difference compares two lists of lines.
func difference(have, want []string) (missing, extra []string) {
	count := map[string]int{}
	for _, line := range want {
		count[strings.TrimRight(line, "\n")]++
	}
	for _, line := range have {
		if count[line]--; count[line] < 0 {
			extra = append(extra, line)
		}
	}
	for _, line := range want {
		if line = strings.TrimRight(line, "\n"); count[line] > 0 {
			missing = append(missing, line)
			count[line]--
		}
	}
	return missing, extra
}

func prefixed(prefix string, all []string) []string {
	for i := range all {
		all[i] = prefix + all[i]
	}
	return all
}
