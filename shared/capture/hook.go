package capture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/getsentry/sentry-go"

	"newsletter/shared/outbound"
	"newsletter/shared/webhook"
)

// errorCaptured is the type of the event that the webhook gets.
const errorCaptured = "error.captured"

// hook tells errors to a service of the owner's. It is safe for concurrent use.
type hook struct {
	endpoint *webhook.Endpoint
	function string
}

// openHook gives nil where no webhook is configured.
func openHook(cfg Config, guard outbound.Config, function string) (*hook, error) {
	if cfg.WebhookURL.IsZero() {
		return nil, nil //nolint:nilnil // none is wanted
	}
	url := cfg.WebhookURL.Reveal()
	if err := guard.CheckURL(url); err != nil {
		return nil, fmt.Errorf("ERROR_WEBHOOK_URL: %w", err)
	}
	if cfg.WebhookSecrets.IsZero() {
		return nil, errors.New("ERROR_WEBHOOK_SECRETS: required with ERROR_WEBHOOK_URL")
	}
	endpoint, err := webhook.NewEndpoint(url, cfg.WebhookSecrets, outbound.New(guard, net.DefaultResolver), time.Now)
	if err != nil {
		return nil, fmt.Errorf("ERROR_WEBHOOK_SECRETS: %w", err)
	}
	return &hook{endpoint, function}, nil
}

// send tells of an event, beside what goes on, and closes the channel when that is over. It is tried once.
func (h *hook) send(event *sentry.Event) <-chan struct{} {
	told := webhook.Event{Type: errorCaptured, At: event.Timestamp, EventID: string(event.EventID), Data: h.describe(event)}
	over := make(chan struct{})
	go func() {
		defer close(over)
		ctx, cancel := context.WithTimeout(context.Background(), sendTimeout) // it outlives its invocation
		defer cancel()
		_ = h.endpoint.Send(ctx, told.EventID, told) // whom could it be told: the log has the error itself
	}()
	return over
}

// describe puts a scrubbed event into words.
func (h *hook) describe(event *sentry.Event) map[string]string {
	data := map[string]string{
		"function": h.function, "environment": event.Environment, "release": event.Release, "level": string(event.Level),
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
