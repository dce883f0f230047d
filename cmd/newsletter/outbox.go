package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

const outboxUsage = `outbox list [--state S] [--kind K] [--json]   list messages (S: dead, the default; ready, held or done)
outbox slots [--json]                         list domains where emails of sign-ups wait for a slot
outbox retry ID… | --all [--kind K]           requeue dead letters, with all their attempts
outbox drop  ID… | --all [--kind K]           drop dead letters, or ready messages by id, permanently`

// outboxCommand manages messages that could not be delivered.
func outboxCommand(ctx context.Context, args []string) error {
	return subcommand(ctx, args, outboxUsage, map[string]subcommandFunc{
		"list":  outboxList,
		"slots": outboxSlots,
		"retry": func(ctx context.Context, db *operatorDB, args []string) error {
			return changeMessages(ctx, db, outboxChange{"outbox retry", "retried", ledger.Retried, outbox.RequeueMessages}, args)
		},
		"drop": func(ctx context.Context, db *operatorDB, args []string) error {
			return changeMessages(ctx, db, outboxChange{"outbox drop", "dropped", ledger.Dropped, outbox.DropMessages}, args)
		},
	})
}

func outboxList(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("outbox list", flag.ContinueOnError)
	state, kind := flags.String("state", "dead", "dead, ready, held or done"), flags.String("kind", "", "only this kind, such as email.confirm or notify.loops")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := parse(flags, args); err != nil {
		return err
	}
	if err := checkKnown("state", *state, []string{"dead", "ready", "held", "done"}); err != nil {
		return err
	}
	rows, err := listMessages(ctx, db, *state, *kind)
	if err != nil {
		return err
	}
	if *asJSON {
		return cmp.Or(printJSON(stdout, append([]outbox.MessageView{}, rows...)), checkComplete(len(rows)))
	}
	table := tabwriter.NewWriter(stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tKIND\tATTEMPTS\tOUTCOME\tCREATED\tDUE")
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\n", r.ID, r.Kind, r.Attempts, r.Outcome, r.CreatedAt.Local().Format(time.DateTime), r.DueAt.Local().Format(time.DateTime))
	}
	return cmp.Or(table.Flush(), checkComplete(len(rows)))
}

func outboxSlots(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("outbox slots", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON")
	if err := parse(flags, args); err != nil {
		return err
	}
	waits, err := db.store.ListSlotWaits(ctx)
	if err != nil {
		return err
	}
	if *asJSON {
		return printJSON(stdout, append([]subscription.SlotWait{}, waits...))
	}
	table := tabwriter.NewWriter(stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "DOMAIN\tEMAILS\tLAST DUE")
	for _, w := range waits {
		fmt.Fprintf(table, "%s\t%d\t%s\n", w.Domain, w.Emails, w.Last.Local().Format(time.DateTime))
	}
	return table.Flush()
}

// outboxChange is a change of the selected messages.
type outboxChange struct {
	name, done string
	kind       ledger.Kind
	queue      func(b *pgx.Batch, ids []string, now time.Time, done func(int64))
}

// changeMessages changes messages and records it, in one transaction.
func changeMessages(ctx context.Context, db *operatorDB, c outboxChange, args []string) error {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	all, kind := flags.Bool("all", false, "all dead letters"), flags.String("kind", "", "with --all: only this kind")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *all == (flags.NArg() > 0) || *kind != "" && !*all {
		return errUsage(c.name + " takes ids, or --all with an optional --kind")
	}
	ids := flags.Args()
	for _, id := range ids {
		if _, err := uuid.Parse(id); err != nil {
			return errUsage(fmt.Sprintf("%q is not an id; see outbox list", id))
		}
	}
	if *all {
		rows, err := listMessages(ctx, db, "dead", *kind)
		if err != nil {
			return err
		}
		for _, r := range rows {
			ids = append(ids, r.ID.String())
		}
	}
	changed, err := db.record(ctx, ledger.Event{Kind: c.kind, Data: ledger.Data{Outcome: c.done}},
		func(b *pgx.Batch, done func(int64)) { c.queue(b, ids, time.Now(), done) })
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%d of %d %s\n", changed, len(ids), c.done)
	if *all {
		return checkComplete(len(ids))
	}
	if changed < int64(len(ids)) {
		return fmt.Errorf("%d were not found, or are in a state that this command does not change", int64(len(ids))-changed)
	}
	return nil
}

// listMessages lists the messages in a state, of one kind or, if kind is empty, of all.
func listMessages(ctx context.Context, db *operatorDB, state, kind string) ([]outbox.MessageView, error) {
	if kind != "" {
		known, err := knownKinds(ctx, db)
		if err == nil {
			err = checkKnown("kind", outbox.Kind(kind), known)
		}
		if err != nil {
			return nil, err
		}
	}
	return db.queue.ListMessages(ctx, state, outbox.Kind(kind), maxListed)
}
