package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

const destinationUsage = `destination list [--json]                    list paused destinations, and what the sending circuit breaker stops
destination pause [--reason R] DESTINATION   pause "email" or another destination, such as "slack"
destination resume DESTINATION               resume a destination, for email also what the sending circuit breaker
                                             stops; exit with 1 if nothing was paused or stopped`

// destinationCommand pauses and resumes destinations.
func destinationCommand(ctx context.Context, args []string) error {
	return subcommand(ctx, args, destinationUsage, map[string]subcommandFunc{"list": destinationList, "pause": destinationPause, "resume": destinationResume})
}

func destinationList(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("destination list", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON")
	if err := parse(flags, args); err != nil {
		return err
	}
	pauses, err := db.queue.ListPauses(ctx)
	if err != nil {
		return err
	}
	breakers, err := db.queue.ListBreakers(ctx)
	if err != nil {
		return err
	}
	breakers = slices.DeleteFunc(breakers, outbox.Breaker.Closed)
	if *asJSON {
		return printJSON(stdout, struct {
			Paused  []outbox.Pause   `json:"paused"`
			Stopped []outbox.Breaker `json:"stopped"`
		}{append([]outbox.Pause{}, pauses...), append([]outbox.Breaker{}, breakers...)})
	}
	table := tabwriter.NewWriter(stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "DESTINATION\tREASON\tSINCE")
	for _, p := range pauses {
		fmt.Fprintf(table, "%s\t%s\t%s\n", p.Destination, p.Reason, p.At.Local().Format(time.DateTime))
	}
	if err := table.Flush(); err != nil || len(breakers) == 0 {
		return err
	}
	fmt.Fprint(stdout, "\nThe sending circuit breaker stops email to unproven mailboxes. At the time shown, 20 an hour begin to leave;\nall leave when these cause no further bounces or complaints.\n\n")
	fmt.Fprintln(table, "STOPPED\tREASON\tSINCE\tUNTIL\tOPENED")
	for _, b := range breakers {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\n", cmp.Or(b.Network, b.String()), b.Reason, b.OpenedAt.Local().Format(time.DateTime), b.HalfOpenAt.Local().Format(time.DateTime), b.Openings)
	}
	return table.Flush()
}

func destinationPause(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("destination pause", flag.ContinueOnError)
	reason := flags.String("reason", "operator", "reason, in one word")
	destination, err := oneDestination(ctx, db, flags, args)
	if err != nil {
		return err
	}
	if !reasonPattern.MatchString(*reason) {
		return errUsage("--reason must be one word of up to 32 letters, digits, - or _")
	}
	paused, err := db.record(ctx, ledger.Event{Kind: ledger.Paused, Data: ledger.Data{Outcome: "done", Purpose: destination}},
		func(b *pgx.Batch, done func(int64)) {
			outbox.PauseDestination(b, destination, *reason, time.Now(), done)
		})
	if err != nil {
		return err
	}
	if paused > 0 {
		fmt.Fprintf(stdout, "paused %s (%s)\n", destination, *reason)
		return nil
	}
	pauses, err := db.queue.ListPauses(ctx)
	for _, p := range pauses {
		if p.Destination == destination {
			fmt.Fprintf(stdout, "%s is already paused (%s), since %s; nothing changed\n", destination, p.Reason, p.At.Local().Format(time.DateTime))
			return nil
		}
	}
	return cmp.Or(err, fmt.Errorf("%s is not paused: another command has resumed it", destination))
}

// reasonPattern excludes addresses, so that a reason cannot contain personal data.
var reasonPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// destinationResume returns an error if the destination is neither paused nor stopped: the operator may have meant another one.
func destinationResume(ctx context.Context, db *operatorDB, args []string) error {
	destination, err := oneDestination(ctx, db, flag.NewFlagSet("destination resume", flag.ContinueOnError), args)
	if err != nil {
		return err
	}
	resumed, err := db.record(ctx, ledger.Event{Kind: ledger.Resumed, Data: ledger.Data{Outcome: "done", Purpose: destination}},
		func(b *pgx.Batch, done func(int64)) { outbox.ResumeDestination(b, destination, time.Now(), done) })
	if err != nil {
		return err
	}
	if resumed == 0 {
		return fmt.Errorf("%s was neither paused nor stopped; nothing changed", destination)
	}
	fmt.Fprintf(stdout, "resumed %s\n", destination)
	return nil
}

// oneDestination parses flags and the one destination after them.
func oneDestination(ctx context.Context, db *operatorDB, flags *flag.FlagSet, args []string) (string, error) {
	if err := parse(flags, args); err != nil {
		return "", err
	}
	if flags.NArg() != 1 {
		return "", errUsage(flags.Name() + " takes one destination, such as email")
	}
	known, err := knownDestinations(ctx, db)
	if err != nil {
		return "", err
	}
	return flags.Arg(0), checkKnown("destination", flags.Arg(0), known)
}
