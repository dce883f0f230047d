package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"newsletter/cmd/newsletter/internal/lists"
	"newsletter/shared/subscription"
)

// exportCommand exports subscribers to CSV.
func exportCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("export", flag.ContinueOnError)
	status := flags.String("status", string(subscription.Active), "active, pending, unsubscribed or suppressed")
	since := flags.String("since", "", "only subscribers who last consented on or after this date, as YYYY-MM-DD")
	name := flags.String("o", "-", "output file; - for the standard output")
	if err := parse(flags, args); err != nil {
		return err
	}
	state := subscription.State(*status)
	if flags.NArg() > 0 || !slices.Contains([]subscription.State{subscription.Active, subscription.Pending, subscription.Unsubscribed, subscription.Suppressed}, state) {
		return errUsage("export takes no arguments, and --status active, pending, unsubscribed or suppressed")
	}
	var from time.Time
	if *since != "" {
		var err error
		if from, err = time.Parse(time.DateOnly, *since); err != nil {
			return errUsage("--since must be a date, as YYYY-MM-DD")
		}
	}
	db, err := openDatabase(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	file := os.Stdout
	if *name != "-" {
		if file, err = os.OpenFile(*name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600); err != nil {
			return err
		}
	}
	out := bufio.NewWriter(file)
	n, err := lists.Export(ctx, db.DB, out, state, from)
	if err = errors.Join(err, out.Flush(), file.Close()); err != nil {
		return fmt.Errorf("the export is incomplete: %w", err)
	}
	fmt.Fprintf(os.Stderr, "%d subscribers\n", n)
	return nil
}
