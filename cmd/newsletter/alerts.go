package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/alert"
	"newsletter/shared/operate"
)

// alertsCommand lists alerts.
func (o *operator) alertsCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List firing alerts",
		Long: "List firing alerts. Exits with 1 while one is firing, or while the health function, which finds them, is not running.",
		Args: takes(0, "no arguments"),
	}
	all, asJSON := list.Flags().Bool("all", false, "include resolved alerts"), jsonFlag(list)
	list.RunE = func(c *cobra.Command, _ []string) error {
		alerts, err := operate.AlertList.Do(c.Context(), o, operate.AlertFilter{Resolved: *all})
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(stdout, alerts.Rows)
		} else {
			err = printAlerts(alerts.Rows, terminal.PainterFor(os.Stdout))
		}
		firing := 0
		for _, a := range alerts.Rows {
			if a.ResolvedAt == nil {
				firing++
			}
		}
		if err == nil && firing > 0 {
			err = fmt.Errorf("%d firing", firing)
		}
		return cmp.Or(err, incomplete(alerts.More, len(alerts.Rows)), checkHealthRuns(alerts.Health))
	}
	return group("alerts", "List alerts", "The owner is notified of each alert; docs/alerts.md lists them.", list)
}

func printAlerts(alerts []alert.Alert, paint terminal.Painter) error {
	if len(alerts) == 0 {
		_, err := fmt.Fprintln(stdout, "No alerts.")
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "RULE\tSUBJECT\tSEVERITY\tSINCE\tRESOLVED\tSUMMARY")
	for _, a := range alerts {
		until, color := "firing", terminal.SeverityColor(a.Severity)
		if a.ResolvedAt != nil {
			until, color = a.ResolvedAt.Local().Format(time.DateTime), terminal.Faint
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", a.Rule, a.Subject, a.Severity, a.FiringSince.Local().Format(time.DateTime), until, paint.Paint(color, a.Summary))
	}
	return table.Flush()
}

// checkHealthRuns returns an error if the health function is not running, because the figures are then outdated.
func checkHealthRuns(h operate.HealthRun) error {
	switch {
	case h.At.IsZero():
		return errors.New("the health function has never run; check its schedule")
	case h.Silent:
		return fmt.Errorf("the health function has not run since %s; the figures are outdated", h.At.Local().Format(time.DateTime))
	}
	return nil
}
