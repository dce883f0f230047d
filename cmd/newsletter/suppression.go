package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"text/tabwriter"
	"time"

	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
)

const suppressionUsage = `suppression list [--reason R] [--json]   list suppressions, without addresses (R: complaint, bounce, objection, restriction, declined, operator)
suppression add EMAIL                    suppress an address permanently
suppression remove EMAIL                 remove a suppression; the address may then sign up again, and a restricted subscription continues`

// suppressionCommand manages suppressed addresses.
func suppressionCommand(ctx context.Context, args []string) error {
	return subcommand(ctx, args, suppressionUsage, map[string]subcommandFunc{
		"list": suppressionList, "add": suppressionAdd, "remove": suppressionRemove,
	})
}

func suppressionList(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("suppression list", flag.ContinueOnError)
	reason, asJSON := flags.String("reason", "", "only suppressions with this reason"), flags.Bool("json", false, "print JSON")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *reason != "" {
		if err := checkKnown("reason", subscription.SuppressionReason(*reason), subscription.SuppressionReasons()); err != nil {
			return err
		}
	}
	kept, err := db.store.ListSuppressions(ctx, subscription.SuppressionReason(*reason), maxListed)
	if err != nil {
		return err
	}
	if *asJSON {
		return cmp.Or(printJSON(stdout, append([]subscription.SuppressionEntry{}, kept...)), checkComplete(len(kept)))
	}
	table := tabwriter.NewWriter(stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "REASON\tSINCE\tUNTIL\tSUBSCRIBER")
	for _, k := range kept {
		until := "-"
		if k.Until != nil {
			until = k.Until.Format(time.DateOnly)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", k.Reason, k.Since.Format(time.DateOnly), until, k.SubscriberID)
	}
	return cmp.Or(table.Flush(), checkComplete(len(kept)))
}

func suppressionAdd(ctx context.Context, db *operatorDB, args []string) error {
	address, err := oneAddress(flag.NewFlagSet("suppression add", flag.ContinueOnError), args)
	if err != nil {
		return err
	}
	outcome, err := db.store.Suppress(ctx, subscription.Suppression{
		Address: address, Reason: subscription.ByOwner, Actor: ledger.Operator, Visit: db.visit("tool"),
	})
	if err == nil {
		fmt.Fprintln(stdout, outcome)
	}
	return err
}

func suppressionRemove(ctx context.Context, db *operatorDB, args []string) error {
	address, err := oneAddress(flag.NewFlagSet("suppression remove", flag.ContinueOnError), args)
	if err != nil {
		return err
	}
	outcome, err := db.store.RemoveSuppression(ctx, address, db.visit("tool"))
	if err != nil {
		return err
	}
	if outcome == subscription.Unchanged {
		return errors.New("the address is not suppressed")
	}
	fmt.Fprintln(stdout, outcome)
	return nil
}
