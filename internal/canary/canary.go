// Package canary searches everything that leaves the system or is stored for email addresses, network addresses,
// tokens and keys that must not be there.
//
// It searches in two ways: for values that a test planted, in their usual spellings, and for all values of their
// shapes where the shape is not permitted. Exceptions are listed with their reasons in allowed.go. Shared test
// infrastructure records what each sink received, and internal/testenv/run inspects it after the tests.
//
// Invariants: a finding contains the place and kind of a value, never the value. Failure policy: what cannot be
// recorded or read back is a panic or an error, because an incomplete inspection would find nothing.
package canary

import (
	"fmt"
	"slices"
	"strings"
)

// Sink is a path out of the system, or a place of storage.
type Sink string

// The sinks.
const (
	Log      Sink = "log"     // a log line of a function
	Metrics  Sink = "metrics" // a log line of a function with metrics (EMF)
	Problem  Sink = "problem" // a 4xx or 5xx answer, with its headers
	Answer   Sink = "answer"  // any other answer
	Result   Sink = "result"  // the result of a direct invocation
	Sentry   Sink = "sentry"
	Slack    Sink = "slack"
	Discord  Sink = "discord"
	Webhook  Sink = "webhook"
	GA4      Sink = "ga4"
	SNS      Sink = "sns"
	SES      Sink = "ses"
	Loops    Sink = "loops"
	Captcha  Sink = "captcha"
	Vector   Sink = "vector"
	Queue    Sink = "queue"   // the unsubscribe queue
	Journal  Sink = "journal" // the suppression journal
	Database Sink = "database"
	Redis    Sink = "redis"
)

// Entry is something that a sink received.
type Entry struct {
	Sink Sink `json:"sink"`
	// Place is the place in the sink: method, path and status of an answer, or table and column of a row.
	Place string `json:"place"`
	Text  string `json:"text"`
	// Package is the test's package.
	Package string `json:"package,omitempty"`
}

// Finding is a value in a place where it is not permitted.
type Finding struct {
	Sink           Sink
	Place, Package string
	What           string // a shape, or the name of a planted value
	Line           string // the surrounding text, with everything of a shape redacted
}

// String implements fmt.Stringer.
func (f Finding) String() string {
	where := strings.TrimSpace(string(f.Sink) + " " + f.Place)
	if f.Package != "" {
		where += " (" + f.Package + ")"
	}
	return fmt.Sprintf("%s holds a %s: %s", where, f.What, f.Line)
}

// Inspect returns the findings of an entry: planted values, and values of a shape.
func Inspect(e Entry, planted []Value) []Finding {
	var found []Finding
	add := func(what, text string, start, end int) {
		f := Finding{e.Sink, e.Place, e.Package, what, around(text, start, end, what)}
		if !slices.Contains(found, f) {
			found = append(found, f)
		}
	}
	text := strip(e)
	for _, view := range views(text) {
		for _, at := range shapes(view) {
			if !allows(e, at.shape) {
				add(string(at.shape), view, at.start, at.end)
			}
		}
	}
	lower := lowered(text)
	for _, v := range planted {
		if s, at := v.in(lower); at >= 0 && !allows(e, v.Shape) {
			add("planted "+v.Name+" "+s.how, text, at, at+len(s.text))
		}
	}
	return found
}

// margin is the length of the text shown on either side of a finding.
const margin = 120

// around returns the text around a finding, with the kind of the value in its place.
func around(text string, start, end int, what string) string {
	before, after := redact(unescape(text[:start])), redact(unescape(text[end:]))
	line := before[max(0, len(before)-margin):] + "[" + what + "]" + after[:min(len(after), margin)]
	return strings.Join(strings.Fields(strings.ToValidUTF8(line, "")), " ")
}
