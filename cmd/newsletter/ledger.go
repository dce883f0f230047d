package main

import (
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"time"

	"newsletter/shared/ledger"
)

const ledgerUsage = `ledger verify [--json] [HASH …]   verify the ledger against its seals, and that each HASH (from the log of maintain) is a seal;
                                 exit with 1 if an event was changed, removed or added, or is not sealed in time`

// ledgerCommand verifies the ledger.
func ledgerCommand(ctx context.Context, args []string) error {
	return subcommand(ctx, args, ledgerUsage, map[string]subcommandFunc{"verify": ledgerVerify})
}

func ledgerVerify(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("ledger verify", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON")
	if err := parse(flags, args); err != nil {
		return err
	}
	var known [][]byte
	for _, text := range flags.Args() {
		hash, err := hex.DecodeString(text)
		if err != nil || len(hash) != 32 {
			return errUsage(fmt.Sprintf("%q is not the hash of a seal, which has 64 hexadecimal digits", text))
		}
		known = append(known, hash)
	}
	report, err := ledger.NewSealer(db, time.Now).Verify(ctx, known...)
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

func printReport(r ledger.Report) {
	if r.Seals == 0 {
		fmt.Fprintln(stdout, "nothing is sealed yet: maintain seals events older than an hour, once a day")
	} else {
		fmt.Fprintf(stdout, "%d seals over %d events, until %s\nlast seal %s\n", r.Seals, r.Events, r.Until.Format(time.RFC3339), r.Head)
	}
	for _, f := range r.Findings {
		if f.From.IsZero() {
			fmt.Fprintln(stdout, "✗", f.What)
			continue
		}
		fmt.Fprintf(stdout, "✗ %s – %s: %s\n", f.From.Format(time.RFC3339), f.To.Format(time.RFC3339), f.What)
	}
}
