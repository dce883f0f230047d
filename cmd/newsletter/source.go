package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"

	"newsletter/shared/config"
	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
)

const sourceUsage = `source list [--min N] [--json]   list sources that are not in signup.sources, as sent, with the number of subscribers`

// sourceCommand lists sources that may be worth declaring.
func sourceCommand(ctx context.Context, args []string) error {
	return subcommand(ctx, args, sourceUsage, map[string]subcommandFunc{"list": sourceList})
}

func sourceList(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("source list", flag.ContinueOnError)
	// A value of few subscribers may name one of them.
	minimum, asJSON := flags.Int("min", 5, "only values of at least this many subscribers"), flags.Bool("json", false, "print JSON")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *minimum < 1 {
		return errUsage("source list takes no arguments, and --min at least 1")
	}
	declared, err := readSources(db.env)
	if err != nil {
		return err
	}
	values, err := db.store.ListUndeclared(ctx, declared, *minimum, maxListed)
	if err != nil {
		return err
	}
	if *asJSON {
		return printJSON(stdout, append([]subscription.SentValue{}, values...))
	}
	table := tabwriter.NewWriter(stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "SUBSCRIBERS\tFIELD\tVALUE")
	for _, v := range values {
		fmt.Fprintf(table, "%d\t%s\t%s\n", v.Subscribers, v.Field, v.Value) // stored without control characters
	}
	return table.Flush()
}

// readSources returns the declared sources. The sites of the owner may be missing in the tool's environment.
func readSources(env *config.Env) (ledger.Declarations, error) {
	cfg := config.Read[ledger.SourceConfig](env)
	if err := env.Err(); err != nil {
		return ledger.Declarations{}, err
	}
	var sites []string
	for _, name := range []string{"SITE_URL", "SITE_PUBLIC_URL", "SITE_ALLOWED_ORIGINS"} {
		value, _ := env.Lookup(name)
		sites = append(sites, strings.Split(value, ",")...)
	}
	return cfg.Declare(sites...), nil
}
