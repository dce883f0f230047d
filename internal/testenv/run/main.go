// Command run starts the test servers once, runs a command with them, and ends them:
//
//	go run ./internal/testenv/run -- go test ./...
//
// At the end it names what could not be tested because a server is not installed. Its exit status is the command's.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"newsletter/internal/testenv"
)

func main() {
	status, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "test servers:", err)
		os.Exit(1)
	}
	os.Exit(status)
}

func run(args []string) (int, error) {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return 2, errors.New("no command given")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "newsletter-test-")
	if err != nil {
		return 1, err
	}
	servers, err := testenv.StartServers(ctx, dir)
	if err != nil {
		return 1, err
	}
	defer servers.Stop()

	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Env = append(os.Environ(), "TESTENV_DIR="+dir)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := command.Start(); err != nil {
		return 1, err
	}
	skipped := pass(output)
	err = command.Wait()
	for _, line := range servers.Missing() {
		fmt.Println("not run:", line)
	}
	for _, line := range skipped {
		fmt.Println("not run:", line)
	}
	if exit, failed := errors.AsType[*exec.ExitError](err); failed {
		return max(1, exit.ExitCode()), nil
	}
	return 0, err
}

// pass prints what the command prints, and gives the skipped tests that -v shows.
func pass(output io.Reader) []string {
	var skipped []string
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Println(lines.Text())
		if name, found := strings.CutPrefix(strings.TrimSpace(lines.Text()), "--- SKIP: "); found {
			skipped = append(skipped, name)
		}
	}
	_, _ = io.Copy(os.Stdout, output) // a line over the limit ends the scan, not the command
	return skipped
}
