package healthcheck

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func answers(name string, lost Status, err error) Check {
	return Check{Name: name, Vital: name == "postgres", Lost: lost, Ask: func(context.Context) (string, error) { return "seen by " + name, err }}
}

func TestTheWorstCheckDecides(t *testing.T) {
	failure := errors.New("10.0.0.7 does not answer")
	for name, test := range map[string]struct {
		database, redis, outbox error
		want                    Status
	}{
		"all well":         {nil, nil, nil, Pass},
		"redis lost":       {nil, failure, nil, Warn},
		"nothing delivers": {nil, nil, failure, Warn}, // sign-ups work
		"database lost":    {failure, nil, nil, Fail},
		"all lost":         {failure, failure, failure, Fail},
	} {
		t.Run(name, func(t *testing.T) {
			c := New(time.Now, answers("postgres", Fail, test.database), answers("redis", Warn, test.redis), answers("outbox", Fail, test.outbox))
			report := c.Report(t.Context())
			if report.Status != test.want {
				t.Errorf("got %s, want %s", report.Status, test.want)
			}
			public, err := json.Marshal(report.Public())
			if err != nil {
				t.Fatal(err)
			}
			for _, inner := range []string{"10.0.0.7", "seen by", "output", "time"} {
				if strings.Contains(string(public), inner) {
					t.Errorf("the public report tells %q: %s", inner, public)
				}
			}
		})
	}
}

func TestAReportIsKeptForAWhile(t *testing.T) {
	now := time.Unix(0, 0)
	var asked atomic.Int64
	c := New(func() time.Time { return now }, Check{Name: "x", Lost: Fail, Ask: func(context.Context) (string, error) {
		asked.Add(1)
		return "", nil
	}})
	for _, step := range []struct {
		after time.Duration
		want  int64
	}{{0, 1}, {4 * time.Second, 1}, {2 * time.Second, 2}} {
		now = now.Add(step.after)
		c.Report(t.Context())
		if got := asked.Load(); got != step.want {
			t.Errorf("after %v: asked %d times, want %d", step.after, got, step.want)
		}
	}
	c.Now(t.Context())
	c.Report(t.Context())
	if got := asked.Load(); got != 3 {
		t.Errorf("asked %d times; one more was wanted now, and is kept", got)
	}
}

func TestASilentDependencyIsGivenUp(t *testing.T) {
	c := New(time.Now, Check{Name: "silent", Lost: Warn, Ask: func(ctx context.Context) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	}})
	if got := c.Report(t.Context()).Status; got != Warn {
		t.Errorf("got %s", got)
	}
}

// TestACheckThatDoesNotListenIsLeftBehind: it holds up no other, and is not waited for.
func TestACheckThatDoesNotListenIsLeftBehind(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	c := New(time.Now, answers("well", Fail, nil), Check{Name: "deaf", Lost: Warn, Ask: func(context.Context) (string, error) {
		<-end // which comes after the report
		return "", nil
	}})
	report := c.Report(t.Context())
	if deaf := report.Checks["deaf"][0]; report.Status != Warn || deaf.Output != errTimeout.Error() || report.Checks["well"][0].Status != Pass {
		t.Errorf("%+v", report)
	}
}

func TestSchemaMayBeAheadButNotBehind(t *testing.T) {
	if _, err := Schema(1, 2); !errors.Is(err, ErrBehind) {
		t.Errorf("behind: %v", err)
	}
	for _, have := range []int64{2, 3} {
		if _, err := Schema(have, 2); err != nil {
			t.Errorf("version %d: %v", have, err)
		}
	}
}
