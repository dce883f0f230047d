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

const holdUsage = `hold list [--json]                               list held emails, the oldest first
hold release [--json] ID… | --all [--reason R]   release held emails, so that they are sent
hold reject  [--json] ID… | --all [--reason R]   reject held emails, and end their sign-ups`

// holdCommand releases or rejects what the risk decision held (docs/risk.md).
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
	fmt.Fprintln(table, "ID\tSINCE\tREASON\tEMAIL\tSTATUS\tDOMAIN\tPAGE")
	for _, h := range holds {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.ID, h.At.Local().Format(time.DateTime), h.Reason, h.Kind, h.Status,
			cmp.Or(h.Domain, "-"), cmp.Or(h.Source.Page, h.Source.Ref, "-"))
	}
	return cmp.Or(table.Flush(), checkComplete(len(holds)))
}

// holdDecision is a decision about the selected emails.
type holdDecision struct {
	name, done string
	apply      func(s *subscription.Store, ctx context.Context, id uuid.UUID, v subscription.Visit) error
}

// decidedHold is the result of a decision about one email.
type decidedHold struct {
	ID     uuid.UUID `json:"id"`
	Result string    `json:"result"`
}

func decideHolds(ctx context.Context, db *operatorDB, j holdDecision, args []string) error {
	flags := flag.NewFlagSet(j.name, flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON")
	all := flags.Bool("all", false, "all that are held")
	reason := flags.String("reason", "", "with --all: only those held for this reason")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *all == (flags.NArg() > 0) || *reason != "" && !*all {
		return errUsage(j.name + " takes ids, or --all with an optional --reason")
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
		if err := j.apply(db.store, ctx, id, db.visit("tool")); errors.Is(err, subscription.ErrNotHeld) {
			result, missing = "not held", missing+1
		} else if err != nil {
			return fmt.Errorf("failed after %d of %d: %w", len(results), len(ids), err)
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
		fmt.Fprintln(stdout, "nothing is held; nothing changed")
	}
	if *all { // another command may have decided it meanwhile
		return checkComplete(len(ids))
	}
	if missing > 0 {
		return fmt.Errorf("%d of %d are not held", missing, len(ids))
	}
	return nil
}

// selectHolds parses ids, or without any returns the ids of everything that is held, for one reason unless reason is
// empty.
func selectHolds(ctx context.Context, db *operatorDB, named []string, reason string) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	for _, name := range named {
		id, err := uuid.Parse(name)
		if err != nil {
			return nil, errUsage(fmt.Sprintf("%q is not an id; see hold list", name))
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
