package faults

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

// command does what the arguments ask for and gives the exit status.
func command(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := options{root: ".", out: os.Stdout}
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.IntVar(&o.ops, "ops", 10_000, "operations")
	flags.Uint64Var(&o.seed, "seed", rand.Uint64N(1_000_000), "what is done, and broken")
	flags.DurationVar(&o.time, "time", 4*time.Minute, "the operations are spread over half of it; fewer of them within it than asked for is a failure")
	flags.IntVar(&o.workers, "workers", 16, "streams of operations side by side")
	verbose := flags.Bool("v", false, "show what the functions log")
	flags.StringVar(&o.dump, "dump", "", "a file to write the whole history to, as JSON")
	list := flags.Bool("list", false, "name the promises and end")
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

// shown is how many broken promises of a kind are printed.
const shown = 10

// verdict prints how a history stands, and gives the number of broken promises.
func verdict(w io.Writer, h *History) int {
	broken := 0
	for _, p := range promises() {
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

// dump writes a history to a file, for a closer look.
func dump(file string, h *History) error {
	content, err := json.MarshalIndent(h, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}

// report makes a history, checks it, and gives the exit status. Its last line has the figures.
func report(ctx context.Context, o options) int {
	began := time.Now()
	h, err := history(ctx, o)
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
	fmt.Fprintf(o.out, "faults: seed %d, %d of %d operations, %d faults, %d events, %d mails, %d broken promises, %.0f s, status %d\n",
		o.seed, len(h.Calls), o.ops, len(h.Faults), len(h.Events), len(h.Mails), broken, time.Since(began).Seconds(), status)
	return status
}
