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

const holdUsage = `hold list [--json]                               list the mails that wait for you, the oldest first
hold release [--json] ID… | --all [--reason R]   let them go out
hold reject  [--json] ID… | --all [--reason R]   end them, and the sign-ups behind them`

// holdsCommand is where the owner decides about what the risk decision holds (docs/risk.md).
func holdCommand(ctx context.Context, args []string) error {
	return subcommand(ctx, args, holdUsage, map[string]subcommandFunc{
		"list": holdList,
		"release": func(ctx context.Context, db *operatorDB, args []string) error {
			return decideHolds(ctx, db, holdDecision{"hold release", "released", (*subscription.Store).ReleaseHeld}, args)
		},
		"reject": func(ctx context.Context, db *operatorDB, args []string) error {
			return decideHolds(ctx, db, holdDecision{"hold reject", "rejected", (*subscription.Store).RejectHeld}, args)
		},
	})
}

func holdList(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("hold list", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return errUsage("hold list takes no arguments")
	}
	holds, err := db.store.ListHeld(ctx, maxListed)
	if err != nil {
		return err
	}
	if *asJSON {
		return cmp.Or(printJSON(stdout, append([]subscription.HeldEmail{}, holds...)), checkComplete(len(holds))) // [] and not null
	}
	table := tabwriter.NewWriter(stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSINCE\tREASON\tMAIL\tSTATUS\tDOMAIN\tPAGE")
	for _, h := range holds {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.ID, h.At.Local().Format(time.DateTime), h.Reason, h.Kind, h.Status,
			cmp.Or(h.Domain, "-"), cmp.Or(h.Source.Page, h.Source.Ref, "-"))
	}
	return cmp.Or(table.Flush(), checkComplete(len(holds)))
}

// judgement is what is done with each of the chosen mails.
type holdDecision struct {
	name, done string
	judge      func(s *subscription.Store, ctx context.Context, id uuid.UUID, v subscription.Visit) error
}

// judged is what came of one mail.
type decidedHold struct {
	ID     uuid.UUID `json:"id"`
	Result string    `json:"result"`
}

func decideHolds(ctx context.Context, db *operatorDB, j holdDecision, args []string) error {
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
		if err := checkKnown("reason", *reason, append(admission.HoldReasons(), outbox.HoldBurst)); err != nil {
			return err
		}
	}
	ids, err := selectHolds(ctx, db, flags.Args(), *reason)
	if err != nil {
		return err
	}
	results, missing := []decidedHold{}, 0
	for _, id := range ids {
		result := j.done
		if err := j.judge(db.store, ctx, id, db.visit("tool")); errors.Is(err, subscription.ErrNotHeld) {
			result, missing = "not held", missing+1
		} else if err != nil {
			return fmt.Errorf("after %d of %d: %w", len(results), len(ids), err)
		}
		results = append(results, decidedHold{id, result})
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
		return checkComplete(len(ids))
	}
	if missing > 0 {
		return fmt.Errorf("%d of %d are not held", missing, len(ids))
	}
	return nil
}

// chosenHolds gives the ids that are named, or without names those of everything that is held, for a reason if one is
// given.
func selectHolds(ctx context.Context, db *operatorDB, named []string, reason string) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	for _, name := range named {
		id, err := uuid.Parse(name)
		if err != nil {
			return nil, errUsage(fmt.Sprintf("%q is not an id of hold list", name))
		}
		ids = append(ids, id)
	}
	if len(named) > 0 {
		return ids, nil
	}
	holds, err := db.store.ListHeld(ctx, maxListed)
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
