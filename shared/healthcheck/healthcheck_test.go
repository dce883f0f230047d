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
	return Check{Name: name, Vital: name == "postgres", Lost: lost, Ask: func(context.Context) (Observation, error) { return Observation{Text: "seen by " + name}, err }}
}

func TestWorstCheckDecides(t *testing.T) {
	failure := errors.New("10.0.0.7 does not answer")
	for name, test := range map[string]struct {
		database, redis, outbox error
		want                    Status
	}{
		"all passed":     {nil, nil, nil, Pass},
		"redis lost":     {nil, failure, nil, Warn},
		"outbox stalled": {nil, nil, failure, Warn}, // sign-ups work
		"database lost":  {failure, nil, nil, Fail},
		"all lost":       {failure, failure, failure, Fail},
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
					t.Errorf("the public report has %q: %s", inner, public)
				}
			}
		})
	}
}

func TestReportIsCached(t *testing.T) {
	now := time.Unix(0, 0)
	var asked atomic.Int64
	c := New(func() time.Time { return now }, Check{Name: "x", Lost: Fail, Ask: func(context.Context) (Observation, error) {
		asked.Add(1)
		return Observation{}, nil
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
		t.Errorf("asked %d times, want one more, which is cached", got)
	}
}

func TestTimeout(t *testing.T) {
	c := New(time.Now, Check{Name: "silent", Lost: Warn, Ask: func(ctx context.Context) (Observation, error) {
		<-ctx.Done()
		return Observation{}, ctx.Err()
	}})
	if got := c.Report(t.Context()).Status; got != Warn {
		t.Errorf("got %s", got)
	}
}

// TestCheckThatIgnoresItsContext checks that the report does not wait for it.
func TestCheckThatIgnoresItsContext(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	c := New(time.Now, answers("passed", Fail, nil), Check{Name: "stuck", Lost: Warn, Ask: func(context.Context) (Observation, error) {
		<-end // after the report
		return Observation{}, nil
	}})
	report := c.Report(t.Context())
	if stuck := report.Checks["stuck"][0]; report.Status != Warn || stuck.Output != errTimeout.Error() || report.Checks["passed"][0].Status != Pass {
		t.Errorf("%+v", report)
	}
}

func TestObservations(t *testing.T) {
	for value, want := range map[int]Component{
		1: {Status: Pass, Observed: "measured"}, 2: {Status: Warn, Observed: "measured", Output: "measured"}, 3: {Status: Fail, Observed: "measured", Output: "measured"},
	} {
		report := New(time.Now, Check{Name: "x", Lost: Warn, Ask: func(context.Context) (Observation, error) {
			return Observation{"measured", Grade(value, 2, 3)}, nil
		}}).Report(t.Context())
		got := report.Checks["x"][0]
		if got.Status != want.Status || got.Observed != want.Observed || got.Output != want.Output || report.StatusOf("x") != want.Status {
			t.Errorf("%d: %+v, want %+v", value, got, want)
		}
	}
}
