package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/audit"
	"newsletter/shared/outbox"
)

const pauseUsage = `pause list [--json]                 list what waits: "mail" for all mails, or who hears of changes, such as "slack"
pause add [--reason R] SUBJECT      let it wait
pause lift SUBJECT                  let it go on`

// pauseCommand stops deliveries and lets them go on.
func pauseCommand(ctx context.Context, args []string) error {
	return subcommand(ctx, args, pauseUsage, map[string]subcommandFunc{"list": pauseList, "add": pauseAdd, "lift": pauseLift})
}

func pauseList(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("pause list", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON")
	if err := parse(flags, args); err != nil {
		return err
	}
	pauses, err := db.queue.Pauses(ctx)
	if err != nil {
		return err
	}
	if *asJSON {
		return printJSON(os.Stdout, append([]outbox.Pause{}, pauses...))
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "SUBJECT\tREASON\tSINCE")
	for _, p := range pauses {
		fmt.Fprintf(table, "%s\t%s\t%s\n", p.Subject, p.Reason, p.At.Local().Format(time.DateTime))
	}
	return table.Flush()
}

func pauseAdd(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("pause add", flag.ContinueOnError)
	reason := flags.String("reason", "operator", "one word for why")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errUsage("pause add takes one subject, such as mail")
	}
	subject := flags.Arg(0)
	return recorded(ctx, db, audit.Paused, subject, func(b *pgx.Batch) {
		outbox.QueuePause(b, subject, *reason, time.Now())
	})
}

func pauseLift(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("pause lift", flag.ContinueOnError)
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errUsage("pause lift takes one subject of pause list")
	}
	lifted := int64(0)
	err := recorded(ctx, db, audit.Resumed, flags.Arg(0), func(b *pgx.Batch) {
		outbox.QueueResume(b, flags.Arg(0), time.Now(), func(n int64) { lifted = n })
	})
	if err == nil && lifted == 0 {
		err = errors.New("that is not paused")
	}
	return err
}

// recorded does something to a subject and writes it into the ledger, in one transaction.
func recorded(ctx context.Context, db *operatorDB, kind audit.Kind, subject string, do func(*pgx.Batch)) error {
	event := audit.Event{
		ID: uuid.Must(uuid.NewV7()), At: time.Now(), Kind: kind, Actor: audit.Operator, Channel: "tool", RequestID: "operator",
		Data: audit.Data{Outcome: "done", Purpose: subject},
	}
	return db.Batch(ctx, func(b *pgx.Batch) {
		do(b)
		audit.Queue(b, event)
	})
}
