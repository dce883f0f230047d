package migrations_test

import (
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"newsletter/internal/fixtures/testenv"
	"newsletter/migrations"
)

func TestChangedFilesAreRefused(t *testing.T) {
	t.Parallel()
	db := testenv.EmptyPostgres(t)
	files := fstest.MapFS{"0001_a.sql": sql("-- +goose Up\ncreate table a (id int);\n-- +goose Down\ndrop table a;\n")}
	run(t, of(t, db, files).Up)
	changed := fstest.MapFS{
		"0001_a.sql": sql("-- +goose Up\ncreate table a (id bigint);\n-- +goose Down\ndrop table a;\n"),
		"0002_b.sql": sql("-- +goose Up\ncreate table b (id int);\n-- +goose Down\ndrop table b;\n"),
	}
	r := of(t, db, changed)
	const problem = "0001_a.sql: changed after it was applied"
	if result, err := r.Up(t.Context()); err == nil || !slices.Contains(result.Problems, problem) || result.Version != 1 {
		t.Errorf("up: %v %+v", err, result)
	}
	for name, command := range map[string]func(context.Context) (migrations.Result, error){"status": r.Status, "validate": r.Validate} {
		if result := run(t, command); result.OK || !slices.Contains(result.Problems, problem) {
			t.Errorf("%s: %+v", name, result)
		}
	}
}

// TestADatabaseAheadIsLeftAlone checks that an older release that is deployed again finds nothing to do and removes
// nothing.
func TestADatabaseAheadIsLeftAlone(t *testing.T) {
	t.Parallel()
	db := testenv.EmptyPostgres(t)
	old := fstest.MapFS{"0001_a.sql": sql("-- +goose Up\ncreate table a (id int);\n-- +goose Down\ndrop table a;\n")}
	fresh := fstest.MapFS{"0001_a.sql": old["0001_a.sql"], "0002_b.sql": sql("-- +goose Up\ncreate table b (id int);\n-- +goose Down\ndrop table b;\n")}
	run(t, of(t, db, fresh).Up)
	r := of(t, db, old)
	if result := run(t, r.Up); !result.OK || result.Version != 2 || result.Target != 1 || !strings.Contains(strings.Join(result.Warnings, ""), "2 0002_b.sql") {
		t.Errorf("up: %+v", result)
	}
	if result := run(t, r.Status); states(result) != "1 applied, 2 newer" {
		t.Errorf("status: %+v", result)
	}
	if _, err := r.Down(t.Context()); err == nil || !strings.Contains(err.Error(), "newer release") {
		t.Errorf("down: %v", err)
	}
	if !strings.Contains(describe(t, r), "table b") {
		t.Error("b is gone")
	}
}

func TestUpWaitsBrieflyForATableInUse(t *testing.T) {
	t.Parallel()
	db := testenv.EmptyPostgres(t)
	files := fstest.MapFS{"0001_a.sql": sql("-- +goose Up\ncreate table a (id int);\n-- +goose Down\ndrop table a;\n")}
	run(t, of(t, db, files).Up)
	files["0002_b.sql"] = sql("-- +goose Up\nalter table a add column b int;\n-- +goose Down\nalter table a drop column b;\n")
	user := db.Conn(t)
	if _, err := user.Exec(t.Context(), "begin; select from a"); err != nil {
		t.Fatal(err)
	}
	released := make(chan error, 1)
	go func() {
		time.Sleep(4 * time.Second) // longer than the migrator's lock_timeout
		_, err := user.Exec(t.Context(), "commit")
		released <- err
	}()
	if result := run(t, of(t, db, files).Up); states(result) != "2 applied" {
		t.Errorf("%+v", result)
	}
	if err := <-released; err != nil {
		t.Error(err)
	}
}

// TestFilesWithoutATransactionCanRunAgain checks that such a file succeeds when it is repeated after an interruption.
func TestFilesWithoutATransactionCanRunAgain(t *testing.T) {
	t.Parallel()
	if faults := rerunFaults(t, migrations.Embedded()); len(faults) > 0 {
		t.Error(strings.Join(faults, "\n"))
	}
}

func TestFilesThatCannotRunAgain(t *testing.T) {
	t.Parallel()
	if faults := rerunFaults(t, several()); len(faults) > 0 {
		t.Errorf("no file has a fault: %q", faults)
	}
	const build, down = "create index concurrently i on a (b);\n", "-- +goose Down\ndrop index concurrently if exists i;\n"
	for name, tc := range map[string][2]string{
		"in a transaction":      {"-- +goose Up\ndrop index concurrently if exists i;\n" + build + down, "need NO TRANSACTION"},
		"no drop before":        {"-- +goose NO TRANSACTION\n-- +goose Up\n" + build + down, "a half-built i is not dropped first"},
		"a column, not checked": {"-- +goose NO TRANSACTION\n-- +goose Up\nalter table a add column c int;\n-- +goose Down\n", `"c" of relation "a" already exists`},
	} {
		files := several()
		files["0003_i.sql"] = sql(tc[0])
		if faults := rerunFaults(t, files); !strings.Contains(strings.Join(faults, "\n"), tc[1]) {
			t.Errorf("%s: %q, want %q", name, faults, tc[1])
		}
	}
}

var created = regexp.MustCompile(`(?i)create (unique )?index concurrently (\w+)`)

// rerunFaults applies and reverts files, twice if they run without a transaction, and returns what fails.
func rerunFaults(t *testing.T, fsys fs.FS) (faults []string) {
	t.Helper()
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil || len(names) == 0 {
		t.Fatalf("%q %v", names, err)
	}
	conn := testenv.EmptyPostgres(t).Conn(t)
	apply := func(name, part string) {
		times := 1
		if strings.Contains(part, noTransaction) {
			times = 2
		}
		for range times {
			for _, statement := range statements(part) {
				if _, err := conn.Exec(t.Context(), statement); err != nil {
					faults = append(faults, fmt.Sprintf("%s: %s: %v", name, statement, err))
				}
			}
		}
	}
	var downs []func()
	for _, name := range names {
		content, err := fs.ReadFile(fsys, name)
		if err != nil {
			t.Fatal(err)
		}
		up, down := parts(string(content))
		builds := created.FindAllStringSubmatchIndex(up, -1)
		if len(builds) > 0 && !strings.Contains(up, noTransaction) {
			faults = append(faults, name+": indexes that are built concurrently need NO TRANSACTION")
		}
		for _, at := range builds {
			index := up[at[4]:at[5]]
			if !strings.Contains(up[:at[0]], "drop index concurrently if exists "+index+";") {
				faults = append(faults, fmt.Sprintf("%s: a half-built %s is not dropped first", name, index))
			}
		}
		apply(name, up)
		downs = append(downs, func() { apply(name, down) })
	}
	for _, down := range slices.Backward(downs) {
		down()
	}
	return faults
}
