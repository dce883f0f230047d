package capture

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getsentry/sentry-go"
)

// Report is a scrubbed error as texts.
type Report struct {
	ID string // the same as in Sentry
	At time.Time
	// Data contains function, environment, release, level, error, cause (equal for errors of one cause) and steps;
	// the stack
	// of a panic; and request_id, xray_trace_id, route and repeats if known.
	Data map[string]string
}

// Hook sends a report to another receiver. It is called concurrently, in parallel to the invocation; ctx ends after two
// seconds. Its error is ignored, because the log has the reported error already.
type Hook func(ctx context.Context, r Report) error

// send calls the hook once, and closes the channel when the call returns.
func (h Hook) send(event *sentry.Event) <-chan struct{} {
	report := Report{string(event.EventID), event.Timestamp, describe(event)}
	over := make(chan struct{})
	go func() {
		defer close(over)
		ctx, cancel := context.WithTimeout(context.Background(), sendTimeout) // the call can outlive its invocation
		defer cancel()
		_ = h(ctx, report)
	}()
	return over
}

// describe returns a scrubbed event as texts.
func describe(event *sentry.Event) map[string]string {
	data := map[string]string{
		"function": event.ServerName, "environment": event.Environment, "release": event.Release, "level": string(event.Level),
		"cause": strings.Join(event.Fingerprint, " "), "steps": steps(event.Breadcrumbs),
	}
	for name, value := range event.Tags {
		data[name] = value
	}
	if n := len(event.Exception); n > 0 { // the outermost is last, and has the complete message
		data["error"] = event.Exception[n-1].Value
		if event.Level == sentry.LevelFatal {
			data["stack"] = stack(event.Exception[0].Stacktrace)
		}
	}
	return data
}

// steps returns the breadcrumbs in one line: "decode done 0 ms, limit allowed 2 ms, query unavailable 4003 ms".
func steps(crumbs []*sentry.Breadcrumb) string {
	var all []string
	for _, crumb := range crumbs {
		all = append(all, fmt.Sprintf("%s %s %v ms", crumb.Category, crumb.Message, crumb.Data["duration_ms"]))
	}
	return strings.Join(all, ", ")
}

// maxFrames is enough to show where a panic came from.
const maxFrames = 10

// stack returns the stack of a panic in one line, the innermost of our functions first. The stack of any other error
// would
// only show who reported it.
func stack(trace *sentry.Stacktrace) string {
	if trace == nil {
		return ""
	}
	var all []string
	for _, f := range slices.Backward(trace.Frames) {
		if f.InApp && !isReporting(f) && len(all) < maxFrames {
			all = append(all, fmt.Sprintf("%s.%s:%d", strings.TrimPrefix(f.Module, "newsletter/"), f.Function, f.Lineno))
		}
	}
	return strings.Join(all, " < ")
}

// isReporting reports whether a frame belongs to this package's code between the panic and the report.
func isReporting(f sentry.Frame) bool {
	return f.Module == "newsletter/shared/capture" && (f.Function == "Panic" || strings.HasPrefix(f.Function, "(*invocation)"))
}
