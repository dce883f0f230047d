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

// command is one of the tool's commands.
type command struct {
	name, arguments, summary string
	run                      func(ctx context.Context, args []string) error
}

func commands() []command {
	return []command{
		{"dev", "", "start the whole system on this machine (PORT, LOCAL_DIR)", dev},
		{"invoke", "[flags] FUNCTION FILE|-", "send an event to a function of the running local system; exit with 1 if the call failed", invoke},
		{"consent", "add|list|current|proof", "keep the texts that people agree to, and prove that they did", consentCommand},
		{"suppression", "list|add|remove", "look after the addresses that get no mail", suppressionCommand},
		{"outbox", "list|retry|drop", "look after what could not be delivered", outboxCommand},
		{"journal", "list|replay", "make the stops stand again after a backup was restored", journalCommand},
		{"import", "[flags] FILE", "bring in a list, JSON or CSV, without mailing anybody", importCommand},
		{"export", "[flags]", "write the subscribers into a CSV file", exportCommand},
		{"destination", "list|pause|resume", "stop all mails, or who hears of changes, and let them go on", destinationCommand},
		{"ledger", "verify", "hold the ledger against its seals", ledgerCommand},
		{"privacy", "export|erase|open|list", "answer people who ask for their data, or for their deletion", privacyCommand},
		{"hold", "list|release|reject", "decide about the mails that are held", holdCommand},
		{"health", "[--function NAME] [--json]", "ask the health function, in AWS or of the running local system, how everything is", healthCommand},
		{"alerts", "list", "list what the owner was told of", alertsCommand},
		{"monitor", "[--every 5s] [--once]", "watch health, requests, sign-ups, deliveries and alerts in the terminal", monitorCommand},
		{"perf", "[--json] [--endpoint E]", "show how fast each route is, beside what is usual, and where it leads", perfCommand},
		{"disposable", "refresh FILE|URL", "write the list of throw-away domains anew (for maintainers)", disposableCommand},
	}
}

// errUsage is a call that the tool does not understand: exit status 2.
type errUsage string

func (e errUsage) Error() string { return string(e) }

// output writes to the standard output and keeps the first error: a command that could not say what it found has failed,
// whatever that was.
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
		return errUsage("no command given")
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
	return errUsage(fmt.Sprintf("no command %q", args[0]))
}

func printUsage(w io.Writer) {
	fmt.Fprintln(w, "usage: newsletter COMMAND")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-28s %s\n", c.name+" "+c.arguments, c.summary)
	}
}
