// Package lambdafn runs a Lambda function: it opens the function, passes events to it and closes it.
//
// A panic becomes a 500 response or an error result and is reported; the environment stays alive. Every invocation
// writes one INFO line. Its context ends 500 ms before Lambda would kill the process, to leave time for the response
// and a report. Only this package ends the process.
//
// Failure policy: a function that cannot be opened logs, reports and returns the error to the invocation, and exits
// with status 1; Lambda starts a new environment for the next event. An unsupported event is an error result.
package lambdafn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"

	"newsletter/shared/capture"
	"newsletter/shared/config"
	"newsletter/shared/httpapi"
	"newsletter/shared/telemetry"
)

// Function is the function that a binary serves. Its parts are called concurrently if Lambda runs several events in one process.
type Function struct {
	// HTTP serves HTTP API events. Nil if the function has no routes.
	HTTP *httpapi.API
	// Event serves all other events: schedules, direct invocations, SNS, CloudFormation. Its result is encoded as
	// JSON; its error becomes the scrubbed error result. Nil if the function has only routes.
	Event func(ctx context.Context, event json.RawMessage) (any, error)
	// ReportsConfigErrors lets the function start with invalid variables or secrets, because it reports them in its
	// responses: CloudFormation waits for one.
	ReportsConfigErrors bool
	// OnRequest is called after every HTTP request and must not block. Optional.
	OnRequest func(r telemetry.Request)
	// Close releases the function's resources when its environment ends. Its context ends after 300 ms. Optional.
	Close func(ctx context.Context)
}

// Open builds a function from its configuration. env collects the errors in it: an Open may leave the check of env.Err
// to Start, but must not use the values before that check. ctx ends when Open returns, after at most 9 s.
type Open func(ctx context.Context, env *config.Env) (Function, error)

const (
	// initBudget stays below the 10 s that Lambda allows the INIT phase.
	initBudget = 9 * time.Second
	// flushBudget stays below Reserve.
	flushBudget = 300 * time.Millisecond
	// closeBudget and lastFlush stay below the 500 ms between SIGTERM and SIGKILL of an internal extension.
	closeBudget = 300 * time.Millisecond
	lastFlush   = 100 * time.Millisecond
	// initFlush limits the wait for the report of a failed start, which no visitor waits for.
	initFlush = 2 * time.Second
)

// Start opens the named function and serves events until the environment ends. It does not return.
func Start(name string, open Open) { start(name, open, false) }

// StartScheduled starts a function like Start, and sends a Sentry check-in for each scheduled run.
func StartScheduled(name string, open Open) { start(name, open, true) }

func start(name string, open Open, scheduled bool) {
	e, err := newEnvironment(name, open, scheduled, os.Stdout)
	redirectStandardLog(e.log)
	if err != nil {
		e.log.Error("function did not start", "err", err)
		capture.Error(e.base, err)
		postInitError(err)
		e.reporter.Flush(e.base, initFlush)
		os.Exit(1)
	}
	lambda.StartWithOptions(e, lambda.WithContext(e.base), lambda.WithEnableSIGTERM(e.end))
}

// postInitError returns err to the invocation that started the function. Otherwise its caller would see only the
// exit status. Its own failure is ignored: the log has the error.
func postInitError(err error) {
	body, _ := json.Marshal(messages.InvokeResponse_Error{Type: "start-failed", Message: bounded(text(err))}) // strings always encode
	client := &http.Client{Timeout: initFlush}
	url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/init/error"
	answer, postErr := client.Post(url, "application/json", bytes.NewReader(body)) //nolint:gosec,noctx // Lambda sets the address; initFlush bounds it
	if postErr == nil {
		_ = answer.Body.Close()
	}
}

// processStart is when this process began to run Go code.
var processStart = time.Now()

// newEnvironment reads the configuration and opens the function. With an error it also returns an environment that can
// log and report it.
func newEnvironment(name string, open Open, scheduled bool, out io.Writer) (*environment, error) {
	ctx, cancel := context.WithTimeout(context.Background(), initBudget)
	defer cancel()
	env, err := config.FromOS(ctx)
	logs, metrics, reporter := config.Read[LogConfig](env), config.Read[telemetry.Config](env), openReports(env, name, scheduled)
	log := newLogger(out, logs.Level, name)
	book := metricContext{metrics.Namespace, functionName(name), time.Now}
	e := &environment{name: name, reporter: reporter, log: log, metricContext: book, flush: flushBudget, now: time.Now}
	e.base = withLine(reporter.Begin(context.Background(), ""), log)
	env.Add(err) // a function with ReportsConfigErrors starts all the same
	ctx = withLine(reporter.Begin(ctx, ""), log)
	e.initial = ctx.Value(lineKey{}).(*line).metrics //nolint:forcetypeassert // withLine put it there
	e.function, err = openFunction(ctx, env, open)
	log.Debug("settings read", "settings", sources(env))
	if e.function.HTTP != nil {
		log.Debug("routes opened", "routes", e.function.HTTP.Routes())
	}
	telemetry.AddDuration(ctx, telemetry.InitDuration, time.Since(processStart))
	return e, err
}

// sources lists the variables that a function read, each with the source of its value: "SITE_NAME=file".
func sources(env *config.Env) []string {
	var all []string
	for name, origin := range env.Asked() {
		all = append(all, name+"="+string(origin))
	}
	slices.Sort(all)
	return all
}

// openFunction calls open. Its error contains a panic and all configuration errors, each once.
func openFunction(ctx context.Context, env *config.Env, open Open) (f Function, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = capture.Panic(ctx, v)
			if wrong := env.Err(); wrong != nil { // the probable cause
				err = errors.Join(wrong, err)
			}
		}
	}()
	f, err = open(ctx, env)
	if err != nil || !f.ReportsConfigErrors {
		env.Add(err)
		err = env.Err()
	}
	if err == nil && f.HTTP == nil && f.Event == nil {
		err = errors.New("function has neither HTTP nor Event")
	}
	return f, err
}

// end runs at SIGTERM, when the environment ends. It exits with status 0, so that a coverage build writes its data.
func (e *environment) end() {
	if e.function.Close != nil {
		ctx, cancel := context.WithTimeout(e.base, closeBudget)
		e.function.Close(ctx)
		cancel()
	}
	e.reporter.Flush(e.base, lastFlush)
	os.Exit(0)
}

// LogConfig configures the logger.
type LogConfig struct {
	// The lowest level that is logged: DEBUG, INFO, WARN or ERROR. The line of each invocation is always written,
	// because it contains the metrics.
	Level slog.Level `env:"LOG_LEVEL" envDefault:"INFO"`
}
