// Command newsletter is the operator's tool.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// command is a command of the tool.
type command struct {
	name, arguments, summary string
	run                      func(ctx context.Context, args []string) error
}

func commands() []command {
	return []command{
		{"dev", "", "start the whole system on this machine (PORT, LOCAL_DIR)", dev},
		{"invoke", "[flags] FUNCTION FILE|-", "send an event to a function of the local system; exit with 1 if the call fails", invoke},
		{"consent", "add|list|current|proof", "manage consent texts, and print the proof of a consent", consentCommand},
		{"suppression", "list|add|remove", "list, add and remove suppressed addresses", suppressionCommand},
		{"outbox", "list|retry|drop", "list, retry and drop undelivered messages", outboxCommand},
		{"journal", "list|replay", "list suppressions, and replay them after restoring a backup", journalCommand},
		{"import", "[flags] FILE", "import subscribers from JSON or CSV, without sending email", importCommand},
		{"export", "[flags]", "export subscribers to CSV", exportCommand},
		{"destination", "list|pause|resume", "pause and resume email, or another destination", destinationCommand},
		{"ledger", "verify|head", "verify the ledger against its seals", ledgerCommand},
		{"source", "list", "list campaigns, hosts and pages that are not declared, with counts", sourceCommand},
		{"privacy", "export|erase|open|list", "handle privacy requests: access and erasure", privacyCommand},
		{"hold", "list|release|reject", "list held sign-ups, and release or reject them", holdCommand},
		{"health", "[--function NAME] [--json]", "run the checks of the health function, in AWS or locally", healthCommand},
		{"alerts", "list", "list alerts; exit with 1 while one is firing", alertsCommand},
		{"monitor", "[--every 5s] [--once]", "show health, requests, sign-ups, deliveries and alerts live", monitorCommand},
		{"perf", "[--json] [--endpoint E]", "show the latency of each route, its baseline and its trend", perfCommand},
		{"disposable", "refresh FILE|URL", "update the list of disposable domains (for maintainers)", disposableCommand},
	}
}

// errUsage is the error of wrong usage: exit status 2.
type errUsage string

func (e errUsage) Error() string { return string(e) }

// output writes to the standard output and keeps the first error, because a command whose output is incomplete has
// failed.
type output struct{ err error }

var stdout = &output{}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	n, err := os.Stdout.Write(p)
	o.err = cmp.Or(o.err, err)
	return n, err
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	if err == nil || errors.Is(err, flag.ErrHelp) {
		err = stdout.err
	}
	if usage, wrong := errors.AsType[errUsage](err); wrong {
		fmt.Fprintln(os.Stderr, "newsletter:", usage)
		printUsage(os.Stderr)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "newsletter:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage("missing command")
	}
	if args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		printUsage(stdout)
		return nil
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:])
		}
	}
	return errUsage(fmt.Sprintf("unknown command %q", args[0]))
}

func printUsage(w io.Writer) {
	fmt.Fprintln(w, "usage: newsletter COMMAND")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-35s %s\n", c.name+" "+c.arguments, c.summary)
	}
}
