package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"newsletter/shared/ledger"
	"newsletter/shared/operate"
)

// ledgerCommand verifies the ledger.
func (o *operator) ledgerCommand() *cobra.Command {
	return group("ledger", "Verify the ledger against its seals",
		"Every hour, the ledger is sealed and the seal's hash is stored outside the database, as an anchor.", o.ledgerVerify(), o.ledgerHead())
}

func (o *operator) ledgerHead() *cobra.Command {
	return &cobra.Command{
		Use: "head", Short: "Print the hash and the end of the last seal, to keep elsewhere",
		Long: "Print the hash and the end of the last seal, to keep elsewhere. `newsletter ledger verify HASH` looks for it later.",
		Args: takes(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			head, err := operate.LedgerHead.Do(c.Context(), o, operate.All{})
			if err != nil {
				return err
			}
			fmt.Fprintf(stdout, "%s  %s\n", head.Hash, head.To.Format(time.RFC3339))
			return nil
		},
	}
}

func (o *operator) ledgerVerify() *cobra.Command {
	c := &cobra.Command{
		Use: "verify [HASH …]", Short: "Verify the ledger against its seals and their anchors",
		Long: "Verify the ledger against its seals and their anchors, and that each HASH is a seal. Exits with 1 if an event was changed, removed or added, or is not sealed or anchored in time.",
	}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, hashes []string) error {
		report, err := operate.LedgerVerify.Do(c.Context(), o, operate.KnownSeals{Hashes: hashes})
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(stdout, report)
		} else {
			printReport(report)
		}
		if err == nil && len(report.Findings) > 0 {
			err = fmt.Errorf("%d findings", len(report.Findings))
		}
		return err
	}
	return c
}

func printReport(r ledger.Report) {
	if r.Seals == 0 {
		fmt.Fprintln(stdout, "nothing is sealed yet: maintain seals the ledger every hour")
	} else {
		fmt.Fprintf(stdout, "%d seals over %d events, until %s; %d anchored\nlast seal %s\n", r.Seals, r.Events, r.Until.Format(time.RFC3339), r.Anchors, r.Head)
	}
	for _, f := range r.Findings {
		if f.From.IsZero() {
			fmt.Fprintln(stdout, "✗", f.What)
			continue
		}
		fmt.Fprintf(stdout, "✗ %s – %s: %s\n", f.From.Format(time.RFC3339), f.To.Format(time.RFC3339), f.What)
	}
}
