package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"newsletter/internal/local/child"
	"newsletter/internal/local/samtemplate"
)

const invocations = "/2015-03-31/functions/function/invocations"

// findRIE finds the emulator: RIE names it, or it lies in the Python package of aws-sam-cli.
func findRIE(ctx context.Context) (string, error) {
	if path := os.Getenv("RIE"); path != "" {
		return path, nil
	}
	if path, err := exec.LookPath("aws-lambda-rie"); err == nil {
		return path, nil
	}
	if runtime.GOOS != "linux" {
		return "", errMissing("AWS's Runtime Interface Emulator runs on Linux alone")
	}
	arch := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	if python, err := samtemplate.Python(ctx, "samcli"); err == nil {
		out, err := exec.CommandContext(ctx, python, "-c", "import samcli; print(samcli.__path__[0])").Output()
		if err != nil {
			return "", err
		}
		path := filepath.Join(strings.TrimSpace(string(out)), "local", "rapid", "aws-lambda-rie-"+arch)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", errMissing("AWS's Runtime Interface Emulator is not here; install it by: pip install aws-sam-cli")
}

func underRIE(ctx context.Context, b *bench) error {
	rie, err := findRIE(ctx)
	if err != nil {
		return err
	}
	for _, function := range b.functions() {
		if err := b.emulated(ctx, rie, function); err != nil {
			return fmt.Errorf("%s: %w", function, err)
		}
	}
	return nil
}

// emulated runs one binary under the emulator, from its first event to the one after a malformed one.
func (b *bench) emulated(ctx context.Context, rie, function string) error {
	events, err := b.events(function)
	if err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	api, err := freeAddress()
	if err != nil {
		return err
	}
	state := b.state.Functions[function]
	environment := append(os.Environ(), fmt.Sprintf("AWS_LAMBDA_FUNCTION_TIMEOUT=%d", int(state.Timeout.Seconds())),
		fmt.Sprintf("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=%d", state.MemoryMB), "AWS_LAMBDA_FUNCTION_NAME="+function)
	for name, value := range b.variables(function) {
		environment = append(environment, name+"="+value)
	}
	var log bytes.Buffer
	server, err := child.Start(child.Options{
		Path: rie, Args: []string{"--runtime-interface-emulator-address", address, "--runtime-api-address", api, "--log-level", "error", state.Binary},
		Dir: b.dir, Env: environment, Log: &log,
	})
	if err != nil {
		return err
	}
	failed := b.failures
	err = b.each(ctx, function, address, events)
	server.Stop(5 * time.Second)
	if b.failures > failed || err != nil {
		fmt.Fprintf(os.Stderr, "%s\n", log.Bytes())
	}
	return err
}

func (b *bench) each(ctx context.Context, function, address string, events []event) error {
	client := &http.Client{Timeout: 2 * time.Minute}
	for _, e := range append(events, malformed, events[len(events)-1]) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		began := time.Now()
		result, err := post(client, "http://"+address+invocations, e.body)
		if err != nil {
			return errors.Join(fmt.Errorf("send %s", e.file), err)
		}
		b.note(function, e, result, time.Since(began))
	}
	if function == "migrate" {
		b.answered(append(events, events[len(events)-1]))
	}
	return nil
}

// freeAddress returns an address that nothing listens on.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
