package main

import (
	"cmp"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"newsletter/shared/operate"
)

// destinationCommand pauses and resumes destinations.
func (o *operator) destinationCommand() *cobra.Command {
	return group("destination", "Pause and resume email, or another destination",
		"A destination is email, or what is notified of changes: loops, ga4, slack, discord, a webhook, journal or sns. What it does not get while paused, it gets when resumed.",
		o.destinationList(), o.destinationPause(), o.destinationResume())
}

func (o *operator) destinationList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List what is paused, and what the sending circuit breaker stops",
		Long: "List paused destinations, and the email that the sending circuit breaker stops, with the time at which it begins to leave.",
		Args: takes(0, "no arguments"),
	}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		stops, err := operate.DestinationList.Do(c.Context(), o, operate.All{})
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(stdout, stops)
		}
		return printStops(stops)
	}
	return c
}

func printStops(stops operate.Stops) error {
	table := tabwriter.NewWriter(stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "DESTINATION\tREASON\tSINCE")
	for _, p := range stops.Paused {
		fmt.Fprintf(table, "%s\t%s\t%s\n", p.Destination, p.Reason, p.At.Local().Format(time.DateTime))
	}
	if err := table.Flush(); err != nil || len(stops.Stopped) == 0 {
		return err
	}
	fmt.Fprint(stdout, "\nThe sending circuit breaker stops email to unproven mailboxes. At the time shown, 20 an hour begin to leave;\nall leave when these cause no further bounces or complaints.\n\n")
	fmt.Fprintln(table, "STOPPED\tREASON\tSINCE\tUNTIL\tOPENED")
	for _, b := range stops.Stopped {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\n", cmp.Or(b.Network, b.String()), b.Reason, b.OpenedAt.Local().Format(time.DateTime), b.HalfOpenAt.Local().Format(time.DateTime), b.Openings)
	}
	return table.Flush()
}

func (o *operator) destinationPause() *cobra.Command {
	c := &cobra.Command{
		Use: "pause DESTINATION", Short: `Pause "email" or another destination`,
		Long:    "Pause a destination. Emails that wait longer than 72 hours are dropped.",
		Example: "newsletter destination pause --reason incident email", Args: takes(1, "one destination, such as email"),
	}
	reason := c.Flags().String("reason", "operator", "reason, in one word")
	c.RunE = func(c *cobra.Command, args []string) error {
		paused, err := operate.DestinationPause.Do(c.Context(), o, operate.DestinationToPause{Destination: args[0], Reason: *reason})
		if err != nil {
			return err
		}
		if paused.Before {
			fmt.Fprintf(stdout, "%s is already paused (%s), since %s; nothing changed\n", paused.Destination, paused.Reason, paused.At.Local().Format(time.DateTime))
			return nil
		}
		fmt.Fprintf(stdout, "paused %s (%s)\n", paused.Destination, paused.Reason)
		return nil
	}
	return c
}

func (o *operator) destinationResume() *cobra.Command {
	return &cobra.Command{
		Use: "resume DESTINATION", Short: "Resume a destination",
		Long: "Resume a destination; for email also what the sending circuit breaker stops. Exits with 1 if nothing was paused or stopped.",
		Args: takes(1, "one destination, such as email"),
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := operate.DestinationResume.Do(c.Context(), o, operate.DestinationName{Destination: args[0]}); err != nil {
				return err
			}
			fmt.Fprintf(stdout, "resumed %s\n", args[0])
			return nil
		},
	}
}
