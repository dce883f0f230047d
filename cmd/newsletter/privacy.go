package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"newsletter/shared/config"

	"newsletter/shared/catalog"
	"newsletter/shared/outbox"
	"newsletter/shared/privacy"
	"newsletter/shared/subscription"
)

const privacyUsage = `privacy export EMAIL                        print everything that is kept of a person, as JSON
privacy erase [--object] [--yes] EMAIL      delete it; --object: and never write to the address again
privacy open [--received DATE] KIND EMAIL   enter a letter (KIND: export or erase), so that its due date is watched
privacy list [--all] [--json]               list requests that are to be answered; status 1 if one is overdue`

// privacyCommand answers people who write a letter.
func privacyCommand(ctx context.Context, args []string) error {
	return subcommand(ctx, args, privacyUsage, map[string]subcommandFunc{
		"export": privacyExport, "erase": privacyErase, "open": privacyOpen, "list": privacyList,
	})
}

func privacyExport(ctx context.Context, db *operatorDB, args []string) error {
	address, err := oneAddress(flag.NewFlagSet("privacy export", flag.ContinueOnError), args)
	if err != nil {
		return err
	}
	cfg, book := config.Read[privacy.Config](db.env), catalog.Read(db.env)
	if err := db.env.Err(); err != nil {
		return err
	}
	uses, err := privacy.Uses(ctx, db)
	if err != nil {
		return err
	}
	record, err := db.store.ExportByLetter(ctx, address, db.visit("letter"))
	if err != nil {
		return err
	}
	return printJSON(stdout, cfg.Describe(privacy.Document{
		Profile: record.Profile, Events: record.Events, Deliveries: record.Deliveries, Engagement: record.Engagement,
		Suppressions: record.Suppressions, PrivacyRequests: record.PrivacyRequests,
	}, book.Footer, uses, time.Now()))
}

func privacyErase(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("privacy erase", flag.ContinueOnError)
	object := flags.Bool("object", false, "keep a keyed hash, so that the address is never written to again")
	yes := flags.Bool("yes", false, "do not ask")
	address, err := oneAddress(flags, args)
	if err != nil {
		return err
	}
	vault := outbox.ReadVault(db.env)
	if err := db.env.Err(); err != nil {
		return err
	}
	if !*yes {
		fmt.Fprint(os.Stderr, "This cannot be undone. Type the address again: ")
		typed, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if again, err := subscription.ParseAddress(strings.TrimSpace(typed)); err != nil || again.Normalized != address.Normalized {
			return errors.New("that is another address; nothing was deleted")
		}
	}
	outcome, err := subscription.NewEraser(db.store, vault).Erase(ctx, subscription.Erasure{
		Address: address, Object: *object, Visit: db.visit("letter"),
	})
	if err != nil {
		return err
	}
	if outcome == subscription.Unchanged {
		fmt.Fprintln(stdout, "nothing is kept of this address")
		return nil
	}
	fmt.Fprintln(stdout, "erased")
	return nil
}

func privacyOpen(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("privacy open", flag.ContinueOnError)
	received := flags.String("received", time.Now().Format(time.DateOnly), "the day the letter came, as YYYY-MM-DD")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errUsage("privacy open takes export or erase, and an address")
	}
	right := subscription.Right(flags.Arg(0))
	if right != subscription.RightOfAccess && right != subscription.RightOfErasure {
		return errUsage(fmt.Sprintf("%q is neither export nor erase", flags.Arg(0)))
	}
	address, err := parseAddress(flags.Arg(1))
	if err != nil {
		return err
	}
	day, err := time.Parse(time.DateOnly, *received)
	if err != nil || day.After(time.Now()) {
		return errUsage("--received must be a day until today, as YYYY-MM-DD")
	}
	due, err := db.store.RecordPrivacyRequest(ctx, address, right, day)
	if errors.Is(err, subscription.ErrUnknown) {
		return errors.New("nothing is kept of this address; that is the answer to the letter")
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "to be answered until %s\n", due.Format(time.DateOnly))
	return nil
}

func privacyList(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("privacy list", flag.ContinueOnError)
	all, asJSON := flags.Bool("all", false, "also what was answered"), flags.Bool("json", false, "print JSON")
	if err := parse(flags, args); err != nil {
		return err
	}
	requests, err := db.store.ListPrivacyRequests(ctx, *all)
	if err != nil {
		return err
	}
	overdue := 0
	for _, r := range requests {
		if r.DoneAt == nil && time.Now().After(r.DueAt) {
			overdue++
		}
	}
	if *asJSON {
		err = printJSON(stdout, requests)
	} else {
		table := tabwriter.NewWriter(stdout, 0, 4, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tKIND\tCHANNEL\tRECEIVED\tDUE\tDONE")
		for _, r := range requests {
			done := "-"
			if r.DoneAt != nil {
				done = r.DoneAt.Format(time.DateOnly)
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Right, r.Channel, r.ReceivedAt.Format(time.DateOnly), r.DueAt.Format(time.DateOnly), done)
		}
		err = table.Flush()
	}
	if err == nil && overdue > 0 {
		err = fmt.Errorf("%d requests are overdue", overdue)
	}
	return err
}
