// Package lambdafn runs a function: it opens it, hands it one event after the other and ends it.
//
// A panic answers 500 (or gives an error result), is reported and leaves the environment alive. Every invocation writes
// one INFO line. Its context ends 500 ms before Lambda would kill the process, so that an answer and a report still leave.
// This is the only package that ends the process.
//
// Failure policy: a function that cannot be opened is reported, logged and ends with status 1; Lambda starts a new
// environment for the next event. An event that the function does not know is an error result that says so.
package lambdafn

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"newsletter/shared/capture"
	"newsletter/shared/config"
	"newsletter/shared/httpapi"
)

// Function is what a binary serves.
type Function struct {
	// HTTP answers the events of the HTTP API. Nil: the function has no routes.
	HTTP *httpapi.API
	// Event answers all other events: schedules, direct invocations, SNS, CloudFormation. What it returns is encoded as
	// JSON. Nil: the function has routes only.
	Event func(ctx context.Context, event json.RawMessage) (any, error)
	// Close releases what the function holds, when its environment ends. Optional. Its context ends after 300 ms.
	Close func(ctx context.Context)
}

// Open makes a function of its environment variables. It collects their mistakes by env.Err.
type Open func(ctx context.Context, env *config.Env) (Function, error)

const (
	// initBudget stays below the 10 s that Lambda gives the INIT phase.
	initBudget = 9 * time.Second
	// closeBudget and lastFlush stay below the 500 ms between SIGTERM and SIGKILL of an internal extension.
	closeBudget = 300 * time.Millisecond
	lastFlush   = 100 * time.Millisecond
	// initFlush is spent on the report of a function that did not start: nobody waits for its answer.
	initFlush = 2 * time.Second
)

// Start opens the function called name and serves events until the environment ends. It does not return.
func Start(name string, open Open) {
	e, err := prepare(name, open, os.Stdout)
	if err != nil {
		e.log.Error("start", "err", err)
		e.reporter.Flush(e.base, initFlush)
		os.Exit(1)
	}
	redirectStandardLog(e.log)
	lambda.StartWithOptions(e, lambda.WithContext(e.base), lambda.WithEnableSIGTERM(func() {
		ctx, cancel := context.WithTimeout(e.base, closeBudget)
		if e.function.Close != nil {
			e.function.Close(ctx)
		}
		cancel()
		e.reporter.Flush(e.base, lastFlush)
		os.Exit(0)
	}))
}

// prepare reads the configuration and opens the function. Its environment can log and report even when there is an error.
func prepare(name string, open Open, out io.Writer) (*environment, error) {
	ctx, cancel := context.WithTimeout(context.Background(), initBudget)
	defer cancel()
	e := &environment{name: name, reporter: &capture.Reporter{}, base: context.Background(), now: time.Now}
	e.log = newLogger(out, slog.LevelInfo, name)

	env, envErr := config.FromOS(ctx)
	level, captureConfig := readLogConfig(env), capture.ReadConfig(env)
	if reporter, err := capture.Open(captureConfig, name); err != nil {
		env.Add(err)
	} else {
		e.reporter = reporter
	}
	e.log = newLogger(out, level.Level, name)
	e.base = withLogger(e.reporter.Begin(e.base, ""), e.log)

	err := envErr
	if err == nil {
		e.function, err = openFunction(e, ctx, env, open)
	}
	if err != nil {
		capture.Error(e.base, err)
	}
	return e, err
}

// openFunction calls open, and turns a panic and mistakes in the environment that open did not ask for into an error.
func openFunction(e *environment, ctx context.Context, env *config.Env, open Open) (f Function, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = capture.Panic(e.base, v)
		}
	}()
	inner, cancel := context.WithCancel(e.base)
	defer cancel()
	if deadline, ok := ctx.Deadline(); ok {
		inner, cancel = context.WithDeadline(e.base, deadline)
		defer cancel()
	}
	f, err = open(inner, env)
	if err == nil {
		err = env.Err()
	}
	if err == nil && f.HTTP == nil && f.Event == nil {
		err = errors.New("the function serves neither HTTP nor events")
	}
	return f, err
}
