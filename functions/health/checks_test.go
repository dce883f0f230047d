package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/alert"
	"newsletter/shared/config"
	"newsletter/shared/healthcheck"
	"newsletter/shared/lambdafn"
)

// TestSlowCheckFailsAlone checks that a query that waits for a lock leaves connections for the other checks.
func TestSlowCheckFailsAlone(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	tx, err := b.Admin.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), `lock table pauses in access exclusive mode; lock table outbox in access exclusive mode`); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f := b.Open(open)
		if got, whole, checks := ready(t, f); checks["postgres"] != "pass" || checks["migrations"] != "pass" || checks["pool"] != "pass" || checks["outbox"] != "fail" {
			t.Errorf("%d %s %v", got.Response.StatusCode, whole, checks)
		}
	}
}

// TestConnectionsAndMemoryThresholds is not parallel, because it changes the Lambda library's memory limit.
func TestConnectionsAndMemoryThresholds(t *testing.T) {
	defer func(mb int) { lambdacontext.MemoryLimitInMB = mb }(lambdacontext.MemoryLimitInMB)
	lambdacontext.MemoryLimitInMB = 1024
	b := functiontest.New(t)
	if got := firing(run(t, b.Open(open))); got != "" {
		t.Errorf("alerts %s", got)
	}
	d := run(t, b.Open(func(ctx context.Context, env *config.Env) (lambdafn.Function, error) {
		alerts := config.Read[alert.Config](env)
		alerts.ConnectionsPercent, alerts.MemoryPercent = 0.1, 0.1
		return openWith(ctx, env, alerts)
	}))
	if got := firing(d); !strings.Contains(got, "check/pool critical") || !strings.Contains(got, "check/memory critical") || d.Status != healthcheck.Warn {
		t.Errorf("%s, alerts %s", d.Status, got)
	}
}

// TestFailedChecks checks that the migrations are unknown while the database does not answer.
func TestFailedChecks(t *testing.T) {
	t.Parallel()
	const pass, fail = healthcheck.Pass, healthcheck.Fail
	for _, test := range []struct {
		postgres, migrations, memory, outbox healthcheck.Status
		want                                 string
	}{
		{pass, pass, pass, pass, "[]"}, {pass, fail, pass, fail, "[migrations]"}, {fail, fail, pass, pass, "[postgres]"},
		{fail, fail, fail, pass, "[memory postgres]"},
	} {
		got := failedChecks(healthcheck.Report{Checks: map[string][]healthcheck.Component{
			"postgres": {{Status: test.postgres}}, "migrations": {{Status: test.migrations}}, "memory": {{Status: test.memory}}, "outbox": {{Status: test.outbox}},
		}})
		if fmt.Sprint(got) != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}
