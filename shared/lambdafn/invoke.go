package lambdafn

import (
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
	"github.com/aws/aws-lambda-go/lambdacontext"

	"newsletter/shared/capture"
	"newsletter/shared/httpapi"
)

const (
	// reserve is kept at the end of an invocation for the answer and the report.
	reserve = 500 * time.Millisecond
	// flushBudget bounds what a slow Sentry may cost an invocation that captured something (reliability row 31).
	flushBudget = 300 * time.Millisecond
)

var (
	errNotJSON  = errors.New("the event is not valid JSON")
	errNotHTTP  = errors.New("the event is not an HTTP API event of payload format 2.0, and this function serves nothing else")
	errNoRoutes = errors.New("the event is an HTTP API event, and this function has no routes")
)

// environment serves the events of one execution environment. It is safe for concurrent use.
type environment struct {
	name     string
	function Function
	reporter *capture.Reporter
	log      *slog.Logger
	base     context.Context
	now      func() time.Time
	warm     atomic.Bool
}

// result is what an invocation came to.
type result struct {
	payload []byte
	err     error  // becomes the error result
	outcome string // for the log line
	route   string
	method  string
	status  int
}

// Invoke implements lambda.Handler.
func (e *environment) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	start := e.now()
	event, kind := parse(payload)
	ctx, cancel := e.begin(ctx, event)
	defer cancel()
	done := e.dispatch(ctx, event, kind)
	e.finish(ctx, done, e.now().Sub(start))
	return done.payload, done.err
}

// begin gives the invocation its deadline, its logger and its reports.
func (e *environment) begin(ctx context.Context, event event) (context.Context, context.CancelFunc) {
	cancel := context.CancelFunc(func() {})
	if deadline, ok := ctx.Deadline(); ok {
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
	}
	correlation := event.http.RequestContext.RequestID
	attrs := make([]any, 0, 3)
	requestID := ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		requestID = lc.AwsRequestID
		attrs = append(attrs, slog.String("function_request_id", requestID))
	}
	if trace := traceID(ctx); trace != "" {
		attrs = append(attrs, slog.String("xray_trace_id", trace))
	}
	if correlation != "" {
		attrs = append(attrs, slog.String("correlation_id", correlation))
		requestID = correlation
	}
	ctx = e.reporter.Begin(ctx, requestID)
	return withLogger(ctx, e.log.With(attrs...)), cancel
}

func traceID(ctx context.Context) string {
	if id, ok := ctx.Value("x-amzn-trace-id").(string); ok && id != "" { // set by the Lambda library
		return id
	}
	return os.Getenv("_X_AMZN_TRACE_ID")
}

func (e *environment) dispatch(ctx context.Context, event event, kind kind) result {
	switch {
	case kind == malformed:
		return result{err: errNotJSON, outcome: "malformed-event"}
	case kind == httpEvent && e.function.HTTP != nil:
		return e.serve(ctx, event.http)
	case kind == httpEvent && e.function.Event == nil:
		return result{err: errNoRoutes, outcome: "unknown-event"}
	case e.function.Event == nil:
		return result{err: errNotHTTP, outcome: "unknown-event"}
	}
	return e.handle(ctx, event.raw)
}

// serve answers an HTTP event; a panic becomes its 500.
func (e *environment) serve(ctx context.Context, event events.APIGatewayV2HTTPRequest) (done result) {
	answered := func() (served httpapi.Result) {
		defer func() {
			if v := recover(); v != nil {
				served = e.function.HTTP.Failed(event)
				served.Err = capture.Panic(ctx, v)
				served.Outcome = "panic"
			}
		}()
		served = e.function.HTTP.Serve(ctx, event)
		if served.Err != nil {
			capture.Error(ctx, served.Err)
		}
		return served
	}()
	if answered.Err != nil {
		Logger(ctx).Error("request failed", "err", answered.Err)
	}
	body, err := json.Marshal(answered.Response)
	return result{payload: body, err: err, outcome: answered.Outcome, route: answered.Route, method: answered.Method,
		status: answered.Response.StatusCode}
}

// handle answers any other event; a panic and an error become an error result without personal data.
func (e *environment) handle(ctx context.Context, event json.RawMessage) (done result) {
	defer func() {
		if v := recover(); v != nil {
			err := capture.Panic(ctx, v)
			Logger(ctx).Error("event failed", "err", err)
			done = result{err: err, outcome: "panic"}
		}
	}()
	value, err := e.function.Event(ctx, event)
	if err == nil {
		var body []byte
		if body, err = json.Marshal(value); err == nil {
			return result{payload: body, outcome: "done"}
		}
		err = fmt.Errorf("encode the result: %w", err)
	}
	capture.Error(ctx, err)
	Logger(ctx).Error("event failed", "err", err)
	return result{err: errors.New(capture.Scrub(err.Error())), outcome: "failed"}
}

// finish writes the one INFO line of the invocation and sends what was captured.
func (e *environment) finish(ctx context.Context, done result, took time.Duration) {
	l, _ := ctx.Value(lineKey{}).(*line)
	attrs := []slog.Attr{
		slog.Bool("cold_start", e.warm.CompareAndSwap(false, true)),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
	}
	if done.status != 0 {
		attrs = append(attrs, slog.Int("status", done.status), slog.String("route", done.route), slog.String("method", done.method))
	}
	noted := l.noted()
	if outcome := outcomeOf(done, noted); outcome != "" {
		attrs = append(attrs, slog.String("outcome", outcome))
	}
	for _, attr := range noted {
		if attr.Key != "outcome" {
			attrs = append(attrs, attr)
		}
	}
	if done.err != nil {
		attrs = append(attrs, slog.Any("err", done.err))
	}
	l.log.LogAttrs(ctx, slog.LevelInfo, "invocation", attrs...)
	e.reporter.Flush(ctx, flushBudget)
}

// outcomeOf prefers the handler's note, unless the invocation failed.
func outcomeOf(done result, noted []slog.Attr) string {
	if done.err != nil || done.status >= http.StatusInternalServerError {
		return done.outcome
	}
	for _, attr := range noted {
		if attr.Key == "outcome" {
			return attr.Value.String()
		}
	}
	return done.outcome
}
