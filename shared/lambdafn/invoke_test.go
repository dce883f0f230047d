package lambdafn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"newsletter/internal/fixtures/emfcheck"
	"newsletter/shared/capture"
	"newsletter/shared/config"
	"newsletter/shared/httpapi"
	"newsletter/shared/telemetry"
)

// newTestEnvironment serves f and logs to the buffer.
func newTestEnvironment(f Function) (*environment, *lockedBuffer) {
	out := &lockedBuffer{}
	return &environment{function: f, reporter: &capture.Reporter{}, log: newLogger(out, slog.LevelInfo, "test"),
		initial: &telemetry.Metrics{}, base: context.Background(), now: time.Now, name: "test", metricContext: metricContext{"Newsletter", "test", time.Now}}, out
}

func TestInvocationEndsBeforeLambdaEndsIt(t *testing.T) {
	t.Parallel()
	var got time.Time
	e, _ := newTestEnvironment(Function{Event: func(ctx context.Context, _ json.RawMessage) (any, error) {
		got, _ = ctx.Deadline()
		return nil, nil
	}})
	deadline := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	if _, err := e.Invoke(ctx, []byte(`{}`)); err != nil || !got.Equal(deadline.Add(-500*time.Millisecond)) {
		t.Errorf("deadline %v of %v, %v", got, deadline, err)
	}
}

func TestReportIsSentBeforeTheResponse(t *testing.T) {
	t.Parallel()
	sentry := newSentryRecorder(t)
	e, _ := newTestEnvironment(Function{Event: func(context.Context, json.RawMessage) (any, error) { return nil, errors.New("lost") }})
	var err error
	if e.reporter, err = capture.New(capture.Config{DSN: config.Seal(sentry.dsn)}, nil, "test"); err != nil {
		t.Fatal(err)
	}
	e.flush = patience
	if _, err := e.Invoke(t.Context(), []byte(`{}`)); err == nil || !strings.Contains(sentry.raw.String(), `"value":"lost"`) {
		t.Errorf("answered %v before the report was sent: %s", err, sentry.raw.String())
	}
}

// brokenError panics when it is printed through a nil pointer.
type brokenError struct{ text string }

func (e *brokenError) Error() string { return e.text }

func TestErrorThatPanicsWhenPrintedIsHarmless(t *testing.T) {
	t.Parallel()
	for name, event := range map[string]func(context.Context, json.RawMessage) (any, error){
		"returned": func(context.Context, json.RawMessage) (any, error) { return nil, (*brokenError)(nil) },
		"panicked": func(context.Context, json.RawMessage) (any, error) { panic((*brokenError)(nil)) },
	} {
		e, _ := newTestEnvironment(Function{Event: event})
		if _, err := e.Invoke(t.Context(), []byte(`{}`)); err == nil || !strings.Contains(fmt.Sprint(err), "*lambdafn.brokenError") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConcurrentInvocationsKeepTheirNotes(t *testing.T) {
	t.Parallel()
	e, out := newTestEnvironment(Function{Event: func(ctx context.Context, event json.RawMessage) (any, error) {
		var steps sync.WaitGroup
		for i := range 4 {
			steps.Go(func() { Note(ctx, slog.String(fmt.Sprint("step", i), string(event))) })
		}
		steps.Wait()
		return nil, nil
	}})
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			if _, err := e.Invoke(t.Context(), fmt.Append(nil, i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	lines, cold := strings.Split(strings.TrimSpace(out.String()), "\n"), 0
	for _, text := range lines {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if line["cold_start"] == true {
			cold++
		}
		if line["step0"] != line["step1"] || line["step0"] != line["step2"] || line["step0"] != line["step3"] || line["outcome"] != "done" {
			t.Errorf("line %s", text)
		}
	}
	if len(lines) != 16 || cold != 1 {
		t.Errorf("%d lines, %d of them cold", len(lines), cold)
	}
}

func TestNotesAndLoggersWorkOutsideAnInvocation(t *testing.T) {
	t.Parallel()
	Note(t.Context(), slog.String("outcome", "x"))
	if Logger(t.Context()) == nil {
		t.Error("no logger")
	}
}

func TestIsScheduled(t *testing.T) {
	t.Parallel()
	for event, want := range map[string]bool{
		`{"version":"0","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`: true,
		`{"scheduled":true}`:            true,
		`{"scheduled":false}`:           false,
		`{"scheduled":"yes"}`:           false,
		`{"detail-type":"Other Event"}`: false,
		`{}`:                            false,
		`[]`:                            false,
		`null`:                          false,
		``:                              false,
	} {
		if got := isScheduled(json.RawMessage(event)); got != want {
			t.Errorf("%s: %v", event, got)
		}
	}
}

// FuzzInvoke sends any bytes as an event. The result is a status below 500 or an error result with a message, never a
// panic,
// and one INFO line is written.
func FuzzInvoke(f *testing.F) {
	f.Add([]byte(httpEvent("do=echo", `{"email":"x"}`)))
	f.Add([]byte(`{"requestContext":{"http":{"method":"GET"}}}`))
	f.Add([]byte(`{"Records":[{"EventSource":"aws:sns"}]}`))
	api := newWebAPI(httpapi.Config{})
	f.Fuzz(func(t *testing.T, event []byte) {
		for _, word := range []string{"panic", "fail", "lost"} {
			if bytes.Contains(event, []byte(word)) {
				return // these request a 5xx
			}
		}
		e, out := newTestEnvironment(Function{HTTP: api})
		payload, err := e.Invoke(t.Context(), event)
		if err == nil {
			var answer gatewayAnswer
			if err := json.Unmarshal(payload, &answer); err != nil || answer.StatusCode < 200 || answer.StatusCode >= 500 {
				t.Fatalf("answered %s, %v", payload, err)
			}
		} else if payload != nil || !strings.Contains(err.Error(), "event") {
			t.Fatalf("answered %s, %v", payload, err)
		}
		if got := strings.Count(out.String(), `"level":"INFO"`); got != 1 {
			t.Fatalf("%d INFO lines: %s", got, out.String())
		}
	})
}

// A denial has its own line with the ids and the route, and the invocation still has exactly one line.
func TestSecurityEventsHaveTheirOwnLine(t *testing.T) {
	t.Parallel()
	api := httpapi.New(httpapi.Config{}, httpapi.Route{Path: "/api/web",
		POST: func(ctx context.Context, _ *httpapi.Request) (*httpapi.Response, error) {
			telemetry.SecurityEvent(ctx, "honeypot")
			telemetry.SecurityEvent(ctx, "too_fast")
			return httpapi.JSON(http.StatusAccepted, nil).WithOutcome("dropped"), nil
		}})
	e, out := newTestEnvironment(Function{HTTP: api})
	if _, err := e.Invoke(t.Context(), []byte(httpEvent("", ""))); err != nil {
		t.Fatal(err)
	}
	var lines []map[string]any
	for text := range strings.Lines(out.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if _, err := emfcheck.Parse([]byte(text)); err != nil {
			t.Errorf("%v: %s", err, text)
		}
		lines = append(lines, line)
	}
	if len(lines) != 3 || lines[2]["message"] != "invocation" || lines[2]["reason"] != nil || lines[2]["SecurityEvents"] != nil {
		t.Fatalf("%d lines: %v", len(lines), lines)
	}
	for i, reason := range []string{"honeypot", "too_fast"} {
		if l := lines[i]; l["message"] != "security" || l["reason"] != reason || l["SecurityEvents"] != 1.0 || l["route"] != "/api/web" ||
			l["method"] != "POST" || l["correlation_id"] != "JKJaXmPLvHcESHA=" || l["level"] != "INFO" {
			t.Errorf("line %v", l)
		}
	}
}

// The request id of the gateway is logged as one short text, whatever the event contains.
func TestRequestIDInTheLogIsLimited(t *testing.T) {
	t.Parallel()
	api := httpapi.New(httpapi.Config{}, httpapi.Route{Path: "/api/web",
		POST: func(context.Context, *httpapi.Request) (*httpapi.Response, error) {
			return httpapi.JSON(http.StatusOK, nil), nil
		}})
	e, out := newTestEnvironment(Function{HTTP: api})
	event := strings.Replace(httpEvent("", ""), "JKJaXmPLvHcESHA=", `JKJ\u0000\r\n`+strings.Repeat("x", 100_000), 1)
	if _, err := e.Invoke(t.Context(), []byte(event)); err != nil || !strings.Contains(out.String(), `"correlation_id":"JKJ`+strings.Repeat("x", 61)+`"`) {
		t.Errorf("%v: %.300s", err, out.String())
	}
}

func TestInitMetricsAreInTheFirstInvocationsLine(t *testing.T) {
	t.Parallel()
	e, out := newTestEnvironment(Function{Event: func(context.Context, json.RawMessage) (any, error) { return nil, nil }})
	ctx, initial := telemetry.With(t.Context())
	telemetry.Add(ctx, telemetry.PoolDial, 17)
	e.initial = initial
	for range 2 {
		if _, err := e.Invoke(t.Context(), []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	if first, second, _ := strings.Cut(out.String(), "\n"); !strings.Contains(first, `"PoolDial":17`) || strings.Contains(second, "PoolDial") {
		t.Errorf("lines: %s", out.String())
	}
}

// The hash of the ledger's seal is the only long text that must stay readable: it proves what the database contained.
func TestTheSealIsReadable(t *testing.T) {
	t.Parallel()
	seal := strings.Repeat("0f9a", 16)
	e, out := newTestEnvironment(Function{Event: func(ctx context.Context, _ json.RawMessage) (any, error) {
		Note(ctx, slog.String("seal", seal), slog.String("other", seal))
		return nil, nil
	}})
	if _, err := e.Invoke(t.Context(), []byte(`{}`)); err != nil || !strings.Contains(out.String(), `"seal":"`+seal+`"`) || !strings.Contains(out.String(), `"other":"[key]"`) {
		t.Errorf("%v: %s", err, out.String())
	}
}
