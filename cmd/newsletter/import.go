package main

import (
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"newsletter/cmd/newsletter/internal/lists"
)

const importUsage = `import [flags] FILE   import subscribers from JSON or CSV (docs/import.md), without sending email`

// importCommand imports a list of subscribers.
func importCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("import", flag.ContinueOnError)
	var o lists.Options
	flags.BoolVar(&o.Confirmed, "confirmed", false, "treat every row as confirmed, overriding a pending status in the list or here")
	flags.BoolVar(&o.DryRun, "dry-run", false, "report what would be imported, and write nothing")
	flags.StringVar(&o.ConsentVersion, "consent-version", "", "consent text of rows that name none")
	report := flags.String("report", "", "write the outcome of each line to this CSV file, without addresses")
	strict := flags.Bool("strict", false, "exit with 1 if a line is refused or has an unreadable value")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errUsage("import takes one file\n" + importUsage)
	}
	file, err := os.Open(flags.Arg(0))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	db, err := openDatabase(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if o.Sources, err = readSources(db.env); err != nil {
		return err
	}
	var progress *progress
	each, closeReport, err := openReport(*report)
	if err != nil {
		return err
	}
	o.OnChecked = func(lines int, passedOver []string) {
		if len(passedOver) > 0 {
			fmt.Fprintf(os.Stderr, "ignored columns: %s\n", strings.Join(passedOver, ", "))
		}
		progress = newProgress(lines)
	}
	o.OnResult = func(r lists.Result) {
		progress.step()
		each(r)
	}
	totals, err := lists.New(db.DB, db.key, o, time.Now).Run(ctx, file)
	if progress != nil {
		progress.end()
		printTotals(totals, o.DryRun)
	}
	if err = errors.Join(err, closeReport()); err != nil {
		return err
	}
	return checkTotals(totals, *strict)
}

// openReport returns a function that writes a result to a file, and one that closes it. With an empty name they do
// nothing.
func openReport(name string) (each func(lists.Result), closeReport func() error, err error) {
	if name == "" {
		return func(lists.Result) {}, func() error { return nil }, nil
	}
	file, err := os.Create(name)
	if err != nil {
		return nil, nil, err
	}
	out := csv.NewWriter(file)
	_ = out.Write([]string{"line", "outcome", "reason", "unreadable"}) // an error comes again at the end
	return func(r lists.Result) {
			_ = out.Write([]string{strconv.Itoa(r.Line), string(r.Outcome), r.Reason, strings.Join(r.Unreadable, " ")})
		},
		func() error {
			out.Flush()
			return errors.Join(out.Error(), file.Close())
		}, nil
}

func printTotals(totals lists.Totals, dry bool) {
	if dry {
		fmt.Fprintln(stdout, "Dry run: nothing was written. An import would result in:")
	}
	for _, key := range slices.Sorted(maps.Keys(totals)) {
		fmt.Fprintf(stdout, "%8d %s\n", totals[key], key)
	}
}

// checkTotals returns an error if an import took no line, or, with strict, if it refused a line or left a value unread.
func checkTotals(totals lists.Totals, strict bool) error {
	var lost []string
	for _, key := range slices.Sorted(maps.Keys(totals)) {
		if key != string(lists.Imported) && key != string(lists.Unchanged) {
			lost = append(lost, fmt.Sprintf("%d %s", totals[key], key))
		}
	}
	switch {
	case totals[string(lists.Imported)]+totals[string(lists.Unchanged)] == 0:
		return fmt.Errorf("every line was refused (%s); docs/import.md explains the reasons, and --report FILE lists them by line", strings.Join(lost, ", "))
	case strict && len(lost) > 0:
		return fmt.Errorf("refused or unreadable: %s", strings.Join(lost, ", "))
	}
	return nil
}

// progress shows the progress of an import: a bar on a terminal, otherwise a line every five seconds.
type progress struct {
	lines, done int
	began       time.Time
	shown       time.Time
	terminal    bool
}

func newProgress(lines int) *progress {
	p := &progress{lines: lines, began: time.Now(), shown: time.Now()}
	if info, err := os.Stderr.Stat(); err == nil {
		p.terminal = info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

func (p *progress) step() {
	p.done++
	every := 5 * time.Second
	if p.terminal {
		every = 100 * time.Millisecond
	}
	if time.Since(p.shown) >= every {
		p.show()
	}
}

func (p *progress) show() {
	p.shown = time.Now()
	fraction := float64(p.done) / float64(p.lines) // an import has at least one line
	rate := float64(p.done) / max(0.001, time.Since(p.began).Seconds())
	if !p.terminal {
		fmt.Fprintf(os.Stderr, "%d of %d lines, %.0f a second\n", p.done, p.lines, rate)
		return
	}
	left := time.Duration(float64(time.Since(p.began)) * (1 - fraction) / max(0.001, fraction)).Round(time.Second)
	const width = 30
	done := int(fraction * width)
	fmt.Fprintf(os.Stderr, "\r%s%s %3.0f %%  %d of %d lines  %.0f/s  %s left ", strings.Repeat("█", done), strings.Repeat("░", width-done), fraction*100, p.done, p.lines, rate, left)
}

func (p *progress) end() {
	p.show()
	if p.terminal {
		fmt.Fprintln(os.Stderr)
	}
}
