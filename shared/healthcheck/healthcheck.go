// Package healthcheck runs the health checks of the dependencies and combines their results.
//
// Checks run concurrently, each with its own timeout. A result is cached for some seconds, so that frequent requests
// cost the dependencies nothing. The worst check decides, but the whole fails only if sign-ups cannot work: when the
// database is lost or its schema is too old. All other problems are warnings, such as a lost Redis, for which the
// limiter has a fallback, or an outbox that is not delivered.
package healthcheck

import (
	"maps"
	"time"

	"newsletter/shared/alert"
)

// Status is the status of a check or of the whole (draft-inadarei-api-health-check-06 §3.1).
type Status string

// The statuses.
const (
	Pass Status = "pass"
	Warn Status = "warn"
	Fail Status = "fail"
)

// worse returns the worse of two statuses.
func worse(a, b Status) Status {
	rank := map[Status]int{Pass: 0, Warn: 1, Fail: 2}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// Component is the result of one check.
type Component struct {
	Status     Status    `json:"status"`
	Time       time.Time `json:"time,omitzero"`
	DurationMS float64   `json:"observedValue"`
	Unit       string    `json:"observedUnit,omitempty"`
	Observed   string    `json:"observed,omitempty"`
	Output     string    `json:"output,omitempty"` // the problem; empty if the check passed
}

// Report is the result of all checks.
type Report struct {
	Status Status                 `json:"status"`
	Checks map[string][]Component `json:"checks"`
}

// StatusOf returns the status of a check; one that did not run passes.
func (r Report) StatusOf(check string) Status {
	for _, c := range r.Checks[check] {
		return c.Status
	}
	return Pass
}

// With returns the report with the result of one more check, whose status counts for the whole as it is.
func (r Report) With(name string, c Component) Report {
	checks := maps.Clone(r.Checks)
	if checks == nil {
		checks = map[string][]Component{}
	}
	checks[name] = []Component{c}
	return Report{Status: worse(r.Status, c.Status), Checks: checks}
}

// Public returns the statuses of the report, without anything about how the service is built or what exactly failed.
func (r Report) Public() map[string]any {
	checks := make(map[string]any, len(r.Checks))
	for name, components := range r.Checks {
		for _, c := range components {
			checks[name] = []map[string]Status{{"status": c.Status}}
		}
	}
	return map[string]any{"status": r.Status, "checks": checks}
}

// Details are the response of the health function to a direct invocation.
type Details struct {
	Report
	Requests []Route       `json:"requests"`
	Alerts   []alert.Alert `json:"alerts"` // firing
}

// A Route has the request statistics of a route over the last minutes.
type Route struct {
	Name       string  `json:"endpoint"`
	Requests   int64   `json:"requests"`
	ErrorRate  float64 `json:"error_rate"` // the share of responses with 5xx
	P50        float64 `json:"p50_ms"`     // percentiles in warm environments
	P95        float64 `json:"p95_ms"`
	P99        float64 `json:"p99_ms"`
	ColdStarts int64   `json:"cold_starts"`
}
