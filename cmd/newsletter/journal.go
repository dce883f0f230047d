package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"newsletter/shared/config"

	"newsletter/shared/journal"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

const journalUsage = `journal list [--since DATE]            list the suppressions in the journal, outside the database
journal replay --since DATE [--yes]    replay suppressions since the time of a restored backup`

// journalCommand reads the suppression journal (JOURNAL_URL).
func journalCommand(ctx context.Context, args []string) error {
	return subcommand(ctx, args, journalUsage, map[string]subcommandFunc{"list": journalList, "replay": journalReplay})
}

// ledgerKinds maps the journal's kinds to the ledger's.
var ledgerKinds = map[journal.Kind]ledger.Kind{
	journal.Erased: ledger.Erased, journal.Unsubscribed: ledger.Unsubscribed, journal.Suppressed: ledger.Suppressed, journal.SuppressionRemoved: ledger.SuppressionRemoved,
}

// openJournal parses flags, to which it adds --since, and opens the journal.
func openJournal(db *operatorDB, flags *flag.FlagSet, args []string) (*journal.Journal, time.Time, error) {
	since := flags.String("since", "", "start of the period, as YYYY-MM-DD or RFC 3339; its whole day is read")
	if err := parse(flags, args); err != nil {
		return nil, time.Time{}, err
	}
	if flags.NArg() > 0 {
		return nil, time.Time{}, errUsage(flags.Name() + " takes no arguments")
	}
	from := time.Time{}
	if *since != "" {
		var err error
		if from, err = time.Parse(time.RFC3339, *since); err != nil {
			if from, err = time.Parse(time.DateOnly, *since); err != nil {
				return nil, from, errUsage("--since must be a date or a time, such as 2026-11-23 or 2026-11-23T12:00:00Z")
			}
		}
	}
	cfg := config.Read[journal.Config](db.env)
	if err := db.env.Err(); err != nil {
		return nil, from, err
	}
	if !cfg.Enabled() {
		return nil, from, errors.New("JOURNAL_URL is not set")
	}
	j, err := journal.New(cfg)
	return j, from, err
}

func journalList(ctx context.Context, db *operatorDB, args []string) error {
	j, since, err := openJournal(db, flag.NewFlagSet("journal list", flag.ContinueOnError), args)
	if err != nil {
		return err
	}
	for e, err := range j.Read(ctx, since) {
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s  %-12s %s\n", e.At.Format(time.DateOnly), e.Kind, e.Reason)
	}
	return nil
}

func journalReplay(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("journal replay", flag.ContinueOnError)
	yes := flags.Bool("yes", false, "replay; without it, only count the suppressions")
	j, since, err := openJournal(db, flags, args)
	if err != nil {
		return err
	}
	if since.IsZero() {
		return errUsage("journal replay needs --since: the time of the backup, or slightly before")
	}
	var stops []subscription.SuppressionRecord
	broken := 0
	for e, err := range j.Read(ctx, since) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "newsletter:", err)
			broken++
			continue
		}
		stops = append(stops, subscription.SuppressionRecord{
			Kind: ledgerKinds[e.Kind], At: e.At, Epoch: e.Epoch, Reason: e.Reason, EmailHMAC: e.EmailHMAC, MailboxHMAC: e.MailboxHMAC,
			KeyID: e.KeyID, Until: e.Until,
		})
	}
	slices.SortStableFunc(stops, func(a, b subscription.SuppressionRecord) int { return a.At.Compare(b.At) })
	if len(stops)+broken == 0 {
		return reportNothing(ctx, j, since)
	}
	if *yes {
		return replay(ctx, db, stops, broken)
	}
	fmt.Fprintf(stdout, "%d suppressions since %s; replay them with --yes\n", len(stops), since.Format(time.RFC3339))
	if broken > 0 {
		return fmt.Errorf("%d entries are unreadable", broken)
	}
	return nil
}

// reportNothing reports that there is nothing to replay. An empty journal is an error: it may not be the one that
// deliver writes.
func reportNothing(ctx context.Context, j *journal.Journal, since time.Time) error {
	for _, err := range j.Read(ctx, time.Time{}) {
		fmt.Fprintf(stdout, "no suppressions since %s; nothing changed\n", since.Format(time.RFC3339))
		return err
	}
	return errors.New("the journal is empty; check that deliver has the same JOURNAL_URL")
}

func replay(ctx context.Context, db *operatorDB, stops []subscription.SuppressionRecord, broken int) error {
	vault := outbox.ReadVault(db.env)
	if err := db.env.Err(); err != nil {
		return err
	}
	eraser, outcomes := subscription.NewEraser(db.store, vault), map[subscription.Outcome]int{}
	for i, stop := range stops {
		outcome, err := eraser.Replay(ctx, stop, db.visit("journal"))
		if err != nil {
			return fmt.Errorf("failed after %d of %d suppressions; run the command again: %w", i, len(stops), err)
		}
		outcomes[outcome]++
	}
	fmt.Fprintf(stdout, "%d suppressions\n", len(stops))
	for _, outcome := range slices.Sorted(maps.Keys(outcomes)) {
		fmt.Fprintf(stdout, "%6d %s\n", outcomes[outcome], outcome)
	}
	if broken > 0 || outcomes[subscription.OtherPepper] > 0 {
		return fmt.Errorf("%d entries are unreadable, %d were written with another PEPPER", broken, outcomes[subscription.OtherPepper])
	}
	return nil
}
