package migrations_test

import (
	"context"
	"flag"
	"os"
	"strings"
	"testing"

	"newsletter/internal/testenv"
	"newsletter/migrations"
	"newsletter/shared/config"
)

var update = flag.Bool("update", false, "write schema.txt anew")

// runnerFor makes a runner of the embedded migrations for db.
func runnerFor(t *testing.T, db *testenv.Database) *migrations.Runner {
	t.Helper()
	runner, err := migrations.New(configFor(db))
	if err != nil {
		t.Fatal(err)
	}
	return runner
}

func configFor(db *testenv.Database) migrations.Config {
	return migrations.Config{
		URL: config.Seal(db.AdminURL), CAFile: db.CAFile, AppUser: testenv.AppUser, AppPassword: config.Seal(db.AppPassword),
	}
}

// run runs a command that must work.
func run(t *testing.T, command func(context.Context) (migrations.Result, error)) migrations.Result {
	t.Helper()
	result, err := command(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func liveSchema(t *testing.T, r *migrations.Runner) string {
	t.Helper()
	all, err := r.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n") + "\n"
}

func TestTheExpectedSchemaIsWhatTheFilesMake(t *testing.T) {
	t.Parallel()
	r := runnerFor(t, testenv.EmptyPostgres(t))
	run(t, r.Up)
	live := liveSchema(t, r)
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
