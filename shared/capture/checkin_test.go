package capture_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/capture"
	"newsletter/shared/config"
)

func TestCheckIns(t *testing.T) {
	t.Parallel()
	sentry := &devstack.Sentry{}
	server := httptest.NewServer(sentry)
	defer server.Close()
	dsn := config.Seal(strings.Replace(server.URL, "://", "://local@", 1) + "/1")
	run := func(schedule string, err error) {
		r, openErr := capture.New(capture.Config{DSN: dsn, Schedule: schedule}, nil, "maintain")
		if openErr != nil {
			t.Fatal(openErr)
		}
		ctx := r.Begin(t.Context(), "")
		end := capture.CheckIn(ctx)
		time.Sleep(20 * time.Millisecond)
		end(err)
		r.Flush(ctx, time.Second)
	}
	run("rate(1 day)", nil)
	run("rate(5 minutes)", errors.New("lost"))
	run("", nil) // not scheduled: no check-in

	got := sentry.CheckIns()
	if problems := sentry.Problems(); len(got) != 4 || len(problems) > 0 {
		t.Fatalf("%+v, %v", got, problems)
	}
	for i, status := range []string{"in_progress", "ok", "in_progress", "error"} {
		c, m := got[i], got[i].Monitor
		if c.Status != status || c.Slug != "newsletter-maintain" || (c.Duration >= 0.02) != (i%2 == 1) || c.ID != got[i/2*2].ID {
			t.Errorf("check-in %d: %+v", i, c)
		}
		unit, value, margin := "day", 1, 60
		if i >= 2 {
			unit, value, margin = "minute", 5, 2
		}
		if m.Schedule.Unit != unit || m.Schedule.Value != value || m.Margin != margin || m.MaxRuntime != 15 {
			t.Errorf("monitor %d: %+v", i, m)
		}
	}
}

func TestInvalidSchedules(t *testing.T) {
	t.Parallel()
	for _, schedule := range []string{"1 minute", "rate(1)", "rate(0 days)", "rate(a day)", "rate(2 weeks)", "cron(0 3 * * ? *)"} {
		_, err := capture.New(capture.Config{DSN: config.Seal("https://key@sentry.example.org/1"), Schedule: schedule}, nil, "f")
		if err == nil || !strings.HasPrefix(err.Error(), "SCHEDULE: ") {
			t.Errorf("%s: %v", schedule, err)
		}
	}
}
