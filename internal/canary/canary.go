// Package canary looks for what must not leave by any side door: mail addresses, network addresses, tokens and keys.
//
// It looks in two ways: for values that a test planted, in their usual spellings, and for everything of their shapes where
// nothing of a shape may stand. What stands somewhere rightly is listed there with its reason (allowed.go). The parts that
// all tests pass write down what each sink got, and internal/testenv/run looks at it when the tests have ended.
//
// Invariants: a finding says where something stood and of what kind it was, never what it was. Failure policy: what cannot
// be written down or read again is a panic or an error, because a look that missed something finds nothing.
package canary

import (
	"fmt"
	"slices"
	"strings"
)

// Sink is a way by which something leaves, or a place where it stays.
type Sink string

// The sinks.
const (
	Log      Sink = "log"     // a line of a function
	Metrics  Sink = "metrics" // a line of a function with metrics (EMF) in it
	Problem  Sink = "problem" // an answer of 4xx or 5xx, with its header
	Answer   Sink = "answer"  // any other answer
	Result   Sink = "result"  // what a direct invocation returns
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
	Queue    Sink = "queue"   // the parked unsubscriptions
	Journal  Sink = "journal" // the stops outside the database
	Database Sink = "database"
	Redis    Sink = "redis"
)

// Entry is what a sink got.
type Entry struct {
	Sink Sink `json:"sink"`
	// Place is where in the sink: method, path and status of an answer, table and column of a row.
	Place string `json:"place"`
	Text  string `json:"text"`
	// Package is that of the test.
	Package string `json:"package,omitempty"`
}

// Finding is something that stands where it must not.
type Finding struct {
	Sink           Sink
	Place, Package string
	What           string // a shape, or the name of a planted value
	Line           string // the text around it, with everything blotted out that is of a shape
}

// String implements fmt.Stringer.
func (f Finding) String() string {
	where := strings.TrimSpace(string(f.Sink) + " " + f.Place)
	if f.Package != "" {
		where += " (" + f.Package + ")"
	}
	return fmt.Sprintf("%s holds a %s: %s", where, f.What, f.Line)
}

// Inspect finds what an entry must not hold: planted values, and what has a shape.
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

// margin is how much of a text is shown on either side of a finding.
const margin = 120

// around shows where in a text something was found: in its place stands what it is.
func around(text string, start, end int, what string) string {
	before, after := redact(unescape(text[:start])), redact(unescape(text[end:]))
	line := before[max(0, len(before)-margin):] + "[" + what + "]" + after[:min(len(after), margin)]
	return strings.Join(strings.Fields(strings.ToValidUTF8(line, "")), " ")
}
