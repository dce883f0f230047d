package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"newsletter/internal/devstack"
	"newsletter/internal/lambdalocal"
)

// errFunction is a function's error result, which was printed.
var errFunction = errors.New("the function returned an error")

// invoke sends one event to a function's real binary, in an environment of its own, against the running local system.
func invoke(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errUsage("invoke takes a function and a file with an event")
	}
	event, err := readInput(args[1])
	if err != nil {
		return err
	}
	result, err := invokeLocal(ctx, args[0], event, os.Stderr)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", result.Payload)
	if result.FunctionError != "" {
		return errFunction
	}
	return nil
}

// invokeLocal sends an event to a function of the running local system, in an environment of its own that logs to log.
func invokeLocal(ctx context.Context, name string, event []byte, log io.Writer) (lambdalocal.Result, error) {
	root, err := devstack.Root(".")
	if err != nil {
		return lambdalocal.Result{}, err
	}
	return invokeIn(ctx, localDir(root), name, event, log)
}

// invokeIn is invokeLocal for the local system of a data folder.
func invokeIn(ctx context.Context, dir, name string, event []byte, log io.Writer) (lambdalocal.Result, error) {
	state, err := devstack.ReadState(dir)
	if err != nil {
		return lambdalocal.Result{}, err
	}
	function, known := state.Functions[name]
	if !known {
		return lambdalocal.Result{}, errUsage(fmt.Sprintf("no function %q", name))
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
