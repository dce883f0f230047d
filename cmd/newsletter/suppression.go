package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"newsletter/shared/operate"
	"newsletter/shared/subscription"
)

// suppressionCommand manages suppressed addresses.
func (o *operator) suppressionCommand() *cobra.Command {
	return group("suppression", "List, add and remove suppressed addresses",
		"A suppressed address gets no email. SES keeps a list of its own, which is not shown here.",
		o.suppressionList(),
		o.suppressionChange(operate.SuppressionAdd, "add", "Suppress an address permanently", ""),
		o.suppressionChange(operate.SuppressionRemove, "remove", "Remove the suppression of an address",
			"The address may then sign up again, and a restricted subscription continues. Exits with 1 if the address is not suppressed."),
	)
}

func (o *operator) suppressionList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List suppressions, without addresses", Long: "List suppressions, the newest first, without addresses.",
		Example: "newsletter suppression list --reason complaint", Args: takes(0, "no arguments"),
	}
	reason, asJSON := c.Flags().String("reason", "", "only those of this reason: complaint, bounce, objection, restriction, declined or operator"), jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		kept, err := operate.SuppressionList.Do(c.Context(), o, operate.SuppressionFilter{Reason: subscription.SuppressionReason(*reason)})
		if err != nil {
			return err
		}
		return printList(kept, *asJSON, "REASON\tSINCE\tUNTIL\tSUBSCRIBER", func(k subscription.SuppressionEntry) []any {
			until := "-"
			if k.Until != nil {
				until = k.Until.Format(time.DateOnly)
			}
			return []any{k.Reason, k.Since.Format(time.DateOnly), until, k.SubscriberID}
		})
	}
	return c
}

func (o *operator) suppressionChange(change operate.Command[operate.Person, operate.Outcome], name, summary, text string) *cobra.Command {
	return &cobra.Command{
		Use: name + " EMAIL", Short: summary, Long: joinTexts(summary, text), Args: takes(1, "one address"),
		RunE: func(c *cobra.Command, args []string) error {
			result, err := change.Do(c.Context(), o, operate.Person{Email: args[0]})
			if err != nil {
				return err
			}
			fmt.Fprintln(stdout, result.Outcome)
			return nil
		},
	}
}
