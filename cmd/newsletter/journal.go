package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"newsletter/shared/operate"
	"newsletter/shared/subscription"
)

// journalCommand reads the suppression journal.
func (o *operator) journalCommand() *cobra.Command {
	return group("journal", "List suppressions, and replay them after restoring a backup",
		"The suppression journal (JOURNAL_URL) keeps, outside the database and as keyed hashes, who left. A restored backup does not know what happened after it was made.",
		o.journalList(), o.journalReplay())
}

// sinceFlag adds --since to a command and returns a function that parses it.
func sinceFlag(c *cobra.Command) func() (time.Time, error) {
	since := c.Flags().String("since", "", "start of the period, as YYYY-MM-DD or RFC 3339; its whole day is read")
	return func() (time.Time, error) {
		if *since == "" {
			return time.Time{}, nil
		}
		for _, layout := range []string{time.RFC3339, time.DateOnly} {
			if at, err := time.Parse(layout, *since); err == nil {
				return at, nil
			}
		}
		return time.Time{}, errUsage("--since must be a date or a time, such as 2026-11-23 or 2026-11-23T12:00:00Z")
	}
}

func (o *operator) journalList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the suppressions in the journal", Long: "List the suppressions in the journal, by day, without addresses.",
		Args: takes(0, "no arguments"),
	}
	since := sinceFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		from, err := since()
		if err != nil {
			return err
		}
		unreadable := 0
		for next := &from; next != nil; {
			part, err := operate.JournalList.Do(c.Context(), o, operate.JournalStart{Since: *next})
			if err != nil {
				return err
			}
			for _, e := range part.Entries {
				fmt.Fprintf(stdout, "%s  %-12s %s\n", e.At.Format(time.DateOnly), e.Kind, e.Reason)
			}
			unreadable += warnAll(part.Unreadable)
			next = part.Next
		}
		if unreadable > 0 {
			return fmt.Errorf("%d entries are unreadable", unreadable)
		}
		return nil
	}
	return c
}

// warnAll prints errors that do not end a command, and returns their number.
func warnAll(problems []string) int {
	for _, problem := range problems {
		fmt.Fprintln(os.Stderr, "newsletter:", problem)
	}
	return len(problems)
}

func (o *operator) journalReplay() *cobra.Command {
	c := &cobra.Command{
		Use: "replay", Short: "Replay suppressions since the time of a restored backup",
		Long:    "Replay suppressions since the time of a restored backup, or slightly before. An interrupted run can be repeated: what was replayed does not change again.",
		Example: "newsletter journal replay --since 2026-11-23 --yes", Args: takes(0, "no arguments"),
	}
	since, yes := sinceFlag(c), c.Flags().Bool("yes", false, "replay; without it, only count the suppressions")
	c.RunE = func(c *cobra.Command, _ []string) error {
		from, err := since()
		if err != nil {
			return err
		}
		if from.IsZero() {
			return errUsage("journal replay needs --since: the time of the backup, or slightly before")
		}
		total, err := o.replay(c.Context(), operate.JournalPeriod{Since: from, Apply: *yes})
		if err != nil {
			return err
		}
		return reportReplay(total, from, *yes)
	}
	return c
}

// replay replays one part of the journal after the other, and returns the sum.
func (o *operator) replay(ctx context.Context, p operate.JournalPeriod) (total operate.JournalReplayed, err error) {
	total.Outcomes = map[subscription.Outcome]int{}
	for {
		part, err := operate.JournalReplay.Do(ctx, o, p)
		if err != nil {
			return total, fmt.Errorf("failed after %d suppressions; run the command again: %w", total.Entries, err)
		}
		warnAll(part.Unreadable)
		total.Entries, total.Empty, total.Unreadable = total.Entries+part.Entries, part.Empty, append(total.Unreadable, part.Unreadable...)
		for outcome, n := range part.Outcomes {
			total.Outcomes[outcome] += n
		}
		if part.Next == nil {
			return total, nil
		}
		p.Since = *part.Next
	}
}

// reportReplay prints the result. An empty journal is an error: it may not be the one that deliver writes.
func reportReplay(total operate.JournalReplayed, since time.Time, applied bool) error {
	unreadable := len(total.Unreadable)
	switch {
	case total.Empty:
		return errors.New("the journal is empty; check that deliver has the same JOURNAL_URL")
	case total.Entries+unreadable == 0:
		fmt.Fprintf(stdout, "no suppressions since %s; nothing changed\n", since.Format(time.RFC3339))
	case applied:
		fmt.Fprintf(stdout, "%d suppressions\n", total.Entries)
	default:
		fmt.Fprintf(stdout, "%d suppressions since %s; replay them with --yes\n", total.Entries, since.Format(time.RFC3339))
	}
	for _, outcome := range slices.Sorted(maps.Keys(total.Outcomes)) {
		fmt.Fprintf(stdout, "%6d %s\n", total.Outcomes[outcome], outcome)
	}
	if others := total.Outcomes[subscription.OtherPepper]; unreadable > 0 || others > 0 {
		return fmt.Errorf("%d entries are unreadable, %d were written with another PEPPER", unreadable, others)
	}
	return nil
}
