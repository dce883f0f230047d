package main

import (
	"github.com/spf13/cobra"

	"newsletter/shared/operate"
	"newsletter/shared/subscription"
)

// sourceCommand lists sources that may be worth declaring.
func (o *operator) sourceCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List sources that signup.sources does not declare",
		Long: "List campaigns, hosts and pages that signup.sources does not declare, as sent, with the number of subscribers. The ledger keeps them as \"other\".",
		Args: takes(0, "no arguments"),
	}
	minimum, asJSON := list.Flags().Int("min", 5, "only values of at least this many subscribers"), jsonFlag(list)
	list.RunE = func(c *cobra.Command, _ []string) error {
		values, err := operate.SourceList.Do(c.Context(), o, operate.SourceFilter{Minimum: *minimum})
		if err != nil {
			return err
		}
		return printList(values, *asJSON, "SUBSCRIBERS\tFIELD\tVALUE", func(v subscription.SentValue) []any {
			return []any{v.Subscribers, v.Field, v.Value} // stored without control characters
		})
	}
	return group("source", "List where subscribers came from", "", list)
}
