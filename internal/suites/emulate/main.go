// Command emulate runs the real function binaries under AWS's own emulators, with every sample event of events/:
//
//	go run ./internal/suites/emulate rie   the Runtime Interface Emulator, which is part of aws-sam-cli
//	go run ./internal/suites/emulate sam   `sam local invoke` in a real Docker engine, with a base image made here
//
// Both use a local stack of their own in LOCAL_DIR/emulate. An answer of 5xx, an error result, or a binary that does
// not survive a malformed event ends the command with status 1. If an emulator is missing, that is said in one line,
// and is a failure with CI=true.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"newsletter/internal/local/devstack"
	"newsletter/internal/local/gobuild"
)

// errMissing is the error for a missing emulator. Its text includes how to install it.
type errMissing string

func (e errMissing) Error() string { return string(e) }

// emulator runs all events of all functions and reports failures.
type emulator func(ctx context.Context, b *bench) error

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	emulators := map[string]emulator{"rie": underRIE, "sam": underSAM}
	name := ""
	if len(os.Args) == 2 {
		name = os.Args[1]
	}
	if emulators[name] == nil {
		fmt.Fprintln(os.Stderr, "usage: emulate rie|sam")
		os.Exit(2)
	}
	if err := tolerated(run(ctx, emulators[name]), os.Getenv("CI") == "true"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// tolerated accepts a missing emulator, unless strict, and prints that nothing was run.
func tolerated(err error, strict bool) error {
	missing, ok := errors.AsType[errMissing](err)
	if !ok {
		return err
	}
	if strict {
		return fmt.Errorf("not run, which CI=true does not allow: %w", missing)
	}
	fmt.Println("not run:", missing)
	return nil
}

func run(ctx context.Context, emulate emulator) error {
	if _, err := findRIE(ctx); err != nil {
		return err
	}
	root, err := devstack.Root(".")
	if err != nil {
		return err
	}
	dir := filepath.Join(cmp.Or(os.Getenv("LOCAL_DIR"), filepath.Join(root, ".local")), "emulate")
	binaries := filepath.Join(dir, "static")
	if err := build(ctx, root, binaries); err != nil {
		return err
	}
	stack, err := devstack.Start(ctx, devstack.Options{
		Root: root, Dir: dir, Binaries: binaries, Log: io.Discard, NoSchedules: true, Variables: map[string]string{"DELIVERY_LINGER": "0s"},
	})
	if err != nil {
		return err
	}
	defer stack.Stop(context.WithoutCancel(ctx))
	b, err := newBench(root, dir, stack)
	if err != nil {
		return err
	}
	defer b.close()
	if err := emulate(ctx, b); err != nil {
		return err
	}
	if b.failures > 0 {
		return fmt.Errorf("%d events went wrong", b.failures)
	}
	return nil
}

// build builds the functions as they are deployed, for this machine's architecture.
func build(ctx context.Context, root, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return gobuild.Deployed(ctx, root, runtime.GOARCH, folder+"/", "./functions/...")
}
