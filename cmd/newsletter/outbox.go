package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"newsletter/shared/operate"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

// outboxCommand manages messages that could not be delivered.
func (o *operator) outboxCommand() *cobra.Command {
	return group("outbox", "List, retry and drop undelivered messages",
		"A message is dead-lettered after its last attempt. Messages are shown without addresses.",
		o.outboxList(), o.outboxSlots(),
		o.changeMessages(operate.OutboxRetry, "retry", "retried", "Requeue dead letters, with all their attempts"),
		o.changeMessages(operate.OutboxDrop, "drop", "dropped", "Drop dead letters, or ready messages by id, permanently"),
	)
}

func (o *operator) outboxList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List messages, by default dead letters", Long: "List messages, the oldest first, by default dead letters.",
		Example: "newsletter outbox list --state ready --kind email.confirm", Args: takes(0, "no arguments"),
	}
	state := c.Flags().String("state", "dead", "messages in this state: dead, ready, held or done")
	kind, asJSON := c.Flags().String("kind", "", "only this kind, such as email.confirm or notify.loops"), jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		messages, err := operate.OutboxList.Do(c.Context(), o, operate.MessageFilter{State: *state, Kind: outbox.Kind(*kind)})
		if err != nil {
			return err
		}
		return printList(messages, *asJSON, "ID\tKIND\tATTEMPTS\tOUTCOME\tCREATED\tDUE", func(m outbox.MessageView) []any {
			return []any{m.ID, m.Kind, m.Attempts, m.Outcome, m.CreatedAt.Local().Format(time.DateTime), m.DueAt.Local().Format(time.DateTime)}
		})
	}
	return c
}

func (o *operator) outboxSlots() *cobra.Command {
	c := &cobra.Command{
		Use: "slots", Short: "List domains where emails of sign-ups wait for a slot",
		Long: "List domains where emails of sign-ups wait for a slot, with the number of these emails. To let them leave, exempt the domain (limits.exempt_domains).",
		Args: takes(0, "no arguments"),
	}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		waits, err := operate.OutboxSlots.Do(c.Context(), o, operate.All{})
		if err != nil {
			return err
		}
		return printList(waits, *asJSON, "DOMAIN\tEMAILS\tLAST DUE", func(w subscription.SlotWait) []any {
			return []any{w.Domain, w.Emails, w.Last.Local().Format(time.DateTime)}
		})
	}
	return c
}

func (o *operator) changeMessages(command operate.Command[operate.MessageSelection, operate.ChangedMessages], name, done, summary string) *cobra.Command {
	c := &cobra.Command{
		Use: name + " {ID … | --all}", Short: summary,
		Long:    joinTexts(summary, "Exits with 1 if a message was not found or is in another state, and if --all left some."),
		Example: "newsletter outbox " + name + " --all --kind notify.slack",
	}
	all, kind := c.Flags().Bool("all", false, "all dead letters"), c.Flags().String("kind", "", "with --all: only this kind")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *all == (len(args) > 0) || *kind != "" && !*all {
			return errUsage(title(c) + " takes ids, or --all with an optional --kind")
		}
		result, err := command.Do(c.Context(), o, operate.MessageSelection{IDs: args, All: *all, Kind: outbox.Kind(*kind)})
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%d of %d %s\n", result.Changed, result.Selected, done)
		if *all {
			return incomplete(result.More, int(result.Selected))
		}
		if missing := result.Selected - result.Changed; missing > 0 {
			return fmt.Errorf("%d were not found, or are in a state that this command does not change", missing)
		}
		return nil
	}
	return c
}
