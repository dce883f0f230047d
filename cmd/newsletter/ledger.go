package main

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"time"

	"newsletter/shared/anchor"
	"newsletter/shared/config"
	"newsletter/shared/ledger"
)

const ledgerUsage = `ledger verify [--json] [HASH …]   verify the ledger against its seals and their anchors (ANCHOR_URL), and that each HASH is a seal;
                                 exit with 1 if an event was changed, removed or added, or is not sealed or anchored in time
ledger head                      print the hash and the end of the last seal, to keep elsewhere`

// ledgerCommand verifies the ledger.
func ledgerCommand(ctx context.Context, args []string) error {
	return subcommand(ctx, args, ledgerUsage, map[string]subcommandFunc{"verify": ledgerVerify, "head": ledgerHead})
}

func ledgerHead(ctx context.Context, db *operatorDB, args []string) error {
	if len(args) > 0 {
		return errUsage("ledger head takes no arguments")
	}
	head, err := ledger.NewSealer(db, time.Now).Head(ctx)
	switch {
	case err != nil:
		return err
	case head.Hash == nil:
		return errors.New("nothing is sealed yet: maintain seals the ledger every hour")
	}
	fmt.Fprintf(stdout, "%x  %s\n", head.Hash, head.To.Format(time.RFC3339))
	return nil
}

func ledgerVerify(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("ledger verify", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON")
	if err := parse(flags, args); err != nil {
		return err
	}
	var outside ledger.Outside
	for _, text := range flags.Args() {
		hash, err := hex.DecodeString(text)
		if err != nil || len(hash) != 32 {
			return errUsage(fmt.Sprintf("%q is not the hash of a seal, which has 64 hexadecimal digits", text))
		}
		outside.Known = append(outside.Known, hash)
	}
	cfg := config.Read[anchor.Config](db.env)
	if err := db.env.Err(); err != nil {
		return err
	}
	anchors, err := anchor.New(cfg)
	if err != nil {
		return err
	}
	if outside.Anchors, err = anchors.List(ctx); err != nil {
		return err
	}
	report, err := ledger.NewSealer(db, time.Now).Verify(ctx, outside)
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
