package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"newsletter/internal/local/devstack"
	"newsletter/internal/local/lambdalocal"
	"newsletter/shared/operate"
)

// invokeCommand sends an event to a function of the running local system, in a new environment.
func invokeCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "invoke FUNCTION FILE", Short: "Send an event to a function of the local system",
		Long:    "Send an event from a file, or from the standard input for \"-\", to a function of the local system. Exits with 1 if the call failed: by an error, an HTTP status of 400 or more, \"ok\":false, or a status of \"fail\".",
		Example: "newsletter invoke subscribe events/subscribe/json.json", Args: takes(2, "a function and an event file"),
	}
	expected := c.Flags().Int("expect", 0, "exit with 0 only on this HTTP status, such as 422; by default on any below 400")
	c.RunE = func(c *cobra.Command, args []string) error { return invoke(c.Context(), args[0], args[1], *expected) }
	return local(c)
}

func invoke(ctx context.Context, function, file string, expected int) error {
	event, err := readInput(file)
	if err != nil {
		return err
	}
	result, err := invokeLocal(ctx, function, event, os.Stderr)
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
	case expected != 0 && outcome.Status != expected:
		return fmt.Errorf("status %d, expected %d", outcome.Status, expected)
	case expected == 0 && outcome.Status >= http.StatusBadRequest:
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
		return lambdalocal.Result{}, operate.CheckKnown("function", name, slices.Collect(maps.Keys(state.Functions)))
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
