package migrations_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"newsletter/internal/fixtures/testenv"
	"newsletter/migrations"
	"newsletter/shared/config"
)

var update = flag.Bool("update", false, "write schema.txt anew")

func configFor(db *testenv.Database) migrations.Config {
	return migrations.Config{
		URL: config.Seal(db.AdminURL), CAFile: db.CAFile, AppUser: testenv.AppUser, AppPassword: config.Seal(db.AppPassword), KeeperPassword: config.Seal(db.KeeperPassword),
	}
}

// runnerFor returns a Runner of the embedded migrations for db.
func runnerFor(t *testing.T, db *testenv.Database) *migrations.Runner {
	t.Helper()
	runner, err := migrations.New(configFor(db))
	if err != nil {
		t.Fatal(err)
	}
	return runner
}

// of returns a Runner of other files, with a short lease.
func of(t *testing.T, db *testenv.Database, files fstest.MapFS) *migrations.Runner {
	t.Helper()
	runner, err := migrations.NewOf(configFor(db), files, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return runner
}

func sql(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

// run runs a command that must succeed.
func run(t *testing.T, command func(context.Context) (migrations.Result, error)) migrations.Result {
	t.Helper()
	result, err := command(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func describe(t *testing.T, r *migrations.Runner) string {
	t.Helper()
	all, err := r.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n") + "\n"
}

// states formats the result's migrations.
func states(r migrations.Result) string {
	var all []string
	for _, m := range r.Migrations {
		all = append(all, fmt.Sprintf("%d %s", m.Version, m.State))
	}
	return strings.Join(all, ", ")
}

func TestTheExpectedSchemaIsWhatTheFilesMake(t *testing.T) {
	t.Parallel()
	r := runnerFor(t, testenv.EmptyPostgres(t))
	run(t, r.Up)
	live := describe(t, r)
	if *update {
		if err := os.WriteFile("schema.txt", []byte(live), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if live != migrations.ExpectedSchema() {
		t.Fatalf("schema.txt is out of date; look at the difference after: go test ./migrations -run %s -update", t.Name())
	}
}

// several returns the migrations of three releases.
func several() fstest.MapFS {
	return fstest.MapFS{
		"0001_a.sql": sql("-- +goose Up\ncreate table a (id int);\n-- +goose Down\ndrop table a;\n"),
		"0002_b.sql": sql("-- +goose Up\nalter table a add column b int;\n-- +goose Down\nalter table a drop column b;\n"),
		"0003_i.sql": sql("-- +goose NO TRANSACTION\n-- +goose Up\ndrop index concurrently if exists i;\n" +
			"create index concurrently i on a (b);\n-- +goose Down\ndrop index concurrently if exists i;\n"),
	}
}

// embeddedAndSeveral runs a test with the migrations of this release, and with those of several.
func embeddedAndSeveral(t *testing.T, test func(t *testing.T, latest int64, newRunner func() *migrations.Runner)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		db := testenv.EmptyPostgres(t)
		latest, err := migrations.Latest()
		if err != nil || latest == 0 {
			t.Fatalf("latest version %d, %v", latest, err)
		}
		test(t, latest, func() *migrations.Runner { return runnerFor(t, db) })
	})
	t.Run("several", func(t *testing.T) {
		t.Parallel()
		db := testenv.EmptyPostgres(t)
		test(t, 3, func() *migrations.Runner { return of(t, db, several()) })
	})
}

// TestEveryMigrationHasAWayDown checks that down restores the schema of the version before, and that up works again.
func TestEveryMigrationHasAWayDown(t *testing.T) {
	t.Parallel()
	embeddedAndSeveral(t, func(t *testing.T, latest int64, newRunner func() *migrations.Runner) {
		r := newRunner()
		run(t, r.Up)
		schemas := map[int64]string{latest: describe(t, r)} // by version
		for version := latest; version > 0; version-- {
			down := run(t, r.Down)
			if down.Version != version-1 || states(down) != fmt.Sprintf("%d undone", version) {
				t.Fatalf("down from %d: %+v", version, down)
			}
			schemas[version-1] = describe(t, r)
		}
		if left := strings.TrimSpace(schemas[0]); left != "" {
			t.Errorf("left after all downs:\n%s", left)
		}
		if _, err := r.Down(t.Context()); err == nil || !strings.Contains(err.Error(), "no migration is applied") {
			t.Errorf("down from nothing: %v", err)
		}
		if up := run(t, r.Up); up.Version != latest || describe(t, r) != schemas[latest] {
			t.Errorf("up again: %+v", up)
		}
		if len(schemas) != int(latest)+1 {
			t.Fatalf("%d versions were seen, want %d", len(schemas), latest+1)
		}
	})
}

func TestDownKeepsANonEmptyLedger(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t)
	r := runnerFor(t, db)
	admin := db.Conn(t)
	const event = `insert into ledger_events (id, at, kind, actor, channel, request_id) values (gen_random_uuid(), now(), 'subscription.requested', 'visitor', 'form', 'r')`
	if _, err := admin.Exec(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	result, err := r.Down(t.Context())
	for err == nil && result.Version > 0 { // later files may be reverted
		result, err = r.Down(t.Context())
	}
	if err == nil || result.Version != 1 || !strings.Contains(err.Error(), "the ledger is not empty") ||
		!strings.Contains(err.Error(), "0001_initial.sql") {
		t.Errorf("%v at version %d", err, result.Version)
	}
}

func TestUpIsIdempotentAndReportsWhatItDid(t *testing.T) {
	t.Parallel()
	db := testenv.EmptyPostgres(t)
	r := runnerFor(t, db)
	latest, _ := migrations.Latest()
	if s := run(t, r.Status); s.Version != 0 || s.Target != latest || s.Migrations[0].State != "pending" {
		t.Errorf("status before: %+v", s)
	}
	if v := run(t, r.Validate); v.OK || !slices.Contains(v.Problems, "not applied: 0001_initial.sql") {
		t.Errorf("validate before: %+v", v)
	}
	first := run(t, r.Up)
	if !first.OK || first.Version != latest || len(first.Migrations) != int(latest) || len(first.Warnings) != 0 {
		t.Errorf("first: %+v", first)
	}
	second := run(t, r.Up)
	if !second.OK || second.Version != latest || len(second.Migrations) != 0 {
		t.Errorf("second: %+v", second)
	}
	s := run(t, r.Status)
	for _, m := range s.Migrations {
		if m.State != "applied" || m.AppliedAt == nil || time.Since(*m.AppliedAt) > time.Hour || time.Until(*m.AppliedAt) > time.Minute {
			t.Errorf("status after: %+v", m)
		}
	}
	if v := run(t, r.Validate); !v.OK {
		t.Errorf("validate after: %q", v.Problems)
	}
	encoded, err := json.Marshal(second)
	if err != nil || !strings.Contains(string(encoded), `"migrations":[],"problems":[],"warnings":[]`) {
		t.Errorf("%s %v", encoded, err)
	}
}

func TestSeveralMigratorsFollowEachOther(t *testing.T) {
	t.Parallel()
	embeddedAndSeveral(t, func(t *testing.T, latest int64, newRunner func() *migrations.Runner) {
		var group sync.WaitGroup
		var mu sync.Mutex
		applied := 0
		for range 4 {
			group.Go(func() {
				result, err := newRunner().Up(t.Context())
				mu.Lock()
				defer mu.Unlock()
				if err != nil || result.Version != latest {
					t.Errorf("%v %+v", err, result)
				}
				applied += len(result.Migrations)
			})
		}
		group.Wait()
		if applied != int(latest) {
			t.Errorf("%d migrations were applied, want %d", applied, latest)
		}
		if s := run(t, newRunner().Status); len(s.Migrations) != int(latest) {
			t.Errorf("history: %+v", s)
		}
	})
}

func TestAFailedMigrationIsNamedAndRolledBack(t *testing.T) {
	t.Parallel()
	db := testenv.EmptyPostgres(t)
	r := of(t, db, fstest.MapFS{
		"0001_good.sql": sql("-- +goose Up\ncreate table good (id int);\n-- +goose Down\ndrop table good;\n"),
		"0002_bad.sql": sql("-- +goose Up\ncreate table half (id int);\n-- why\nalter table good\n    add column id text;\n" +
			"-- +goose Down\ndrop table half;\n"),
		"0003_never.sql": sql("-- +goose Up\ncreate table never (id int);\n-- +goose Down\ndrop table never;\n"),
	})
	result, err := r.Up(t.Context())
	if err == nil || !strings.Contains(err.Error(), `0002_bad.sql: statement "alter table good add column id text;"`) ||
		!strings.Contains(err.Error(), "already exists") {
		t.Errorf("got %v", err)
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != "42701" {
		t.Errorf("the cause is lost: %v", err)
	}
	if result.OK || result.Version != 1 || states(result) != "1 applied, 2 failed" {
		t.Errorf("%+v", result)
	}
	if left := describe(t, r); strings.Contains(left, "half") || !strings.Contains(left, "table good") {
		t.Errorf("what is there:\n%s", left)
	}
}

func TestNewRefusesBadConfigurationWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	good := map[string]string{"MIGRATE_DATABASE_URL": "postgres://master:s3cret@db.example/newsletter"}
	for name, vars := range map[string]map[string]string{
		"MIGRATE_DATABASE_URL":  {"MIGRATE_DATABASE_URL": "postgres://master:s3cret@db.example/newsletter?sslmode=disable"},
		"APP_DATABASE_USER":     {"APP_DATABASE_USER": `app"; drop table subscribers; --`},
		"APP_DATABASE_PASSWORD": {"APP_DATABASE_PASSWORD": "s3cret-ä"},
	} {
		env := map[string]string{}
		for _, set := range []map[string]string{good, vars} {
			for k, v := range set {
				env[k] = v
			}
		}
		_, err := migrations.New(config.Read[migrations.Config](config.FromMap(env)))
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := migrations.New(config.Read[migrations.Config](config.FromMap(good))); err != nil {
		t.Error(err)
	}
}

// TestScramVerifier compares with a verifier that another implementation of RFC 5802 computed.
func TestScramVerifier(t *testing.T) {
	t.Parallel()
	salt, _ := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==") // of RFC 7677's example
	const want = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	if got := migrations.ScramVerifier("pencil", salt); got != want {
		t.Errorf("got %s", got)
	}
}
