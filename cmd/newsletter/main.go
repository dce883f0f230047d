// Command newsletter is the operator's tool.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"charm.land/fang/v2"
	"github.com/spf13/cobra"

	"newsletter/shared/operate"
)

// The exit statuses beside 0, which means that the tool knows the result and that it is good.
const (
	exitFailed = 1 // a failure, or an unknown result
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// run runs the command that args name and returns the exit status.
func run(ctx context.Context, args []string) int {
	o := &operator{}
	defer o.close()
	root := newRoot(o)
	root.SetArgs(args)
	root.SetOut(stdout)
	status := 0
	onError := func(w io.Writer, _ fang.Styles, err error) { status = report(w, root, args, err) }
	_ = fang.Execute(ctx, root, fang.WithoutVersion(), fang.WithErrorHandler(onError)) // onError has it
	if status == 0 && stdout.err != nil {
		status = report(os.Stderr, root, args, stdout.err)
	}
	return status
}

// report prints an error, its text last, and returns the exit status.
func report(w io.Writer, root *cobra.Command, args []string, err error) int {
	status := exitFailed
	usage, wrong := errors.AsType[errUsage](err)
	refusal, refused := errors.AsType[*operate.Refusal](err)
	if wrong || refused && refusal.WrongUsage {
		status = exitUsage
		if command, _, unknown := root.Find(args); unknown == nil {
			fmt.Fprintf(w, "See %s --help.\n", command.CommandPath())
		}
	}
	text := err.Error()
	if wrong {
		text = string(usage)
	}
	fmt.Fprintln(w, "newsletter:", strings.TrimSpace(text))
	return status
}

// output is the standard output. It keeps the first error, because a command whose output is incomplete has failed.
type output struct {
	*os.File
	err error
}

var stdout = &output{File: os.Stdout}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.File.Write(p)
	o.err = cmp.Or(o.err, err)
	return n, err
}

// WriteString implements io.StringWriter, in place of the file's.
func (o *output) WriteString(text string) (int, error) { return o.Write([]byte(text)) }

// newRoot returns the command of which all others are parts.
func newRoot(o *operator) *cobra.Command {
	cobra.EnableCommandSorting = false // they are in the order in which an operator meets them
	root := group("newsletter", "Operate an installation of the newsletter sign-up",
		"The commands run on an installation: with --stack on that of a stack in AWS, by your profile; next to `make dev` on the local system; with DATABASE_URL on that database.",
		o.monitorCommand(), o.healthCommand(), o.alertsCommand(), o.perfCommand(),
		o.importCommand(), o.exportCommand(),
		o.holdCommand(), o.suppressionCommand(), o.keyCommand(), o.privacyCommand(), o.consentCommand(), o.sourceCommand(),
		o.outboxCommand(), o.destinationCommand(), o.ledgerCommand(), o.journalCommand(),
		o.migrateCommand(), devCommand(), invokeCommand(), disposableCommand(), versionCommand(), documentCommand(),
	)
	root.PersistentFlags().StringVar(&o.functions.stack, "stack", "", "name of the stack in AWS on which the command runs")
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		switch stack := o.functions.stack; {
		case stack != "" && !stackPattern.MatchString(stack):
			return errUsage("--stack must be the name of a stack: up to 52 letters, digits and hyphens")
		case stack != "" && c.Annotations[onThisMachine] != "":
			return errUsage(title(c) + " runs on this machine: leave out --stack")
		}
		return nil
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return errUsage(title(c) + ": " + err.Error()) })
	return root
}

// onThisMachine marks the commands that have no use for --stack.
const onThisMachine = "on this machine"

// local marks a command as one that has no use for --stack.
func local(c *cobra.Command) *cobra.Command {
	c.Annotations = map[string]string{onThisMachine: "yes"}
	return c
}
