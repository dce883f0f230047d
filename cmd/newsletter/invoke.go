package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"

	"newsletter/internal/local/devstack"
	"newsletter/internal/local/lambdalocal"
)

// errFunction is the error for an error result of a function.
var errFunction = errors.New("the function returned an error")

// invoke sends an event to a function of the running local system, in a new environment. It returns an error if the
// call failed: by an error, an HTTP status of 400 or more, "ok":false, or a status of "fail".
func invoke(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("invoke", flag.ContinueOnError)
	expected := flags.Int("expect", 0, "exit with 0 only on this HTTP `status`, such as 422; by default on any below 400")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errUsage("invoke takes a function and an event file")
	}
	event, err := readInput(flags.Arg(1))
	if err != nil {
		return err
	}
	result, err := invokeLocal(ctx, flags.Arg(0), event, os.Stderr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s\n", result.Payload)
	outcome, err := result.Outcome()
	switch {
	case err != nil:
		return err
	case outcome.Failure != "":
		return errors.New(outcome.Failure)
	case *expected != 0 && outcome.Status != *expected:
		return fmt.Errorf("status %d, expected %d", outcome.Status, *expected)
	case *expected == 0 && outcome.Status >= http.StatusBadRequest:
		return fmt.Errorf("status %d", outcome.Status)
	}
	return nil
}

// invokeLocal sends an event to a function of the running local system, in a new environment that logs to log.
func invokeLocal(ctx context.Context, name string, event []byte, log io.Writer) (lambdalocal.Result, error) {
	root, err := devstack.Root(".")
	if err != nil {
		return lambdalocal.Result{}, err
	}
	return invokeInDir(ctx, localDir(root), name, event, log)
}

// invokeInDir invokes a function of the local system with this data folder.
func invokeInDir(ctx context.Context, dir, name string, event []byte, log io.Writer) (lambdalocal.Result, error) {
	state, err := devstack.ReadState(dir)
	if err != nil {
		return lambdalocal.Result{}, err
	}
	function, known := state.Functions[name]
	if !known {
		return lambdalocal.Result{}, checkKnown("function", name, slices.Collect(maps.Keys(state.Functions)))
	}
	f := lambdalocal.Function{Name: name, Binary: function.Binary, Timeout: function.Timeout, MemoryMB: function.MemoryMB, Concurrency: 1}
	for variable, value := range function.Variables {
		f.Env = append(f.Env, variable+"="+value)
	}
	server, err := lambdalocal.New(lambdalocal.Config{Functions: []lambdalocal.Function{f}, Log: log})
	if err != nil {
		return lambdalocal.Result{}, err
	}
	result, err := server.Invoke(ctx, name, event)
	return result, errors.Join(err, server.Close(ctx))
}
