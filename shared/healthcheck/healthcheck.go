// Package healthcheck asks the dependencies whether they answer, and says what that means for a visitor.
//
// Checks run side by side, each within its own time; the result is kept for some seconds, so that asking often costs the
// dependencies nothing. The worst check decides, but the whole fails only by what sign-ups cannot do without: a lost
// database or an old schema. All else warns, such as a lost Redis, because the limiter has a fallback, or an outbox that is
// not emptied.
package healthcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"
)

// Status is the state of a check or of the whole (draft-inadarei-api-health-check-06 §3.1).
type Status string

// The states.
const (
	Pass Status = "pass"
	Warn Status = "warn"
	Fail Status = "fail"
)

const (
	// timeout bounds one check.
	timeout = 500 * time.Millisecond
	// grace is for a check that heeds the end of its time to say what it was waiting for.
	grace = 50 * time.Millisecond
	// freshness is how long a result is kept.
	freshness = 5 * time.Second
)

// Check asks one dependency.
type Check struct {
	Name string
	// Vital means that sign-ups do not work when it fails. The failure of another check is a warning of the whole.
	Vital bool
	// Lost is the status when Ask fails: Fail, or Warn where the service goes on without it.
	Lost Status
	// Ask returns what was observed, for people, or an error. A Assessed error has a status of its own.
	Ask func(ctx context.Context) (string, error)
}

// Assessed is what was observed and how bad that is, where a check knows degrees.
type Assessed struct {
	Status Status
	Text   string
}

// Error implements error.
func (j Assessed) Error() string { return j.Text }

// Degree is Assessed for a value that warns from one bound on and fails from another, and nil below.
func Degree[T cmp.Ordered](value, warn, fail T, text string) error {
	switch {
	case value >= fail:
		return Assessed{Fail, text}
	case value >= warn:
		return Assessed{Warn, text}
	}
	return nil
}

// Component is the result of one check.
type Component struct {
	Status     Status    `json:"status"`
	Time       time.Time `json:"time,omitzero"`
	DurationMS float64   `json:"observedValue"`
	Unit       string    `json:"observedUnit,omitempty"`
	Observed   string    `json:"observed,omitempty"`
	Output     string    `json:"output,omitempty"` // what went wrong; left out when it passed
}

// Report returns the result of all checks.
type Report struct {
	Status Status                 `json:"status"`
	Checks map[string][]Component `json:"checks"`
}

// With returns the report with the result of one more check, of which the status counts for the whole as it is.
func (r Report) With(name string, c Component) Report {
	checks := maps.Clone(r.Checks)
	if checks == nil {
		checks = map[string][]Component{}
	}
	checks[name] = []Component{c}
	return Report{Status: worse(r.Status, c.Status), Checks: checks}
}

// Public returns the report without anything that tells how the service is built or what exactly failed.
func (r Report) Public() map[string]any {
	checks := make(map[string]any, len(r.Checks))
	for name, components := range r.Checks {
		for _, c := range components {
			checks[name] = []map[string]Status{{"status": c.Status}}
		}
	}
	return map[string]any{"status": r.Status, "checks": checks}
}

// Checker runs checks. It is safe for concurrent use.
type Checker struct {
	checks []Check
	now    func() time.Time

	mu   sync.Mutex // held while the checks run, so that callers share one run
	last Report
	at   time.Time
}

// New makes a Checker.
func New(now func() time.Time, checks ...Check) *Checker {
	return &Checker{checks: checks, now: now}
}

// Report returns the result of the last run, or of a new one if that is older than 5 seconds.
func (c *Checker) Report(ctx context.Context) Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.at.IsZero() && c.now().Sub(c.at) < freshness {
		return c.last
	}
	return c.renew(ctx)
}

// Now returns the result of a new run, whatever the age of the last.
func (c *Checker) Now(ctx context.Context) Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.renew(ctx)
}

func (c *Checker) renew(ctx context.Context) Report {
	c.last, c.at = c.run(ctx), c.now()
	return c.last
}

func (c *Checker) run(ctx context.Context) Report {
	components := make([]Component, len(c.checks))
	var running sync.WaitGroup
	for i, check := range c.checks {
		running.Go(func() { components[i] = c.ask(ctx, check) })
	}
	running.Wait()
	report := Report{Status: Pass, Checks: make(map[string][]Component, len(c.checks))}
	for i, check := range c.checks {
		report.Checks[check.Name] = []Component{components[i]}
		status := components[i].Status
		if status == Fail && !check.Vital {
			status = Warn
		}
		report.Status = worse(report.Status, status)
	}
	return report
}

// answer is what a check gives.
type answer struct {
	observed string
	err      error
}

var errTimeout = errors.New("it did not answer in time")

// ask returns a check its time. One that does not heed its context is left behind, so that it holds up nobody.
func (c *Checker) ask(ctx context.Context, check Check) Component {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := c.now()
	answers := make(chan answer, 1)
	go func() {
		observed, err := check.Ask(ctx)
		answers <- answer{observed, err}
	}()
	var got answer
	select {
	case got = <-answers:
	case <-ctx.Done():
		select {
		case got = <-answers: // it has more to say of its failure
		case <-time.After(grace):
			got.err = errTimeout
		}
	}
	component := Component{Status: Pass, Time: began.UTC(), DurationMS: float64(c.now().Sub(began).Microseconds()) / 1000, Unit: "ms", Observed: got.observed}
	if got.err != nil {
		component.Status, component.Output = check.Lost, got.err.Error()
	}
	if judged, ok := errors.AsType[Assessed](got.err); ok {
		component.Status = judged.Status
	}
	return component
}

func worse(a, b Status) Status {
	rank := map[Status]int{Pass: 0, Warn: 1, Fail: 2}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// ErrBehind means that the schema is older than this release needs.
var ErrBehind = errors.New("the database schema is behind this release")

// Schema compares the version of the database with the one that this release needs. A newer one is fine: releases work
// with the schema of the next.
func Schema(have, want int64) (string, error) {
	if have < want {
		return "", fmt.Errorf("%w: version %d, needed %d", ErrBehind, have, want)
	}
	return fmt.Sprintf("version %d", have), nil
}
