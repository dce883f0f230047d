package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/admission"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

const holdsUsage = `holds list [--json]                               list the mails that wait for you, the oldest first
holds release [--json] ID… | --all [--reason R]   let them go out
holds reject  [--json] ID… | --all [--reason R]   end them, and the sign-ups behind them`

// holdsCommand is where the owner decides about what the risk decision holds (docs/risk.md).
func holdsCommand(ctx context.Context, args []string) error {
	return subcommand(ctx, args, holdsUsage, map[string]subcommandFunc{
		"list": holdsList,
		"release": func(ctx context.Context, db *operatorDB, args []string) error {
			return holdsJudge(ctx, db, judgement{"holds release", "released", (*subscription.Store).Release}, args)
		},
		"reject": func(ctx context.Context, db *operatorDB, args []string) error {
			return holdsJudge(ctx, db, judgement{"holds reject", "rejected", (*subscription.Store).Reject}, args)
		},
	})
}

func holdsList(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("holds list", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return errUsage("holds list takes no arguments")
	}
	holds, err := db.store.Holds(ctx, maxListed)
	if err != nil {
		return err
	}
	if *asJSON {
		return cmp.Or(printJSON(stdout, append([]subscription.Hold{}, holds...)), whole(len(holds))) // [] and not null
	}
	table := tabwriter.NewWriter(stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSINCE\tREASON\tMAIL\tSTATUS\tDOMAIN\tPAGE")
	for _, h := range holds {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.ID, h.At.Local().Format(time.DateTime), h.Reason, h.Mail, h.Status,
			cmp.Or(h.Domain, "-"), cmp.Or(h.Source.Page, h.Source.Ref, "-"))
	}
	return cmp.Or(table.Flush(), whole(len(holds)))
}

// judgement is what is done with each of the chosen mails.
type judgement struct {
	name, done string
	judge      func(s *subscription.Store, ctx context.Context, id uuid.UUID, v subscription.Visit) error
}

// judged is what came of one mail.
type judged struct {
	ID     uuid.UUID `json:"id"`
	Result string    `json:"result"`
}

func holdsJudge(ctx context.Context, db *operatorDB, j judgement, args []string) error {
	flags := flag.NewFlagSet(j.name, flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON")
	all := flags.Bool("all", false, "all that are held now")
	reason := flags.String("reason", "", "with --all: only those that are held for this reason")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *all == (flags.NArg() > 0) || *reason != "" && !*all {
		return errUsage(j.name + " takes ids, or --all and perhaps --reason")
	}
	if *reason != "" {
		if err := oneOf("reason", *reason, append(admission.HoldReasons(), outbox.HoldWave)); err != nil {
			return err
		}
	}
	ids, err := chosenHolds(ctx, db, flags.Args(), *reason)
	if err != nil {
		return err
	}
	results, missing := []judged{}, 0
	for _, id := range ids {
		result := j.done
		if err := j.judge(db.store, ctx, id, db.visit("tool")); errors.Is(err, subscription.ErrNotHeld) {
			result, missing = "not held", missing+1
		} else if err != nil {
			return fmt.Errorf("after %d of %d: %w", len(results), len(ids), err)
		}
		results = append(results, judged{id, result})
		if !*asJSON {
			fmt.Fprintln(stdout, id, result)
		}
	}
	if *asJSON {
		if err := printJSON(stdout, results); err != nil {
			return err
		}
	} else if len(ids) == 0 {
		fmt.Fprintln(stdout, "nothing is held; nothing was changed")
	}
	if *all { // another command may have decided it meanwhile
		return whole(len(ids))
	}
	if missing > 0 {
		return fmt.Errorf("%d of %d are not held", missing, len(ids))
	}
	return nil
}

// chosenHolds gives the ids that are named, or without names those of everything that is held, for a reason if one is
// given.
func chosenHolds(ctx context.Context, db *operatorDB, named []string, reason string) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	for _, name := range named {
		id, err := uuid.Parse(name)
		if err != nil {
			return nil, errUsage(fmt.Sprintf("%q is not an id of holds list", name))
		}
		ids = append(ids, id)
	}
	if len(named) > 0 {
		return ids, nil
	}
	holds, err := db.store.Holds(ctx, maxListed)
	if err != nil {
		return nil, err
	}
	for _, h := range holds {
		if reason == "" || h.Reason == reason {
			ids = append(ids, h.ID)
		}
	}
	return ids, nil
}
