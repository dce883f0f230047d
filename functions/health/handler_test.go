package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/healthcheck"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
)

const unreachable = "127.0.0.1:1"

// host returns the host and port of the database.
func host(b *functiontest.Fixture) string {
	b.Helper()
	u, err := url.Parse(b.Variables["DATABASE_URL"])
	if err != nil {
		b.Fatal(err)
	}
	return u.Host
}

// ready requests /api/health and returns the status of the whole and of each check.
func ready(t *testing.T, f lambdafn.Function) (httpapi.Result, string, map[string]string) {
	t.Helper()
	got := functiontest.Serve(t, f.HTTP, functiontest.SampleHTTP(t, "health", "ready", ""))
	var body struct {
		Status string
		Checks map[string][]map[string]string
	}
	if err := json.Unmarshal([]byte(got.Response.Body), &body); err != nil {
		t.Fatalf("%v: %s", err, got.Response.Body)
	}
	checks := map[string]string{}
	for name, components := range body.Checks {
		checks[name] = components[0]["status"]
		if len(components) != 1 || len(components[0]) != 1 {
			t.Errorf("%s has more than its status: %v", name, components)
		}
	}
	return got, body.Status, checks
}

func TestPathVariants(t *testing.T) {
	t.Parallel()
	api := functiontest.New(t).Open(open).HTTP
	for _, sample := range []string{"ready", "live"} {
		functiontest.CheckPaths(t, api, functiontest.SampleHTTP(t, "health", sample, ""))
	}
}

func TestLostDependencies(t *testing.T) {
	for name, test := range map[string]struct {
		lose   func(b *functiontest.Fixture)
		status int
		whole  string
		checks map[string]string
	}{
		"nothing": {func(*functiontest.Fixture) {}, 200, "pass", map[string]string{"postgres": "pass", "migrations": "pass", "redis": "pass"}},
		"redis": {func(b *functiontest.Fixture) { b.Variables["REDIS_URL"] = "rediss://:secret@" + unreachable },
			200, "warn", map[string]string{"postgres": "pass", "migrations": "pass", "redis": "warn", "limiter": "warn"}},
		"no redis configured": {func(b *functiontest.Fixture) { delete(b.Variables, "REDIS_URL") },
			200, "warn", map[string]string{"postgres": "pass", "migrations": "pass", "redis": "warn", "limiter": "warn"}},
		"postgres": {func(b *functiontest.Fixture) {
			b.Variables["DATABASE_URL"] = "postgres://app:password@" + unreachable + "/newsletter"
		}, 503, "fail", map[string]string{"postgres": "fail", "migrations": "fail", "redis": "pass", "pool": "warn", "outbox": "fail", "integrations": "warn", "feedback": "warn", "unsubscribes": "warn"}},
		"nothing, with a replica": {func(b *functiontest.Fixture) { b.Variables["DATABASE_READ_HOST"] = host(b) },
			200, "pass", map[string]string{"postgres": "pass", "migrations": "pass", "redis": "pass", "reader": "pass"}},
		"the replica": {func(b *functiontest.Fixture) {
			b.Variables["DATABASE_READ_HOST"] = unreachable
		}, 200, "warn", map[string]string{"postgres": "pass", "migrations": "pass", "redis": "pass", "reader": "warn"}},
		"email, by a pause": {func(b *functiontest.Fixture) {
			b.Exec(`insert into pauses values (gen_random_uuid(), 'email', 'operator', now(), null)`)
		}, 200, "warn", map[string]string{"postgres": "pass", "migrations": "pass", "redis": "pass", "outbox": "warn"}},
		"a chat, by a pause": {func(b *functiontest.Fixture) {
			b.Exec(`insert into pauses values (gen_random_uuid(), 'slack', 'operator', now(), null)`)
		}, 200, "warn", map[string]string{"postgres": "pass", "migrations": "pass", "redis": "pass", "integrations": "warn"}},
		"nothing, after a pause": {func(b *functiontest.Fixture) {
			b.Exec(`insert into pauses values (gen_random_uuid(), 'email', 'operator', now(), now()), (gen_random_uuid(), 'slack', 'operator', now(), now())`)
		}, 200, "pass", map[string]string{"postgres": "pass", "migrations": "pass", "redis": "pass"}},
		"a migration": {func(b *functiontest.Fixture) {
			b.Exec(`delete from goose_db_version where version_id = (select max(version_id) from goose_db_version)`)
		}, 503, "fail", map[string]string{"postgres": "pass", "migrations": "fail", "redis": "pass"}},
		"all migrations": {func(b *functiontest.Fixture) { b.Exec(`drop table goose_db_version`) },
			503, "fail", map[string]string{"postgres": "pass", "migrations": "fail", "redis": "pass", "pool": "warn"}},
		"this release's age": {func(b *functiontest.Fixture) {
			b.Exec(`insert into goose_db_version (version_id, is_applied, tstamp) values (9999, true, now())`)
		}, 200, "pass", map[string]string{"postgres": "pass", "migrations": "pass", "redis": "pass"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := functiontest.New(t)
			test.lose(b)
			got, whole, checks := ready(t, b.Open(open))
			if got.Response.StatusCode != test.status || whole != test.whole || got.Outcome != test.whole {
				t.Errorf("%d %s %s, want %d %s", got.Response.StatusCode, whole, got.Outcome, test.status, test.whole)
			}
			for _, other := range []string{"limiter", "pool", "memory", "outbox", "integrations", "feedback", "unsubscribes"} {
				if _, named := test.checks[other]; !named {
					test.checks[other] = "pass"
				}
			}
			for check, want := range test.checks {
				if checks[check] != want {
					t.Errorf("%s: %s, want %s", check, checks[check], want)
				}
			}
			if len(checks) != len(test.checks) {
				t.Errorf("checks %v", checks)
			}
		})
	}
}

// TestFrozenRedis checks that a server that does not answer costs only the timeout of its check.
func TestFrozenRedis(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	redis := ownRedis(b)
	f := b.Open(open)
	redis.Freeze()
	t.Cleanup(redis.Thaw)
	if got, whole, _ := ready(t, f); got.Response.StatusCode != http.StatusOK || whole != "warn" {
		t.Errorf("%d %s", got.Response.StatusCode, whole)
	}
}

func TestOtherSampleEvents(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["DATABASE_URL"] = "postgres://app:password@" + unreachable + "/newsletter" // live runs no checks
	f := b.Open(open)
	for sample, want := range map[string]int{"live": 200, "ready-head": 503, "post": 405} {
		got := functiontest.Serve(t, f.HTTP, functiontest.SampleHTTP(t, "health", sample, ""))
		if got.Response.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", sample, got.Response.StatusCode, got.Response.Body, want)
		}
	}
	live := functiontest.Serve(t, f.HTTP, functiontest.SampleHTTP(t, "health", "live", ""))
	if live.Response.Body != `{"status":"pass"}` || live.Response.Headers["Content-Type"] != "application/health+json; charset=utf-8" {
		t.Errorf("%s %v", live.Response.Body, live.Response.Headers)
	}
}

// TestDirectInvocationReturnsDetails checks the response to the schedule and to the operator.
func TestDirectInvocationReturnsDetails(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["REDIS_URL"] = "rediss://:secret@" + unreachable
	f := b.Open(open)
	for _, sample := range []string{"scheduled", "rule", "invoke"} {
		value, err := f.Event(t.Context(), functiontest.Sample(t, "health", sample))
		report, ok := value.(healthcheck.Details)
		if err != nil || !ok {
			t.Fatalf("%s: %v %v", sample, value, err)
		}
		redis, migrated := report.Checks["redis"][0], report.Checks["migrations"][0]
		if report.Status != healthcheck.Warn || !strings.Contains(redis.Output, "connection refused") || migrated.Observed == "" || migrated.Time.IsZero() {
			t.Errorf("%s: %+v", sample, report)
		}
		if text, _ := json.Marshal(report); strings.Contains(string(text), "secret") {
			t.Errorf("%s: a password: %s", sample, text)
		}
	}
	if _, err := f.Event(t.Context(), functiontest.Sample(t, "health", "not-scheduled")); err == nil {
		t.Error("an event of another function is accepted")
	}
}

// TestFailuresAreConfirmed checks that a failed check runs again before it counts, whether it is the database or a
// check that failed with it.
func TestFailuresAreConfirmed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers []healthcheck.Status
		check   string
		want    string
	}{
		"passed":        {[]healthcheck.Status{"pass"}, "postgres", "pass"},
		"a warning":     {[]healthcheck.Status{"warn"}, "memory", "warn"},
		"short failure": {[]healthcheck.Status{"fail", "pass"}, "postgres", "pass"},
		"other check":   {[]healthcheck.Status{"fail", "pass"}, "migrations", "pass"},
		"lost":          {[]healthcheck.Status{"fail", "fail"}, "postgres", "fail"},
		"outbox":        {[]healthcheck.Status{"fail"}, "outbox", "warn"}, // it has a rule of its own
	} {
		asked := 0
		checker := healthcheck.New(time.Now, healthcheck.Check{Name: test.check, Vital: test.check == "postgres", Ask: func(context.Context) (healthcheck.Observation, error) {
			asked++
			return healthcheck.Observation{Status: test.answers[min(asked, len(test.answers))-1]}, nil
		}})
		report, err := confirmedReport(t.Context(), checker, time.Millisecond)
		if err != nil || string(report.Status) != test.want || asked != len(test.answers) {
			t.Errorf("%s: %v %s after %d runs", name, err, report.Status, asked)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	lost := healthcheck.New(time.Now, healthcheck.Check{Name: "postgres", Lost: healthcheck.Fail, Ask: func(context.Context) (healthcheck.Observation, error) { return healthcheck.Observation{}, errNoRedis }})
	if _, err := confirmedReport(ctx, lost, time.Hour); err == nil {
		t.Error("the delay outlasts the invocation")
	}
}

func TestSamplesAreTested(t *testing.T) {
	tested := "invoke live not-scheduled post ready ready-head rule scheduled"
	if got := strings.Join(functiontest.SampleNames(t, "health"), " "); got != tested {
		t.Errorf("samples: %s; tested: %s", got, tested)
	}
}

func TestSchemaVersionIsNewest(t *testing.T) {
	t.Parallel()
	var latest int64
	functiontest.New(t).Scan("select max(version_id) from goose_db_version", nil, &latest)
	if latest != schemaVersion {
		t.Errorf("schemaVersion is %d, the newest migration %d: raise it", schemaVersion, latest)
	}
}

func TestDatabaseRecovers(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	f := b.Open(open)
	b.Exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if got, _, _ := ready(t, f); got.Response.StatusCode == http.StatusOK {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("it does not recover from killed connections")
}
