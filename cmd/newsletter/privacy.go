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

const privacyUsage = `privacy export EMAIL                        print all data about a person, as JSON
privacy erase [--object] [--yes] EMAIL      erase all data about a person; with --object also suppress the address
privacy open [--received DATE] KIND EMAIL   record a request by letter (KIND: export or erase), to track its due date
privacy list [--all] [--json]               list pending requests; exit with 1 if one is overdue`

// privacyCommand handles privacy requests received by letter.
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
		Suppressions: record.Suppressions, PrivacyRequests: record.PrivacyRequests, Identities: record.Identities,
		EmailLog: record.EmailLog, Erasures: record.Erasures,
	}, book.Footer, uses, time.Now()))
}

func privacyErase(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("privacy erase", flag.ContinueOnError)
	object := flags.Bool("object", false, "keep a pseudonym of the address, so that it is never emailed again")
	yes := flags.Bool("yes", false, "do not ask for confirmation")
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
			return errors.New("the addresses differ; nothing was erased")
		}
	}
	outcome, err := subscription.NewEraser(db.store, vault).Erase(ctx, subscription.Erasure{
		Address: address, Object: *object, Visit: db.visit("letter"),
	})
	if err != nil {
		return err
	}
	if outcome == subscription.Unchanged {
		fmt.Fprintln(stdout, "no data about this address")
		return nil
	}
	fmt.Fprintln(stdout, "erased")
	return nil
}

func privacyOpen(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("privacy open", flag.ContinueOnError)
	received := flags.String("received", time.Now().Format(time.DateOnly), "date of receipt, as YYYY-MM-DD")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errUsage("privacy open takes export or erase, and one address")
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
		return errUsage("--received must be a date that is not in the future, as YYYY-MM-DD")
	}
	due, err := db.store.RecordPrivacyRequest(ctx, address, right, day)
	if errors.Is(err, subscription.ErrUnknown) {
		return errors.New("no data about this address; answer the letter with that")
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "due by %s\n", due.Format(time.DateOnly))
	return nil
}

func privacyList(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("privacy list", flag.ContinueOnError)
	all, asJSON := flags.Bool("all", false, "include completed requests"), flags.Bool("json", false, "print JSON")
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
