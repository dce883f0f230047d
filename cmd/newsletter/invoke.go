package main

import (
	"context"
	"errors"
	"fmt"
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
	name, file := args[0], args[1]
	root, err := devstack.Root(".")
	if err != nil {
		return err
	}
	state, err := devstack.ReadState(localDir(root))
	if err != nil {
		return err
	}
	function, known := state.Functions[name]
	if !known {
		return errUsage(fmt.Sprintf("no function %q", name))
	}
	event, err := readInput(file)
	if err != nil {
		return err
	}
	f := lambdalocal.Function{Name: name, Binary: function.Binary, Timeout: function.Timeout, MemoryMB: function.MemoryMB, Concurrency: 1}
	for variable, value := range function.Variables {
		f.Env = append(f.Env, variable+"="+value)
	}
	server, err := lambdalocal.New(lambdalocal.Config{Functions: []lambdalocal.Function{f}, Log: os.Stderr})
	if err != nil {
		return err
	}
	result, err := server.Invoke(ctx, name, event)
	if closeErr := server.Close(ctx); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", result.Payload)
	if result.FunctionError != "" {
		return errFunction
	}
	return nil
}
