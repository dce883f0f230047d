package lambdafn

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"newsletter/shared/capture"
	"newsletter/shared/httpapi"
	"newsletter/shared/telemetry"
)

// Reserve is the time kept at the end of an invocation for the response and the error report.
const Reserve = 500 * time.Millisecond

var (
	errNotHTTP  = errors.New("unsupported event: this function serves only HTTP API events of payload format 2.0")
	errNoRoutes = errors.New("unsupported event: this function has no HTTP routes")
)

// environment serves the events of one execution environment. It is safe for concurrent use.
type environment struct {
	function      Function
	name          string // the function's name in this repository
	reporter      *capture.Reporter
	log           *slog.Logger
	metricContext metricContext
	flush         time.Duration // limits the wait for a slow Sentry after an invocation that captured an error
	base          context.Context
	now           func() time.Time
	warm          atomic.Bool
	initial       *telemetry.Metrics // metrics of the INIT phase, for the first invocation's line
}

// outcome is the result of an invocation.
type outcome struct {
	word    string // for the log line
	payload []byte
	err     error // becomes the error result
	answer  *httpapi.Result
}

// Invoke implements lambda.Handler. It never panics.
func (e *environment) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	start, cold := e.now(), e.warm.CompareAndSwap(false, true)
	event, err := parse(payload)
	ctx, cancel := e.begin(ctx, event)
	defer cancel()
	var done outcome
	if err != nil {
		done = outcome{word: "malformed-event", err: err}
	} else {
		done = e.dispatch(ctx, event)
	}
	e.finish(ctx, done, cold, e.now().Sub(start))
	if done.err != nil {
		return nil, messages.InvokeResponse_Error{Type: done.word, Message: bounded(text(done.err))}
	}
	return done.payload, nil
}

// begin sets up the invocation's deadline, logger and error reporting.
func (e *environment) begin(ctx context.Context, event parsed) (context.Context, context.CancelFunc) {
	cancel := context.CancelFunc(func() {})
	if deadline, ok := ctx.Deadline(); ok {
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-Reserve))
	}
	var request, correlation string
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		request = lc.AwsRequestID
	}
	if event.http != nil {
		correlation = httpapi.RequestID(*event.http)
	}
	trace := traceID(ctx)
	var attrs []any
	for _, attr := range []slog.Attr{
		slog.String("function_request_id", request),
		slog.String("xray_trace_id", trace),
		slog.String("correlation_id", correlation),
	} {
		if attr.Value.String() != "" {
			attrs = append(attrs, attr)
		}
	}
	ctx = e.reporter.Begin(ctx, cmp.Or(correlation, request))
	capture.Trace(ctx, trace)
	return withLine(ctx, e.log.With(attrs...)), cancel
}

func traceID(ctx context.Context) string {
	if id, ok := ctx.Value("x-amzn-trace-id").(string); ok { // as the Lambda library sets it
		return id
	}
	return os.Getenv("_X_AMZN_TRACE_ID")
}

func (e *environment) dispatch(ctx context.Context, event parsed) outcome {
	switch {
	case event.http != nil && e.function.HTTP != nil:
		return e.serve(ctx, *event.http)
	case e.function.Event != nil && isScheduled(event.raw):
		end := capture.CheckIn(ctx)
		done := e.handle(ctx, event.raw)
		end(done.err)
		return done
	case e.function.Event != nil:
		return e.handle(ctx, event.raw)
	case event.http != nil:
		return outcome{word: "unknown-event", err: errNoRoutes}
	}
	return outcome{word: "unknown-event", err: errNotHTTP}
}

// serve answers an HTTP event.
func (e *environment) serve(ctx context.Context, event events.APIGatewayV2HTTPRequest) outcome {
	answer := e.answer(ctx, event)
	if answer.Err != nil {
		capture.Route(ctx, answer.Route)
		capture.Error(ctx, answer.Err)
		Logger(ctx).ErrorContext(ctx, "request failed", "err", answer.Err)
	}
	if answer.Response.StatusCode == http.StatusForbidden { // only httpapi answers 403, and only for this reason
		telemetry.SecurityEvent(ctx, "proxy_bypass")
	}
	payload, err := json.Marshal(answer.Response)
	return outcome{word: cmp.Or(answer.Outcome, "answered"), payload: payload, err: err, answer: &answer}
}

// answer serves an HTTP event and turns a panic into a 500 response.
func (e *environment) answer(ctx context.Context, event events.APIGatewayV2HTTPRequest) (answer httpapi.Result) {
	defer func() {
		if v := recover(); v != nil {
			answer = e.function.HTTP.Failed(event)
			capture.Route(ctx, answer.Route)
			answer.Err, answer.Outcome = capture.Panic(ctx, v), "panic"
		}
	}()
	return e.function.HTTP.Serve(ctx, event)
}

// handle serves any other event.
func (e *environment) handle(ctx context.Context, event json.RawMessage) (done outcome) {
	defer func() {
		if v := recover(); v != nil {
			done = outcome{word: "panic", err: capture.Panic(ctx, v)}
		}
	}()
	value, err := e.function.Event(ctx, event)
	if err == nil {
		var payload []byte
		if payload, err = json.Marshal(value); err == nil {
			return outcome{word: "done", payload: payload}
		}
		err = fmt.Errorf("encode the result: %w", err)
	}
	capture.Error(ctx, err)
	return outcome{word: "failed", err: err}
}

// finish writes the invocation's INFO line, sends captured errors and counts the request.
func (e *environment) finish(ctx context.Context, done outcome, cold bool, took time.Duration) {
	if done.err != nil {
		Logger(ctx).ErrorContext(ctx, "event failed", "outcome", done.word, "err", done.err)
	}
	attrs := []slog.Attr{
		slog.Bool("cold_start", cold),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
	}
	failed := done.err != nil
	if a := done.answer; a != nil {
		status := a.Response.StatusCode
		attrs = append(attrs, slog.String("route", a.Route), slog.String("method", a.Method), slog.Int("status", status))
		failed = failed || status >= http.StatusInternalServerError
		e.count(ctx, telemetry.Request{Endpoint: e.name + " " + verb(a.Method), Status: status, Cold: cold, Duration: took})
	}
	l, ok := ctx.Value(lineKey{}).(*line)
	if !ok {
		return
	}
	if cold {
		l.metrics.Merge(e.initial)
		telemetry.Add(ctx, telemetry.ColdStarts, 1)
	}
	l.finish(done.word, failed, attrs)
	l.write(ctx, e.metricContext)
	flushing := time.Now()
	e.reporter.Flush(ctx, e.flush)
	if took := time.Since(flushing); took >= time.Millisecond { // else nothing was captured
		telemetry.AddDuration(ctx, telemetry.ReportingTime, took)
		l.writeLate(ctx, e.metricContext)
	}
}

// count counts a request in the metrics and the request statistics.
func (e *environment) count(ctx context.Context, r telemetry.Request) {
	if !r.Cold {
		telemetry.AddDuration(ctx, telemetry.Duration, r.Duration, r.Endpoint)
	}
	if r.Status >= http.StatusInternalServerError {
		telemetry.Add(ctx, telemetry.ServerErrors, 1, r.Endpoint)
	}
	if e.function.OnRequest != nil {
		e.function.OnRequest(r)
	}
}

// verb returns the method as a metric dimension. Unknown methods share one value, because clients can invent any.
func verb(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead:
		return http.MethodGet
	case http.MethodPost:
		return http.MethodPost
	}
	return "OTHER"
}
