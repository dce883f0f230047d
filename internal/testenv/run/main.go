// Command run starts the test servers once, runs a command with them, and stops them:
//
//	go run ./internal/testenv/run -- go test ./...
//
// It uses the newest installed PostgreSQL, or the version in POSTGRES_VERSION. With -versions it runs the command on
// each supported version in turn.
//
// At the end it lists what was not tested because a server is not installed. Then it inspects what the tests recorded
// (see internal/canary): an address, a token or a key in a place where it is not allowed fails the run. Otherwise its
// exit status is the command's.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"newsletter/internal/canary"
	"newsletter/internal/pgserver"
	"newsletter/internal/samtemplate"
	"newsletter/internal/testenv"
)

func main() {
	flags := flag.NewFlagSet("run", flag.ExitOnError)
	versions := flags.Bool("versions", false, "run the command on each supported version of PostgreSQL")
	_ = flags.Parse(os.Args[1:]) // exits on an error
	status, err := runOn(*versions, flags.Args(), run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test servers:", err)
		os.Exit(1)
	}
	os.Exit(status)
}

// runOn runs a command once, or with all on each version of PostgreSQL. It returns the first nonzero status.
func runOn(all bool, command []string, run func([]string) (int, error)) (int, error) {
	if !all {
		return run(command)
	}
	for _, version := range pgserver.Versions() {
		if err := os.Setenv(pgserver.VersionVariable, version); err != nil {
			return 1, err
		}
		fmt.Println("PostgreSQL", version)
		if status, err := run(command); status != 0 || err != nil {
			return status, err
		}
	}
	return 0, nil
}

func run(args []string) (int, error) {
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

	recorded, err := os.MkdirTemp("", "newsletter-canary-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(recorded) }()
	if err := os.Setenv(canary.DirVariable, recorded); err != nil { // for the command and for this process
		return 1, err
	}

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
	if _, err := samtemplate.Python(context.WithoutCancel(ctx), "samtranslator"); err != nil {
		fmt.Println("not run: tests of the transformed template;", err)
	}
	for _, line := range skipped {
		fmt.Println("not run:", line)
	}
	leaks, lookErr := look(servers, recorded)
	if exit, failed := errors.AsType[*exec.ExitError](err); failed {
		return max(1, exit.ExitCode()), lookErr
	}
	return min(leaks, 1), errors.Join(err, lookErr)
}

// look prints and counts the findings in what the tests recorded.
func look(servers *testenv.Servers, recorded string) (int, error) {
	if err := servers.RecordRedis(context.Background()); err != nil {
		return 0, fmt.Errorf("record Redis: %w", err)
	}
	report, err := canary.Read(recorded, servers.Secrets())
	if err != nil {
		return 0, err
	}
	for _, finding := range report.Findings {
		fmt.Println("canary:", finding)
	}
	if len(report.Entries) > 0 {
		fmt.Println("canary:", report)
	}
	return len(report.Findings), nil
}

// pass prints the command's output and returns the skipped tests that -v shows.
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
	_, _ = io.Copy(os.Stdout, output) // a line over the limit ends the scan, but not the command
	return skipped
}
