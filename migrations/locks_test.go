package migrations_test

import (
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/testenv"
	"newsletter/migrations"
)

// The functions keep running during a migration, so whatever blocks them must take no time: a transaction that locks
// a table neither reads a table through nor writes rows. It does not backfill, rewrite, validate or build an index.
// The tests ask the server what a statement does, so they need no complete list of rules. They cover all tables that
// existed before the migration, because the functions' role uses each of them.

func TestNoMigrationFillsUnderALock(t *testing.T) {
	t.Parallel()
	conn := testenv.EmptyPostgres(t).Conn(t)
	names, err := fs.Glob(migrations.Embedded(), "*.sql")
	if err != nil || len(names) == 0 {
		t.Fatalf("%q %v", names, err)
	}
	faults := map[string][]string{}
	var downs []func()
	for _, name := range names {
		content, err := fs.ReadFile(migrations.Embedded(), name)
		if err != nil {
			t.Fatal(err)
		}
		up, down := parts(string(content))
		faults[name] = faultsOf(t, conn, up)
		downs = append(downs, func() { faults[name] = append(faults[name], faultsOf(t, conn, down)...) })
	}
	for _, down := range slices.Backward(downs) {
		down()
	}
	for _, name := range names {
		if len(faults[name]) > 0 {
			t.Errorf("%s:\n%s", name, strings.Join(faults[name], "\n"))
		}
	}
}

// TestFaultsUnderALock uses the names that squawk and strong_migrations give such faults, where they have one.
func TestFaultsUnderALock(t *testing.T) {
	t.Parallel()
	const before = `
create table person (id int primary key, at timestamptz, team int, size int);
alter table person add constraint person_size_check check (size > 0) not valid;
create table team (id int primary key);
create unique index team_twin on team (id);`
	db := testenv.EmptyPostgres(t)
	conn := db.Conn(t)
	if _, err := conn.Exec(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"backfill":                             "alter table person add column a int;\nupdate person set a = id;",
		"backfill, first":                      "delete from person;\nalter table person add column a int;",
		"backfill of another table":            "alter table person add column a int;\ninsert into team values (1);",
		"backfill of a new table":              "create table fresh (id int);\nalter table person add column a int;\ninsert into fresh values (1);",
		"backfill by code":                     "-- +goose StatementBegin\ndo $$ begin\nalter table person add column a int;\nupdate person set a = 1;\nend $$;\n-- +goose StatementEnd",
		"reading another table":                "alter table person add column a int;\ncreate table fresh as select id from team;",
		"adding-not-nullable-field":            "alter table person alter column at set not null;",
		"primary key":                          "alter table person drop constraint person_pkey;\nalter table person add primary key (id);",
		"constraint-missing-not-valid":         "alter table person add constraint past check (at < now());",
		"a check of a new column":              "alter table person add column a int check (a > 0);",
		"validation with another change":       "alter table person add column a int;\nalter table person validate constraint person_size_check;",
		"adding-foreign-key-constraint":        "alter table person add constraint team foreign key (team) references team;",
		"adding-field-with-default (volatile)": "alter table person add column a uuid default gen_random_uuid();",
		"adding-serial-primary-key-field":      "alter table person add column a serial;",
		"identity":                             "alter table person add column a int generated always as identity;",
		"stored generated column":              "alter table person add column a int generated always as (id + 1) stored;",
		"changing-column-type":                 "alter table person alter column id type bigint;",
		"require-concurrent-index-creation":    "create index person_at on person (at);",
		"disallowed-unique-constraint":         "alter table person add unique (team);",
		"exclusion constraint":                 "alter table person add exclude using btree (team with =);",
		"rewriting":                            "cluster person using person_pkey;",
		"without a transaction":                "-- +goose NO TRANSACTION\nalter table person alter column at set not null;\nalter table person alter column at drop not null;",
	} {
		if faults := judged(t, conn, text); len(faults) == 0 {
			t.Errorf("%s: no fault was found in %s", name, text)
		} else {
			t.Logf("%s: %s", name, strings.Join(faults, "; "))
		}
	}
	for name, text := range map[string]string{
		"a column":                   "alter table person add column a int;\ncomment on column person.a is 'why';",
		"a column with a constant":   "alter table person add column a int not null default 7;",
		"a check to validate later":  "alter table person add constraint past check (at < now()) not valid;",
		"a foreign key to validate":  "alter table person add constraint team foreign key (team) references team not valid;",
		"validation by itself":       "alter table person validate constraint person_size_check;",
		"a proven not null":          "alter table person alter column id set not null;",
		"a unique constraint":        "alter table team add constraint one unique using index team_twin;",
		"new tables":                 "create table fresh (id int primary key, team int references team);\ncreate index fresh_team on fresh (team);",
		"a filled new table":         "create table fresh (id int);\ninsert into fresh select id from team;",
		"a backfill alone":           "update person set team = 1;",
		"an index, concurrently":     "-- +goose NO TRANSACTION\ncreate index concurrently person_at on person (at);\ndrop index concurrently person_at;",
		"ends":                       "alter table person drop column at;\ndrop table team;",
		"a look before the change":   "-- +goose StatementBegin\ndo $$ begin\nif exists (select from team) then raise exception 'full';\nend if;\nend $$;\n-- +goose StatementEnd\ndrop table team;",
		"a semicolon in a comment":   "drop table team; -- it is empty; always\nalter table person drop column at;",
		"renaming, which is no fill": "alter table person rename column at to since;",
	} {
		if faults := judged(t, conn, text); len(faults) > 0 {
			t.Errorf("%s: %q", name, faults)
		}
	}
}

// judged runs faultsOf and rolls back what a transaction did.
func judged(t *testing.T, conn *pgx.Conn, text string) []string {
	t.Helper()
	if strings.Contains(text, noTransaction) {
		return faultsOf(t, conn, text)
	}
	if _, err := conn.Exec(t.Context(), "begin"); err != nil {
		t.Fatal(err)
	}
	faults := transactionFaults(t, conn, statements(text))
	if _, err := conn.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	return faults
}

const noTransaction = "-- +goose NO TRANSACTION"

// parts splits a file into up and down. Each part keeps the file's NO TRANSACTION annotation.
func parts(content string) (up, down string) {
	head, rest, _ := strings.Cut(content, "-- +goose Up")
	up, down, _ = strings.Cut(rest, "-- +goose Down")
	if strings.Contains(head, noTransaction) {
		up, down = noTransaction+"\n"+up, noTransaction+"\n"+down
	}
	return up, down
}

var (
	comment = regexp.MustCompile(`--[^\n]*`)
	end     = regexp.MustCompile(`;\s*(\n|$)`)
)

// statements splits a part as goose does: at semicolons at the end of a line, except between goose's statement
// annotations.
func statements(part string) []string {
	var all []string
	for i, section := range strings.Split(part, "-- +goose StatementBegin") {
		plain := section
		if i > 0 {
			whole, after, _ := strings.Cut(section, "-- +goose StatementEnd")
			all, plain = append(all, whole), after
		}
		for _, statement := range end.Split(comment.ReplaceAllString(plain, ""), -1) {
			if statement = strings.Join(strings.Fields(statement), " "); statement != "" {
				all = append(all, statement)
			}
		}
	}
	return all
}

// faultsOf applies a part of a file and returns its faults. Without a transaction each statement is a group of its own;
// concurrent statements are exempt, because they block nobody.
func faultsOf(t *testing.T, conn *pgx.Conn, part string) (faults []string) {
	t.Helper()
	exec := func(statement string) {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	groups := [][]string{statements(part)}
	if strings.Contains(part, noTransaction) {
		groups = slices.Collect(slices.Chunk(groups[0], 1))
	}
	for _, group := range groups {
		if len(group) == 1 && strings.Contains(group[0], " concurrently ") {
			exec(group[0])
			continue
		}
		exec("begin")
		faults = append(faults, transactionFaults(t, conn, group)...)
		exec("commit")
	}
	return faults
}

// What a transaction holds and has done: the tables that it blocks for writers, by the conflicting modes
// ("Table-Level Lock Modes" in PostgreSQL's manual); the tables it wrote to; and how often it read each table that
// existed before, by a scan or by an index.
const (
	tablesSQL = `select coalesce(array_agg(oid), '{}') from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`
	heldSQL   = `
select coalesce(array_agg(distinct c.relname::text) filter (where c.oid = any($1::oid[]) and mode <> 'RowExclusiveLock'), '{}'),
       coalesce(array_agg(distinct c.relname::text) filter (where mode = 'RowExclusiveLock'), '{}')
from pg_locks l join pg_class c on c.oid = l.relation
where l.pid = pg_backend_pid() and c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
  and mode in ('RowExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')`
	readSQL = `
select relname::text, seq_scan + coalesce(idx_scan, 0) from pg_stat_xact_user_tables where relid = any($1::oid[])`
)

// transactionFaults runs statements in the open transaction and returns what they do under a lock.
func transactionFaults(t *testing.T, conn *pgx.Conn, group []string) (faults []string) {
	t.Helper()
	var before []uint32
	if err := conn.QueryRow(t.Context(), tablesSQL).Scan(&before); err != nil {
		t.Fatal(err)
	}
	var locked, written []string
	reads := readsOf(t, conn, before)
	for _, statement := range group {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		if err := conn.QueryRow(t.Context(), heldSQL, before).Scan(&locked, &written); err != nil {
			t.Fatal(err)
		}
		now := readsOf(t, conn, before)
		for _, table := range slices.Sorted(maps.Keys(now)) {
			if now[table] > reads[table] && len(locked) > 0 {
				faults = append(faults, fmt.Sprintf("%q reads %s while it locks %s", statement, table, strings.Join(locked, ", ")))
			}
		}
		reads = now
	}
	if len(locked) > 0 && len(written) > 0 {
		faults = append(faults, fmt.Sprintf("it writes rows of %s and locks %s", strings.Join(written, ", "), strings.Join(locked, ", ")))
	}
	return faults
}

func readsOf(t *testing.T, conn *pgx.Conn, tables []uint32) map[string]int64 {
	t.Helper()
	rows, err := conn.Query(t.Context(), readSQL, tables)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	var table string
	var count int64
	if _, err := pgx.ForEachRow(rows, []any{&table, &count}, func() error {
		counts[table] = count
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return counts
}
