package healthcheck

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// timeout bounds one check.
	timeout = 500 * time.Millisecond
	// grace is how long a check whose context ended may take to return its error.
	grace = 50 * time.Millisecond
	// freshness is how long a report is cached.
	freshness = 5 * time.Second
)

// A Check asks one dependency.
type Check struct {
	Name string
	// Vital means that sign-ups do not work when the check fails. The failure of another check is a warning of the
	// whole.
	Vital bool
	// Lost is the status when Ask returns an error: Fail, or Warn where the service works without the dependency.
	Lost Status
	// Ask returns what it observed, or an error.
	Ask func(ctx context.Context) (Observation, error)
}

// An Observation is what a check observed. Its zero status is Pass.
type Observation struct {
	Text   string
	Status Status
}

// Grade returns the status of a value that is a warning from one threshold and a failure from another.
func Grade[T cmp.Ordered](value, warn, fail T) Status {
	switch {
	case value >= fail:
		return Fail
	case value >= warn:
		return Warn
	}
	return Pass
}

// Checker runs checks. It is safe for concurrent use.
type Checker struct {
	checks []Check
	now    func() time.Time

	mu   sync.Mutex // held while the checks run, so that callers share one run
	last Report
	at   time.Time
}

// New returns a Checker.
func New(now func() time.Time, checks ...Check) *Checker {
	return &Checker{checks: checks, now: now}
}

// Report returns the report of the last run, or of a new one if that is older than 5 seconds.
func (c *Checker) Report(ctx context.Context) Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.at.IsZero() && c.now().Sub(c.at) < freshness {
		return c.last
	}
	return c.renew(ctx)
}

// Now returns the report of a new run.
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

var errTimeout = errors.New("no answer in time")

// ask runs a check within its timeout. It does not wait for one that ignores its context.
func (c *Checker) ask(ctx context.Context, check Check) Component {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	started := c.now()
	type answer struct {
		Observation
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		observation, err := check.Ask(ctx)
		answers <- answer{observation, err}
	}()
	var got answer
	select {
	case got = <-answers:
	case <-ctx.Done():
		select {
		case got = <-answers: // its error has the cause
		case <-time.After(grace):
			got.err = errTimeout
		}
	}
	component := Component{
		Status: cmp.Or(got.Status, Pass), Time: started.UTC(), DurationMS: float64(c.now().Sub(started).Microseconds()) / 1000, Unit: "ms", Observed: got.Text,
	}
	switch {
	case got.err != nil:
		component.Status, component.Output = check.Lost, got.err.Error()
	case component.Status != Pass:
		component.Output = got.Text
	}
	return component
}
