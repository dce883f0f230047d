package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"

	"newsletter/shared/subscription"
)

// subcommandFunc is a command of a group. It has the database of the installation and the arguments after its name.
type subcommandFunc func(ctx context.Context, db *operatorDB, args []string) error

// subcommand runs the command of a group that args name. usage is a line for each of them.
func subcommand(ctx context.Context, args []string, usage string, group map[string]subcommandFunc) error {
	if len(args) == 0 {
		return errUsage("which one?\n" + usage)
	}
	does := group[args[0]]
	switch {
	case args[0] == "--help" || args[0] == "-h" || args[0] == "help":
		fmt.Fprintln(stdout, usage)
		return nil
	case does == nil:
		return errUsage(fmt.Sprintf("%q is none of\n%s", args[0], usage))
	}
	for _, arg := range args[1:] {
		if arg == "--help" || arg == "-h" { // help needs no database
			return does(ctx, nil, args[1:])
		}
	}
	db, err := openDatabase(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	return does(ctx, db, args[1:])
}

// oneAddress parses flags and the one address after them.
func oneAddress(flags *flag.FlagSet, args []string) (subscription.Address, error) {
	if err := parse(flags, args); err != nil {
		return subscription.Address{}, err
	}
	if flags.NArg() != 1 {
		return subscription.Address{}, errUsage(flags.Name() + " takes one address")
	}
	return parseAddress(flags.Arg(0))
}

// parse reads flags; what is wrong with them is a mistake of the caller. Asked for help, it gives it and flag.ErrHelp.
func parse(flags *flag.FlagSet, args []string) error {
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(stdout, "newsletter %s [flags]\n", flags.Name())
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return err
	}
	if err != nil {
		return errUsage(flags.Name() + ": " + err.Error())
	}
	return nil
}

// maxListed bounds what is listed, or changed by --all, at once.
const maxListed = 10_000

// whole is an error for a list that was cut: there may be more.
func checkComplete(listed int) error {
	if listed < maxListed {
		return nil
	}
	return fmt.Errorf("these are the first %d; there may be more", maxListed)
}

// printJSON prints a value as people and programs read it.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
