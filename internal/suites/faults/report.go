package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// command runs the arguments' command and returns the exit status.
func command(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := options{root: ".", out: os.Stdout}
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.IntVar(&o.ops, "ops", 10_000, "operations")
	flags.Uint64Var(&o.seed, "seed", rand.Uint64N(1_000_000), "what is done, and broken")
	flags.DurationVar(&o.time, "time", 4*time.Minute, "spread the operations over half of this time; fail if fewer complete within it")
	flags.IntVar(&o.workers, "workers", 16, "number of concurrent streams of operations")
	verbose := flags.Bool("v", false, "print the functions' logs")
	flags.StringVar(&o.dump, "dump", "", "write the whole history to a file as JSON")
	list := flags.Bool("list", false, "name the invariants and end")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return 2
	}
	if *list {
		listPromises(os.Stdout)
		return 0
	}
	if *verbose {
		o.log = io.Writer(os.Stderr)
	}
	fmt.Printf("seed %d\n", o.seed)
	return report(ctx, o)
}

// shown is the number of violations to print per invariant.
const shown = 10

// verdict prints the result of each check and returns the number of violations.
func verdict(w io.Writer, h *history) int {
	broken := 0
	for _, p := range invariants() {
		found := p.check(h)
		broken += len(found)
		if len(found) == 0 {
			fmt.Fprintf(w, "kept    %-12s %s\n", p.name, p.means)
			continue
		}
		fmt.Fprintf(w, "BROKEN  %-12s %s: %d times\n", p.name, p.means, len(found))
		for _, line := range found[:min(shown, len(found))] {
			fmt.Fprintf(w, "        %s\n", line)
		}
	}
	return broken
}

// dump writes a history to a file for analysis.
func dump(file string, h *history) error {
	content, err := json.MarshalIndent(h, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}

// report runs and checks a history and returns the exit status. Its last line summarizes the run.
func report(ctx context.Context, o options) int {
	began := time.Now()
	h, err := runHistory(ctx, o)
	if err != nil {
		fmt.Fprintln(o.out, "faults:", err)
		return 1
	}
	if o.dump != "" {
		if err := dump(o.dump, &h); err != nil {
			fmt.Fprintln(o.out, "faults:", err)
			return 1
		}
	}
	broken, status := verdict(o.out, &h), 0
	if broken > 0 || len(h.Calls) < o.ops {
		status = 1
	}
	fmt.Fprintf(o.out, "faults: seed %d, %d of %d operations, %d faults, %d events, %d emails, %d violations, %.0f s, status %d\n",
		o.seed, len(h.Calls), o.ops, len(h.Faults), len(h.Events), len(h.Emails), broken, time.Since(began).Seconds(), status)
	return status
}
