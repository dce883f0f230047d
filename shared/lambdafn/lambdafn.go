// Package lambdafn starts a function's binary and stands around each invocation: logger, panics, deadline, reports.
//
// A panic is answered (500, or an error result) and reported, and the environment goes on; so does it after an event
// that it cannot read. Each invocation writes one INFO line. This is the only package that ends the process: when a
// function cannot open what it needs, and at SIGTERM.
package lambdafn

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"newsletter/shared/capture"
	"newsletter/shared/config"
	"newsletter/shared/httpapi"
)

const (
	// openTimeout bounds the start; Lambda's INIT phase ends after 10 s.
	openTimeout = 9 * time.Second
	// closeTimeout bounds Close and the last flush: Lambda kills an environment 500 ms after SIGTERM.
	closeTimeout = 300 * time.Millisecond
	// reserve is kept of the invocation's time for the answer and the flush.
	reserve = 500 * time.Millisecond
	// flushBudget bounds the wait for Sentry in an invocation that captured something.
	flushBudget = 300 * time.Millisecond
)

// Function is what a binary serves. An event that fits none of its parts gives an error result.
type Function struct {
	// HTTP answers API Gateway events; nil where the function has no route.
	HTTP *httpapi.API
	// Event handles everything else: schedules, direct calls, SNS, CloudFormation. Nil where there is only HTTP.
	Event func(ctx context.Context, event json.RawMessage) (any, error)
	// Close is called at SIGTERM and must end within 300 ms. May be nil.
	Close func(ctx context.Context)
}

// Start runs the function called name until the process ends. open builds it within INIT; its mistakes end the process.
func Start(name string, open func(ctx context.Context, env *config.Env) (Function, error)) {
	logger := newLogger(os.Stdout, name)
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	r, err := start(ctx, name, logger, open)
	cancel()
	if err != nil {
		logger.Error("start", "err", err)
		os.Exit(1)
	}
	lambda.StartWithOptions(r.invoke, lambda.WithEnableSIGTERM(r.stop))
}

func start(ctx context.Context, name string, logger *slog.Logger, open func(context.Context, *config.Env) (Function, error)) (*runner, error) {
	env, err := config.FromOS(ctx)
	if err != nil {
		return nil, err
	}
	captureConfig := capture.ReadConfig(env)
	reporter, err := capture.Open(captureConfig, name)
	if err != nil {
		return nil, err
	}
	ctx = withLogger(reporter.Begin(ctx, "init"), logger)
	defer capture.Flush(ctx, flushBudget)
	function, err := open(ctx, env)
	if err == nil {
		err = env.Err()
	}
	if err != nil {
		capture.Error(ctx, err)
		return nil, err
	}
	return &runner{function: function, reporter: reporter, logger: logger}, nil
}

// runner serves invocations; several at a time where AWS_LAMBDA_MAX_CONCURRENCY allows it.
type runner struct {
	function Function
	reporter *capture.Reporter
	logger   *slog.Logger
	warm     atomic.Bool
}

func (r *runner) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if r.function.Close != nil {
		r.function.Close(ctx)
	}
	os.Exit(0) // by itself, so that a binary built for coverage writes its data
}

func (r *runner) invoke(ctx context.Context, event json.RawMessage) (result any, err error) {
	began := time.Now()
	if deadline, found := ctx.Deadline(); found {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
		defer cancel()
	}
	line := &line{}
	requestID := ""
	if lc, found := lambdacontext.FromContext(ctx); found {
		requestID = lc.AwsRequestID
	}
	line.add(slog.Bool("cold_start", !r.warm.Swap(true)), slog.String("function_request_id", requestID))
	if trace, ok := ctx.Value("x-amzn-trace-id").(string); ok && trace != "" {
		line.add(slog.String("xray_trace_id", trace))
	}
	logger := r.logger.With("function_request_id", requestID)
	ctx = context.WithValue(withLogger(r.reporter.Begin(ctx, requestID), logger), lineKey{}, line)

	defer func() {
		capture.Flush(ctx, flushBudget)
		line.add(slog.Int64("duration_ms", time.Since(began).Milliseconds()))
		r.logger.LogAttrs(ctx, slog.LevelInfo, "invocation", line.all()...)
	}()
	if httpEvent, ok := asHTTP(event); ok && r.function.HTTP != nil {
		return r.serve(ctx, httpEvent, line), nil
	}
	return r.handle(ctx, event, line)
}

func (r *runner) serve(ctx context.Context, event events.APIGatewayV2HTTPRequest, line *line) events.APIGatewayV2HTTPResponse {
	var answer httpapi.Result
	func() {
		defer func() {
			if value := recover(); value != nil {
				Logger(ctx).Error("panic", "err", capture.Panic(ctx, value))
				answer = r.function.HTTP.Failed(event)
			}
		}()
		answer = r.function.HTTP.Serve(ctx, event)
	}()
	line.add(slog.String("correlation_id", event.RequestContext.RequestID), slog.String("route", answer.Route),
		slog.String("method", answer.Method), slog.Int("status", answer.Response.StatusCode))
	if answer.Outcome != "" {
		line.add(slog.String("outcome", answer.Outcome))
	}
	return answer.Response
}

func (r *runner) handle(ctx context.Context, event json.RawMessage, line *line) (result any, err error) {
	defer func() {
		if value := recover(); value != nil {
			result, err = nil, capture.Panic(ctx, value)
		} else if err != nil {
			capture.Error(ctx, err)
		}
		if err != nil {
			Logger(ctx).Error("event", "err", err)
			line.add(slog.String("outcome", "error"))
		}
	}()
	if r.function.Event == nil {
		return nil, fmt.Errorf("this function takes API Gateway events (payload format 2.0) only")
	}
	return r.function.Event(ctx, event)
}

// asHTTP recognizes an API Gateway event by its request context.
func asHTTP(event json.RawMessage) (events.APIGatewayV2HTTPRequest, bool) {
	var shape struct {
		RequestContext struct {
			HTTP struct{ Method string } `json:"http"`
		} `json:"requestContext"`
	}
	var request events.APIGatewayV2HTTPRequest
	if json.Unmarshal(event, &shape) != nil || shape.RequestContext.HTTP.Method == "" || json.Unmarshal(event, &request) != nil {
		return request, false
	}
	return request, true
}

// IsScheduled says whether event comes from a schedule: EventBridge's "Scheduled Event" envelope, or the bare input
// {"scheduled":true} that the template gives EventBridge Scheduler.
func IsScheduled(event json.RawMessage) bool {
	var shape struct {
		DetailType string `json:"detail-type"`
		Scheduled  bool   `json:"scheduled"`
	}
	return json.Unmarshal(event, &shape) == nil && (shape.Scheduled || shape.DetailType == "Scheduled Event")
}

// line collects the attributes of an invocation's INFO line.
type line struct {
	mu    sync.Mutex
	attrs []slog.Attr
}

type lineKey struct{}

func (l *line) add(attrs ...slog.Attr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attrs = append(l.attrs, attrs...)
}

func (l *line) all() []slog.Attr {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attrs
}

// Note adds to the invocation's INFO line. Never an address, a token, a network address or anything that was sent.
func Note(ctx context.Context, attrs ...slog.Attr) {
	if l, ok := ctx.Value(lineKey{}).(*line); ok {
		l.add(attrs...)
	}
}
