package main

import (
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"newsletter/internal/lists"
)

const importUsage = `import [flags] FILE   bring in a list (JSON or CSV; docs/import.md) without mailing anybody`

// importCommand brings a list of subscribers in.
func importCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("import", flag.ContinueOnError)
	var o lists.Options
	flags.BoolVar(&o.Confirmed, "confirmed", false, "everybody on the list has confirmed, whatever their status there or here says")
	flags.BoolVar(&o.DryRun, "dry-run", false, "say what would be done, and do nothing")
	flags.StringVar(&o.Version, "consent-version", "", "the consent text that all agreed to whose line names none")
	report := flags.String("report", "", "write what came of each line into this CSV file; it names nobody")
	strict := flags.Bool("strict", false, "exit with status 1 if a line was refused")
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
	progress := newProgress(file)
	each, closeReport, err := reportTo(*report)
	if err != nil {
		return err
	}
	o.Each = func(r lists.Result) {
		progress.step()
		each(r)
	}
	totals, err := lists.New(db.DB, db.key, o, time.Now).Run(ctx, progress.reader())
	progress.end()
	refused := printTotals(totals, o.DryRun)
	err = errors.Join(err, closeReport())
	if err == nil && *strict && refused > 0 {
		err = fmt.Errorf("%d lines were refused", refused)
	}
	return err
}

// reportTo writes results into a file; into nothing if its name is empty.
func reportTo(name string) (each func(lists.Result), closeReport func() error, err error) {
	if name == "" {
		return func(lists.Result) {}, func() error { return nil }, nil
	}
	file, err := os.Create(name)
	if err != nil {
		return nil, nil, err
	}
	out := csv.NewWriter(file)
	_ = out.Write([]string{"line", "outcome", "reason"}) // an error comes again at the end
	return func(r lists.Result) { _ = out.Write([]string{strconv.Itoa(r.Line), string(r.Outcome), r.Reason}) },
		func() error {
			out.Flush()
			return errors.Join(out.Error(), file.Close())
		}, nil
}

func printTotals(totals lists.Totals, dry bool) (refused int) {
	if dry {
		fmt.Println("Nothing was done. This would come of it:")
	}
	for _, key := range slices.Sorted(maps.Keys(totals)) {
		fmt.Printf("%8d %s\n", totals[key], key)
		if strings.HasPrefix(key, string(lists.Refused)) {
			refused += totals[key]
		}
	}
	return refused
}

// progress shows how far a file is: a bar on a terminal, else a line now and then.
type progress struct {
	file     *os.File
	size     int64
	read     int64
	lines    int
	began    time.Time
	shown    time.Time
	terminal bool
}

func newProgress(file *os.File) *progress {
	p := &progress{file: file, began: time.Now(), shown: time.Now()}
	if info, err := file.Stat(); err == nil {
		p.size = info.Size()
	}
	if info, err := os.Stderr.Stat(); err == nil {
		p.terminal = info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

func (p *progress) reader() io.Reader { return p }

// Read implements io.Reader and counts.
func (p *progress) Read(b []byte) (int, error) {
	n, err := p.file.Read(b)
	p.read += int64(n)
	return n, err
}

func (p *progress) step() {
	p.lines++
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
	part := 1.0
	if p.size > 0 {
		part = min(1, float64(p.read)/float64(p.size))
	}
	rate := float64(p.lines) / max(0.001, time.Since(p.began).Seconds())
	left := time.Duration(float64(time.Since(p.began)) * (1 - part) / max(0.001, part)).Round(time.Second)
	if !p.terminal {
		fmt.Fprintf(os.Stderr, "%d lines, %.0f %%, %.0f a second\n", p.lines, part*100, rate)
		return
	}
	const width = 30
	done := int(part * width)
	fmt.Fprintf(os.Stderr, "\r%s%s %3.0f %%  %d lines  %.0f/s  %s left ", strings.Repeat("█", done), strings.Repeat("░", width-done), part*100, p.lines, rate, left)
}

func (p *progress) end() {
	p.show()
	if p.terminal {
		fmt.Fprintln(os.Stderr)
	}
}
