package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"newsletter/shared/operate"
	"newsletter/shared/subscription"
)

// holdCommand releases or rejects what the risk decision held (docs/risk.md).
func (o *operator) holdCommand() *cobra.Command {
	return group("hold", "Decide sign-ups that risk rules hold",
		"The email of a held sign-up waits for your decision, at most 72 hours.",
		o.holdList(),
		o.decideHolds(operate.HoldRelease, "release", "Release held emails, so that they are sent"),
		o.decideHolds(operate.HoldReject, "reject", "Reject held emails, and end their sign-ups"),
	)
}

func (o *operator) holdList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List held emails, the oldest first",
		Long: "List held emails, the oldest first, with what their sign-ups state: their domain and page, and no address.",
		Args: takes(0, "no arguments"),
	}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		holds, err := operate.HoldList.Do(c.Context(), o, operate.All{})
		if err != nil {
			return err
		}
		return printList(holds, *asJSON, "ID\tSINCE\tREASON\tEMAIL\tSTATUS\tDOMAIN\tPAGE", func(h subscription.HeldEmail) []any {
			return []any{h.ID, h.At.Local().Format(time.DateTime), h.Reason, h.Kind, h.Status, cmp.Or(h.Domain, "-"), cmp.Or(h.Source.Page, h.Source.Ref, "-")}
		})
	}
	return c
}

// decisions is one of the commands that decide held emails.
type decisions = operate.Command[operate.HoldSelection, operate.DecidedHolds]

func (o *operator) decideHolds(command decisions, name, summary string) *cobra.Command {
	c := &cobra.Command{
		Use: name + " {ID … | --all}", Short: summary,
		Long:    joinTexts(summary, "An interrupted run can be repeated: what is decided stays so. Exits with 1 if an id is not held."),
		Example: "newsletter hold " + name + " --all --reason disposable",
	}
	asJSON := jsonFlag(c)
	all := c.Flags().Bool("all", false, "all that are held")
	reason := c.Flags().String("reason", "", "with --all: only those held for this reason")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *all == (len(args) > 0) || *reason != "" && !*all {
			return errUsage(title(c) + " takes ids, or --all with an optional --reason")
		}
		decided := []operate.DecidedHold{}
		err := o.decideEach(c.Context(), command, operate.HoldSelection{IDs: args, All: *all, Reason: *reason}, func(one operate.DecidedHold) {
			decided = append(decided, one)
			if !*asJSON {
				fmt.Fprintln(stdout, one.ID, one.Result)
			}
		})
		if *asJSON {
			err = cmp.Or(err, printJSON(stdout, decided))
		} else if err == nil && len(decided) == 0 {
			fmt.Fprintln(stdout, "nothing is held; nothing changed")
		}
		if err != nil || *all { // another command may have decided one meanwhile
			return err
		}
		return checkHeld(decided)
	}
	return c
}

// decideEach repeats the call until nothing remains.
func (o *operator) decideEach(ctx context.Context, command decisions, s operate.HoldSelection, each func(operate.DecidedHold)) error {
	for {
		result, err := command.Do(ctx, o, s)
		if err != nil {
			return err
		}
		for _, one := range result.Decided {
			each(one)
		}
		if !result.Remain {
			return nil
		}
	}
}

func checkHeld(decided []operate.DecidedHold) error {
	missing := 0
	for _, one := range decided {
		if one.Result == operate.NotHeld {
			missing++
		}
	}
	if missing > 0 {
		return fmt.Errorf("%d of %d are not held", missing, len(decided))
	}
	return nil
}
