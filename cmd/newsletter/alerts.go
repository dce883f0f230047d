package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/alert"
)

const alertsUsage = `alerts list [--all] [--json]   list firing alerts, or also resolved ones; exit with 1 while one is firing or the
                               health function is not running`

// alertsCommand lists alerts.
func alertsCommand(ctx context.Context, args []string) error {
	return subcommand(ctx, args, alertsUsage, map[string]subcommandFunc{"list": alertsList})
}

func alertsList(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("alerts list", flag.ContinueOnError)
	all, asJSON := flags.Bool("all", false, "include resolved alerts"), flags.Bool("json", false, "print JSON")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return errUsage("alerts list takes no arguments")
	}
	alerts, err := alert.NewStore(db, alert.Config{}, time.Now).List(ctx, !*all, maxListed)
	if err != nil {
		return err
	}
	if *asJSON {
		err = printJSON(stdout, append([]alert.Alert{}, alerts...))
	} else {
		err = printAlerts(alerts, terminal.PainterFor(os.Stdout))
	}
	firing := 0
	for _, a := range alerts {
		if a.ResolvedAt == nil {
			firing++
		}
	}
	if err == nil && firing > 0 {
		err = fmt.Errorf("%d firing", firing)
	}
	return cmp.Or(err, checkComplete(len(alerts)), checkHealthRuns(ctx, db))
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
