package migrations_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"newsletter/internal/fixtures/testenv"
	"newsletter/migrations"
	"newsletter/shared/config"
)

// childVariable turns this test binary into a migrator that can be killed.
const childVariable = "MIGRATIONS_TEST_CHILD"

// order is the task of a child.
type order struct {
	URL, CAFile, AppPassword string
	Files                    map[string]string
	Lease                    time.Duration
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		if err := obey(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func obey(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	r, err := o.runner()
	if err != nil {
		return err
	}
	_, err = r.Up(context.Background())
	return err
}

func (o order) runner() (*migrations.Runner, error) {
	files := fstest.MapFS{}
	for name, content := range o.Files {
		files[name] = &fstest.MapFile{Data: []byte(content)}
	}
	cfg := migrations.Config{URL: config.Seal(o.URL), CAFile: o.CAFile, AppUser: testenv.AppUser, AppPassword: config.Seal(o.AppPassword)}
	return migrations.NewOf(cfg, files, o.Lease)
}

// killed runs a migrator in a child process and kills it as soon as reached returns true.
func (o order) killed(t *testing.T, reached func() bool) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+string(text))
	child.Stdout, child.Stderr = &said, &said
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for deadline := time.Now().Add(60 * time.Second); !reached(); time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-ended:
			t.Fatalf("the migrator ended by itself: %v\n%s", err, said.String())
		default:
			if time.Now().After(deadline) {
				t.Fatal("the migrator did not come to the point where it is killed")
			}
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the migrator was not killed: %v", err)
	}
}

// look asks the database a yes-or-no question.
func look(t *testing.T, db *testenv.Database) func(question string) bool {
	t.Helper()
	admin := db.Conn(t)
	return func(question string) (yes bool) {
		t.Helper()
		if err := admin.QueryRow(t.Context(), "select "+question).Scan(&yes); err != nil {
			t.Fatal(err)
		}
		return yes
	}
}

func TestAMigratorKilledInATransactionLeavesNothing(t *testing.T) {
	t.Parallel()
	db := testenv.EmptyPostgres(t)
	admin, is := db.Conn(t), look(t, db)
	if _, err := admin.Exec(t.Context(), "create table gate (); insert into gate default values; grant select on gate to public"); err != nil {
		t.Fatal(err)
	}
	o := order{URL: db.AdminURL, CAFile: db.CAFile, AppPassword: db.AppPassword, Lease: 15 * time.Second, Files: map[string]string{
		"0001_done.sql": "-- +goose Up\ncreate table done (id int);\n-- +goose Down\ndrop table done;\n",
		"0002_cut.sql": `-- +goose Up
create table cut (id int);
-- +goose StatementBegin
do $$ begin
	while exists (select from gate) loop perform pg_sleep(0.1); end loop;
end $$;
-- +goose StatementEnd
create table finished (id int);
-- +goose Down
drop table finished;
drop table cut;
`}}
	const working = `exists (select from pg_stat_activity where datname = current_database() and query like '%from gate%' and pid <> pg_backend_pid())`
	o.killed(t, func() bool { return is(working) })
	if _, err := admin.Exec(t.Context(), "delete from gate"); err != nil {
		t.Fatal(err)
	}
	r, err := o.runner()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	result, err := r.Up(t.Context())
	if err != nil || states(result) != "2 applied" || result.Version != 2 {
		t.Fatalf("%v %+v", err, result)
	}
	t.Logf("went on after %v", time.Since(began).Round(time.Second))
	if !is("to_regclass('finished') is not null and (select count(*) from goose_db_version where version_id = 2) = 1") {
		t.Error("the migration is not there, or twice")
	}
}

func TestAMigratorKilledWhileBuildingAnIndexConcurrently(t *testing.T) {
	t.Parallel()
	db := testenv.EmptyPostgres(t)
	is := look(t, db)
	o := order{URL: db.AdminURL, CAFile: db.CAFile, AppPassword: db.AppPassword, Lease: 2 * time.Second, Files: map[string]string{
		"0001_t.sql": "-- +goose Up\ncreate table t (id int);\n-- +goose Down\ndrop table t;\n",
	}}
	first, err := o.runner()
	if err != nil {
		t.Fatal(err)
	}
	run(t, first.Up)
	writer := db.Conn(t)
	if _, err := writer.Exec(t.Context(), "begin; insert into t values (1)"); err != nil {
		t.Fatal(err)
	}
	o.Files["0002_i.sql"] = `-- +goose NO TRANSACTION
-- +goose Up
drop index concurrently if exists t_id;
create index concurrently t_id on t (id);
-- +goose Down
drop index concurrently if exists t_id;
`
	const halfBuilt = `exists (select from pg_index i join pg_class c on c.oid = i.indexrelid where c.relname = 't_id' and not i.indisvalid)`
	o.killed(t, func() bool { return is(halfBuilt) })
	for deadline := time.Now().Add(30 * time.Second); is(`exists (select from pg_stat_activity where datname = current_database() and query like 'create index%')`); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the dead migrator's statement goes on and on")
		}
	}
	if !is(halfBuilt) {
		t.Fatal("no half-built index is left: the test does not test what it says")
	}
	if _, err := writer.Exec(t.Context(), "commit"); err != nil {
		t.Fatal(err)
	}
	r, err := o.runner()
	if err != nil {
		t.Fatal(err)
	}
	if before := run(t, r.Status); states(before) != "1 applied, 2 pending" {
		t.Errorf("status after the kill: %+v", before)
	}
	if result := run(t, r.Up); states(result) != "2 applied" {
		t.Errorf("%+v", result)
	}
	if !is("not " + halfBuilt + " and to_regclass('t_id') is not null") {
		t.Error("the index is not there, or invalid")
	}
	if all := describe(t, r); strings.Contains(all, "invalid") || !strings.Contains(all, "CREATE INDEX t_id") {
		t.Errorf("the schema:\n%s", all)
	}
}
