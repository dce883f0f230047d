package capture

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/getsentry/sentry-go"
)

// Breadcrumb records a finished step of the invocation: its kind (decode, limit, query, send), outcome and duration.
func Breadcrumb(ctx context.Context, kind, outcome string, took time.Duration) {
	if i := of(ctx); i != nil {
		i.hub.AddBreadcrumb(&sentry.Breadcrumb{
			Category: kind, Message: outcome, Level: sentry.LevelInfo, Timestamp: time.Now().UTC(),
			Data: map[string]any{"duration_ms": took.Milliseconds()},
		}, nil)
	}
}

// Route adds the matched route of the request to every further report of the invocation.
func Route(ctx context.Context, route string) { setTag(ctx, tagRoute, route) }

// Trace adds the X-Ray trace id of the invocation to every further report.
func Trace(ctx context.Context, id string) { setTag(ctx, tagTrace, id) }

func setTag(ctx context.Context, name, value string) {
	if i := of(ctx); i != nil && value != "" {
		i.hub.Scope().SetTag(name, value)
	}
}

// Error reports err, unless this invocation already reported it or an error it wraps, or its cause was reported within
// the last minute.
func Error(ctx context.Context, err error) {
	if i := of(ctx); i != nil && err != nil {
		i.capture(err, sentry.LevelError)
	}
}

// Panic reports a recovered panic and returns it as an error without personal data. It must be called by the deferred
// function that recovered, whose stack still contains the frames that panicked.
func Panic(ctx context.Context, value any) error {
	err := &panicError{text: describePanic(value)}
	if i := of(ctx); i != nil {
		i.capture(err, sentry.LevelFatal)
	}
	return err
}

// panicError is a recovered panic.
type panicError struct{ text string }

func (e *panicError) Error() string { return "panic: " + e.text }

// describePanic returns the scrubbed text of errors and strings. Other values can contain anything.
func describePanic(value any) string {
	switch v := value.(type) {
	case runtime.Error:
		return Scrub(v.Error())
	case error:
		return Scrub(errorText(v))
	case string:
		return Scrub(v)
	}
	return fmt.Sprintf("a value of type %T", value)
}

// errorText returns an error's text. It survives an Error method that panics, as one on a nil pointer does.
func errorText(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("an error of type %T", err)
		}
	}()
	return err.Error()
}

// capture reports err. It never panics, because the response is still to be written and an Error method may panic.
func (i *invocation) capture(err error, level sentry.Level) {
	defer func() { _ = recover() }()
	if !i.isNew(err) {
		return
	}
	cause := causeOf(err)
	dropped, pass := i.dedup.pass(cause, time.Now())
	if !pass {
		return
	}
	scope := i.hub.Scope().Clone() // not WithScope: its stack would mix goroutines of one invocation
	scope.SetLevel(level)
	scope.SetFingerprint([]string{cause})
	if dropped > 0 {
		scope.SetTag(tagRepeats, strconv.Itoa(dropped))
	}
	client := i.hub.Client()
	client.CaptureEvent(client.EventFromException(err, level), &sentry.EventHint{OriginalException: err, Data: i}, scope)

	i.mu.Lock()
	defer i.mu.Unlock()
	i.reported, i.sent = append(i.reported, err), true
}

// isNew reports whether this invocation reported neither err nor an error it wraps.
func (i *invocation) isNew(err error) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, before := range i.reported {
		if errors.Is(err, before) {
			return false
		}
	}
	return true
}
