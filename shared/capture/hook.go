package capture

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getsentry/sentry-go"
)

// Report is an error in words, scrubbed.
type Report struct {
	ID string // the same as in Sentry
	At time.Time
	// Data are function, environment, release, level, error, cause (equal for errors of one cause), steps, of a panic
	// stack, and request_id, xray_trace_id, route and left_out where they are known.
	Data map[string]string
}

// Hook tells somebody of a report. It is called side by side, beside what goes on; ctx ends after two seconds. Its error
// is lost: whom could it be told, if not the log, which has the error of the report.
type Hook func(ctx context.Context, r Report) error

// send calls the hook, and closes the channel when that is over. It is tried once.
func (h Hook) send(event *sentry.Event) <-chan struct{} {
	report := Report{string(event.EventID), event.Timestamp, describe(event)}
	over := make(chan struct{})
	go func() {
		defer close(over)
		ctx, cancel := context.WithTimeout(context.Background(), sendTimeout) // it outlives its invocation
		defer cancel()
		_ = h(ctx, report)
	}()
	return over
}

// describe puts a scrubbed event into words.
func describe(event *sentry.Event) map[string]string {
	data := map[string]string{
		"function": event.ServerName, "environment": event.Environment, "release": event.Release, "level": string(event.Level),
		"cause": strings.Join(event.Fingerprint, " "), "steps": steps(event.Breadcrumbs),
	}
	for name, value := range event.Tags {
		data[name] = value
	}
	if n := len(event.Exception); n > 0 { // the outermost comes last, and says the most
		data["error"] = event.Exception[n-1].Value
		if event.Level == sentry.LevelFatal {
			data["stack"] = stack(event.Exception[0].Stacktrace)
		}
	}
	return data
}

// steps are the breadcrumbs in one line: "decode done 0 ms, limit allowed 2 ms, query unavailable 4003 ms".
func steps(crumbs []*sentry.Breadcrumb) string {
	var all []string
	for _, crumb := range crumbs {
		all = append(all, fmt.Sprintf("%s %s %v ms", crumb.Category, crumb.Message, crumb.Data["duration_ms"]))
	}
	return strings.Join(all, ", ")
}

// maxFrames is enough to see where a panic came from.
const maxFrames = 10

// stack is where a panic happened, in one line, the innermost of our functions first. That of another error would only say
// who reported it.
func stack(trace *sentry.Stacktrace) string {
	if trace == nil {
		return ""
	}
	var all []string
	for _, f := range slices.Backward(trace.Frames) {
		if f.InApp && !reports(f) && len(all) < maxFrames {
			all = append(all, fmt.Sprintf("%s.%s:%d", strings.TrimPrefix(f.Module, "newsletter/"), f.Function, f.Lineno))
		}
	}
	return strings.Join(all, " < ")
}

// reports says whether a frame is of this package's way from the panic to the report.
func reports(f sentry.Frame) bool {
	return f.Module == "newsletter/shared/capture" && (f.Function == "Panic" || strings.HasPrefix(f.Function, "(*invocation)"))
}
