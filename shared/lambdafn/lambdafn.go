// Package lambdafn runs a function: it opens it, hands it one event after the other and ends it.
//
// A panic answers 500 (or gives an error result), is reported and leaves the environment alive. Every invocation writes
// one INFO line. Its context ends 500 ms before Lambda would kill the process, so that an answer and a report still leave.
// This is the only package that ends the process.
//
// Failure policy: a function that cannot be opened logs and reports why, makes it the answer to the invocation, and ends
// with status 1; Lambda starts a new environment for the next event. An event that the function does not know is an error result that says so.
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

// Function is what a binary serves. Its parts are called concurrently where Lambda runs several events in one process.
type Function struct {
	// HTTP answers the events of the HTTP API. Nil: the function has no routes.
	HTTP *httpapi.API
	// Event answers all other events: schedules, direct invocations, SNS, CloudFormation. What it returns is encoded as
	// JSON; its error becomes the error result, scrubbed. Nil: the function has routes only.
	Event func(ctx context.Context, event json.RawMessage) (any, error)
	// TellsMistakes lets the function start although its variables or secrets have mistakes, because it tells them in its
	// answers: CloudFormation waits for one.
	ReportsConfigErrors bool
	// Finished hears of every HTTP request that was answered, on the way out: it must not wait. Optional.
	OnRequest func(r telemetry.Request)
	// Close releases what the function holds, when its environment ends. Optional. Its context ends after 300 ms.
	Close func(ctx context.Context)
}

// Open makes a function of its environment variables. Mistakes in them are collected by env: an Open may leave it to Start
// to look at env.Err, but must not use what it read before it did. ctx ends when Open returns, after 9 s at the latest.
type Open func(ctx context.Context, env *config.Env) (Function, error)

const (
	// initBudget stays below the 10 s that Lambda gives the INIT phase.
	initBudget = 9 * time.Second
	// flushBudget stays below reserve.
	flushBudget = 300 * time.Millisecond
	// closeBudget and lastFlush stay below the 500 ms between SIGTERM and SIGKILL of an internal extension.
	closeBudget = 300 * time.Millisecond
	lastFlush   = 100 * time.Millisecond
	// initFlush is spent on the report of a function that did not start: nobody waits for its answer.
	initFlush = 2 * time.Second
)

// Start opens the function called name and serves events until the environment ends. It does not return.
func Start(name string, open Open) { start(name, open, false) }

// StartScheduled is Start for a function that runs by a schedule, with whose runs it checks in.
func StartScheduled(name string, open Open) { start(name, open, true) }

func start(name string, open Open, scheduled bool) {
	e, err := newEnvironment(name, open, scheduled, os.Stdout)
	redirectStandardLog(e.log)
	if err != nil {
		e.log.Error("the function does not start", "err", err)
		capture.Error(e.base, err)
		postInitError(err)
		e.reporter.Flush(e.base, initFlush)
		os.Exit(1)
	}
	lambda.StartWithOptions(e, lambda.WithContext(e.base), lambda.WithEnableSIGTERM(e.end))
}

// postInitError makes err the answer to the invocation for which the function was started, which would otherwise be the
// exit status alone. Its own failure changes nothing: the log has the error.
func postInitError(err error) {
	body, _ := json.Marshal(messages.InvokeResponse_Error{Type: "start-failed", Message: bounded(text(err))}) // texts always encode
	client := &http.Client{Timeout: initFlush}
	answer, postErr := client.Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/init/error", "application/json", bytes.NewReader(body))
	if postErr == nil {
		_ = answer.Body.Close()
	}
}

// processStart is when this process began to run Go code.
var processStart = time.Now()

// newEnvironment reads the configuration and opens the function. Besides an error it gives an environment that can log
// and report it.
func newEnvironment(name string, open Open, scheduled bool, out io.Writer) (*environment, error) {
	ctx, cancel := context.WithTimeout(context.Background(), initBudget)
	defer cancel()
	env, err := config.FromOS(ctx)
	logs, metrics, reporter := config.Read[LogConfig](env), config.Read[telemetry.Config](env), openReports(env, name, scheduled)
	log := newLogger(out, logs.Level, name)
	book := metricContext{metrics.Namespace, functionName(name), time.Now}
	e := &environment{name: name, reporter: reporter, log: log, metricContext: book, flush: flushBudget, now: time.Now}
	e.base = withLine(reporter.Begin(context.Background(), ""), log)
	env.Add(err) // a function may be able to tell it to somebody
	ctx = withLine(reporter.Begin(ctx, ""), log)
	e.opening = ctx.Value(lineKey{}).(*line).metrics //nolint:forcetypeassert // withLine put it there
	e.function, err = openFunction(ctx, env, open)
	log.Debug("settings read", "settings", asked(env))
	telemetry.AddDuration(ctx, telemetry.InitDuration, time.Since(processStart))
	return e, err
}

// asked lists the variables that a function asked for, each with where its value came from: "SITE_NAME=file".
func asked(env *config.Env) []string {
	var all []string
	for name, origin := range env.Asked() {
		all = append(all, name+"="+string(origin))
	}
	slices.Sort(all)
	return all
}

// openFunction calls open, and makes errors of a panic and of all mistakes in the variables, each once.
func openFunction(ctx context.Context, env *config.Env, open Open) (f Function, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = capture.Panic(ctx, v)
			if wrong := env.Err(); wrong != nil { // which is probably why
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
		err = errors.New("the function serves neither HTTP nor events")
	}
	return f, err
}

// end runs at SIGTERM, at the end of the environment. It exits with 0, so that a coverage build writes what it has.
func (e *environment) end() {
	if e.function.Close != nil {
		ctx, cancel := context.WithTimeout(e.base, closeBudget)
		e.function.Close(ctx)
		cancel()
	}
	e.reporter.Flush(e.base, lastFlush)
	os.Exit(0)
}

// LogConfig is what the logger reads.
type LogConfig struct {
	// The lowest level that is logged: DEBUG, INFO, WARN or ERROR. The line of each invocation is always written, because it
	// carries the metrics.
	Level slog.Level `env:"LOG_LEVEL" envDefault:"INFO"`
}
