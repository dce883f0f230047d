package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"newsletter/internal/fixtures/testenv"
	"newsletter/migrations"
	"newsletter/shared/config"
)

// event reads a sample event.
func event(t *testing.T, name string) json.RawMessage {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("../../events/migrate", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// variables returns the function's environment for db.
func variables(db *testenv.Database) map[string]string {
	return map[string]string{
		"MIGRATE_DATABASE_URL": db.AdminURL, "TLS_CA_FILE": db.CAFile,
		"APP_DATABASE_USER": testenv.AppUser, "APP_DATABASE_PASSWORD": db.AppPassword,
		"KEEPER_DATABASE_PASSWORD": db.KeeperPassword,
	}
}

// handle sends raw to the function in its environment.
func handle(t *testing.T, vars map[string]string, raw json.RawMessage) (any, error) {
	t.Helper()
	function, err := open(t.Context(), config.FromMap(vars))
	if err != nil {
		t.Fatal(err)
	}
	return function.Event(t.Context(), raw)
}

// newest returns the version of the newest migration, by the names of the files.
func newest(t *testing.T) (version int64) {
	t.Helper()
	files, err := filepath.Glob("../../migrations/[0-9]*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d migrations, %v", len(files), err)
	}
	digits, _, _ := strings.Cut(filepath.Base(slices.Max(files)), "_")
	if version, err = strconv.ParseInt(digits, 10, 64); err != nil {
		t.Fatal(err)
	}
	return version
}

func TestCommands(t *testing.T) {
	t.Parallel()
	db := testenv.EmptyPostgres(t)
	latest := newest(t)
	for _, step := range []struct {
		command string
		ok      bool
		version int64
		listed  int
	}{
		{"status", true, 0, int(latest)},
		{"validate", false, 0, 0},
		{"up", true, latest, int(latest)},
		{"up", true, latest, 0},
		{"validate", true, latest, 0},
		{"down", true, latest - 1, 1},
		{"validate", false, latest - 1, 0},
		{"up", true, latest, 1},
		{"status", true, latest, int(latest)},
	} {
		got, err := handle(t, variables(db), event(t, step.command))
		if err != nil {
			t.Fatalf("%s: %v", step.command, err)
		}
		result, isResult := got.(migrations.Result)
		if !isResult || result.Command != step.command || result.OK != step.ok || result.Version != step.version ||
			result.Target != latest || len(result.Migrations) != step.listed {
			t.Errorf("%s: got %+v", step.command, got)
		}
		if step.ok == (len(result.Problems) > 0) {
			t.Errorf("%s: problems %q", step.command, result.Problems)
		}
	}
}

func TestInvalidEventsAreExplained(t *testing.T) {
	t.Parallel()
	vars := map[string]string{"MIGRATE_DATABASE_URL": "postgres://master@db.invalid/newsletter"}
	for raw, want := range map[string]string{
		`{}`:                            "the event must be",
		`null`:                          "the event must be",
		`[]`:                            "the event must be",
		`"up"`:                          "the event must be",
		`{"command":7}`:                 "the event must be",
		`{"command":"up","force":true}`: "the event must be",
		`{"command":"destroy"}`:         `unknown command "destroy"`,
		`{"command":"UP"}`:              `unknown command "UP"`,
		`{"command":"` + strings.Repeat("x", 9999) + `"}`:                                     "unknown command",
		`{"RequestType":"Create"}`:                                                            "the event must be",
		`{"RequestType":"Create","ResponseURL":"https://s3.example/","ResourceProperties":7}`: "parse CloudFormation request",
		`{"scheduled":true}`:                                                                  "the event must be",
		`{"requestContext":{"http":{"method":"POST"}},"rawPath":"/migrate","body":"{\"command\":\"down\"}"}`: "the event must be",
	} {
		_, err := handle(t, vars, json.RawMessage(raw))
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 400 {
			t.Errorf("%.80s: got %v, want %q", raw, err, want)
		}
	}
}

func TestConfigurationErrorsAreReturnedByTheFirstEvent(t *testing.T) {
	t.Parallel()
	for _, vars := range []map[string]string{{}, {"MIGRATE_DATABASE_URL": "postgres://master:s3cret@db.example/x?sslmode=disable"}} {
		_, err := handle(t, vars, event(t, "up"))
		if err == nil || !strings.Contains(err.Error(), "MIGRATE_DATABASE_URL") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("got %v", err)
		}
	}
}

// Every event returns all configuration errors.
func TestConfigurationErrorsDoNotAccumulate(t *testing.T) {
	t.Parallel()
	h, err := open(t.Context(), config.FromMap(map[string]string{"APP_DATABASE_USER": "No Role"}))
	if err != nil {
		t.Fatal(err)
	}
	_, first := h.Event(context.Background(), event(t, "up"))
	_, second := h.Event(context.Background(), event(t, "up"))
	if first == nil || !strings.Contains(first.Error(), "APP_DATABASE_USER") || !strings.Contains(first.Error(), "MIGRATE_DATABASE_URL") {
		t.Errorf("first: %v", first)
	}
	if second == nil || second.Error() != first.Error() {
		t.Errorf("second: %v", second)
	}
}
