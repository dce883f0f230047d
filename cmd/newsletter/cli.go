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

// subcommandFunc runs a subcommand on the database of the installation, with the arguments after its name.
type subcommandFunc func(ctx context.Context, db *operatorDB, args []string) error

// subcommand runs the subcommand that args name. usage has a line for each of the group.
func subcommand(ctx context.Context, args []string, usage string, group map[string]subcommandFunc) error {
	if len(args) == 0 {
		return errUsage("missing subcommand\n" + usage)
	}
	run := group[args[0]]
	switch {
	case args[0] == "--help" || args[0] == "-h" || args[0] == "help":
		fmt.Fprintln(stdout, usage)
		return nil
	case run == nil:
		return errUsage(fmt.Sprintf("unknown subcommand %q\n%s", args[0], usage))
	}
	for _, arg := range args[1:] {
		if arg == "--help" || arg == "-h" { // help needs no database
			return run(ctx, nil, args[1:])
		}
	}
	db, err := openDatabase(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	return run(ctx, db, args[1:])
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

// parse parses flags. A wrong flag is an errUsage. For --help it prints the flags and returns flag.ErrHelp.
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

// maxListed limits what one command lists, or changes by --all.
const maxListed = 10_000

// checkComplete returns an error if a list reached maxListed, because there may be more.
func checkComplete(listed int) error {
	if listed < maxListed {
		return nil
	}
	return fmt.Errorf("only the first %d are shown; there may be more", maxListed)
}

// printJSON prints a value as indented JSON.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
