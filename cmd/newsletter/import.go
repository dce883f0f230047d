package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"newsletter/cmd/newsletter/internal/lists"
	"newsletter/shared/operate"
	"newsletter/shared/subscription"
)

// importFlags are the flags of import.
type importFlags struct {
	as              string
	maps, ignored   []string
	textVersion     string
	confirmed       bool
	reconfirm       bool
	dryRun          bool
	report          string
	strict, summary bool
}

func (o *operator) importCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "import FILE", Short: "Import a list of subscribers from another tool",
		Long: joinTexts("Import a list of subscribers from another tool",
			"The file is CSV or JSON, as Mailchimp, Ghost, Substack, Kit, Buttondown, beehiiv, Loops, listmonk, MailerLite, Brevo and others export it "+
				"(docs/import.md). Who left there comes in as unsubscribed, and who bounced or complained as suppressed. A column that may mean "+
				"that people left, and is not understood, stops the import before anything is written. An interrupted import can be repeated."),
		Example: "newsletter import --dry-run subscribed_members_export.csv\nnewsletter import --ignore Kunde --map Abgemeldet=left list.csv",
		Args:    takes(1, "one file"),
	}
	var f importFlags
	flags := c.Flags()
	flags.StringVar(&f.as, "as", "", "who is on the list, unless a column states a graver state: in, waiting, other, left, bounced, suppressed or complained")
	flags.StringArrayVar(&f.maps, "map", nil, "what a column means, as COLUMN=MEANING, such as Kunde=left or Firma=field.company; repeatable")
	flags.StringArrayVar(&f.ignored, "ignore", nil, "a column that says nothing about email; repeatable")
	flags.StringVar(&f.textVersion, "consent-version", "", "consent text of subscribers whose line names none")
	flags.BoolVar(&f.confirmed, "confirmed", false, "treat who waits for a confirmation, in the list or here, as confirmed")
	flags.BoolVar(&f.reconfirm, "reconfirm", false, "ask who waits for a confirmation in the list once more, by ten emails a minute")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print what each column was taken for, and what would change; write nothing")
	flags.StringVar(&f.report, "report", "", "write the result of each line to this CSV file, without addresses")
	flags.BoolVar(&f.strict, "strict", false, "exit with 1 if a line is refused or has an unreadable value")
	flags.BoolVar(&f.summary, "json", false, "print JSON")
	c.RunE = func(c *cobra.Command, args []string) error { return o.importFile(c.Context(), args[0], f) }
	return c
}

// listOptions returns how the file is read.
func (f importFlags) listOptions(name string) (lists.Options, error) {
	l := lists.Options{
		Name: name, As: subscription.ListState(f.as), Map: map[string]lists.Meaning{}, Ignore: f.ignored, TextVersion: f.textVersion, Now: time.Now(),
	}
	if f.as != "" && !slices.Contains(subscription.ListStates(), l.As) {
		return l, errUsage(fmt.Sprintf("--as: unknown state %q; known: in, waiting, other, left, bounced, suppressed, complained", f.as))
	}
	for _, pair := range f.maps {
		i := strings.LastIndexByte(pair, '=')
		if i < 1 {
			return l, errUsage("--map takes column=meaning")
		}
		meaning, err := lists.ParseMeaning(pair[i+1:])
		if err != nil {
			return l, errUsage("--map: " + err.Error())
		}
		l.Map[pair[:i]] = meaning
	}
	return l, nil
}

func (o *operator) importFile(ctx context.Context, name string, f importFlags) error {
	options, err := f.listOptions(name)
	if err != nil {
		return err
	}
	part := operate.ListPart{TextVersion: f.textVersion, Confirmed: f.confirmed, Reconfirm: f.reconfirm, DryRun: f.dryRun}
	checked, err := operate.Import.Do(ctx, o, part) // what is wrong shows before the file is read
	if err != nil {
		return err
	}
	options.Fields = checked.Fields
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	list, err := lists.Open(file, options)
	if err != nil {
		return err
	}
	defer list.Close()
	if !f.summary {
		printColumns(list, f.dryRun)
	}
	report, closeReport, err := openReport(f.report)
	if err != nil {
		return err
	}
	run := &importRun{o: o, part: part, totals: map[string]int{}, report: report, progress: newProgress(list.Lines)}
	err = errors.Join(run.all(ctx, list), closeReport())
	run.progress.end()
	if f.summary {
		err = cmp.Or(err, printJSON(stdout, importSummary{list.Layout, list.Encoding, list.Columns, f.dryRun, run.totals}))
	} else {
		printTotals(run.totals, f.dryRun)
	}
	return cmp.Or(err, checkTotals(run.totals, f.strict))
}

// importSummary is the result of an import as JSON.
type importSummary struct {
	Layout   string         `json:"layout"` // empty if unknown
	Encoding string         `json:"encoding"`
	Columns  []lists.Column `json:"columns"`
	DryRun   bool           `json:"dry_run"`
	Lines    map[string]int `json:"lines"` // by result
}

// importRun is an import in progress.
type importRun struct {
	o        *operator
	part     operate.ListPart
	notes    []lists.Note // of the entries of the part
	totals   map[string]int
	report   func(line int, result string, unreadable []string)
	progress *progress
}

func (r *importRun) all(ctx context.Context, list *lists.List) error {
	err := list.Entries(func(e subscription.ListEntry, note lists.Note) error {
		if note.Duplicate {
			r.add(e.Line, duplicate, nil)
			return nil
		}
		r.part.Entries, r.notes = append(r.part.Entries, e), append(r.notes, note)
		if len(r.part.Entries) < operate.MaxEntries {
			return nil
		}
		return r.send(ctx)
	})
	if err != nil || len(r.part.Entries) == 0 {
		return err
	}
	return r.send(ctx)
}

func (r *importRun) send(ctx context.Context) error {
	done, err := operate.Import.Do(ctx, r.o, r.part)
	if err != nil {
		return fmt.Errorf("lines before %d are imported; import the same file again to go on: %w", r.part.Entries[0].Line, err)
	}
	for i, result := range done.Results {
		switch {
		case result.Became != "":
			r.add(result.Line, imported+string(result.Became), r.notes[i].Unreadable)
		case result.Reason != "":
			r.add(result.Line, refused+result.Reason, nil)
		default:
			r.add(result.Line, unchanged, nil)
		}
	}
	r.part.Entries, r.notes = r.part.Entries[:0], r.notes[:0]
	return nil
}

// The results of lines. The first is followed by the new state, and the second by the reason.
const (
	imported  = "imported: "
	refused   = "refused: "
	unchanged = "unchanged"
	duplicate = "duplicate"
)

func (r *importRun) add(line int, result string, unreadable []string) {
	r.totals[result]++
	for _, what := range unreadable {
		r.totals[what+" unreadable"]++
	}
	r.report(line, result, unreadable)
	r.progress.step()
}

// openReport returns a function that writes a result to a file, and one that closes it. With an empty name they do
// nothing.
func openReport(name string) (each func(int, string, []string), closeReport func() error, err error) {
	if name == "" {
		return func(int, string, []string) {}, func() error { return nil }, nil
	}
	file, err := os.Create(name)
	if err != nil {
		return nil, nil, err
	}
	out := csv.NewWriter(file)
	_ = out.Write([]string{"line", "result", "unreadable"}) // an error comes again at the end
	return func(line int, result string, unreadable []string) {
			_ = out.Write([]string{strconv.Itoa(line), result, strings.Join(unreadable, " ")})
		},
		func() error {
			out.Flush()
			return errors.Join(out.Error(), file.Close())
		}, nil
}

// printColumns prints what the list was taken for: before an import, that and what was ignored, for a dry run all.
func printColumns(list *lists.List, all bool) {
	var out io.Writer = os.Stderr
	if all {
		out = stdout
	}
	fmt.Fprintf(out, "layout: %s (%s)\n", cmp.Or(list.Layout, "unknown"), list.Encoding)
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	var ignored []string
	for _, c := range list.Columns {
		if c.Meaning == lists.Ignored {
			ignored = append(ignored, c.Name)
		} else if all {
			fmt.Fprintf(table, "  %s\t%s\tby the %s\n", c.Name, c.Meaning, c.Source)
		}
	}
	_ = table.Flush()
	if len(ignored) > 0 {
		fmt.Fprintf(out, "ignored columns: %s\n", strings.Join(ignored, ", "))
	}
}

func printTotals(totals map[string]int, dry bool) {
	if dry {
		fmt.Fprintln(stdout, "Dry run: nothing was written. An import would result in:")
	}
	for _, key := range slices.Sorted(maps.Keys(totals)) {
		fmt.Fprintf(stdout, "%8d %s\n", totals[key], key)
	}
}

// checkTotals returns an error if an import took no line, or, with strict, if it refused a line or left a value unread.
func checkTotals(totals map[string]int, strict bool) error {
	var lost []string
	taken := 0
	for _, key := range slices.Sorted(maps.Keys(totals)) {
		switch {
		case strings.HasPrefix(key, imported) || key == unchanged:
			taken += totals[key]
		case key != duplicate:
			lost = append(lost, fmt.Sprintf("%d %s", totals[key], key))
		}
	}
	switch {
	case taken == 0:
		return fmt.Errorf("every line was refused (%s); docs/import.md explains the reasons, and --report FILE lists them by line", strings.Join(lost, ", "))
	case strict && len(lost) > 0:
		return fmt.Errorf("refused or unreadable: %s", strings.Join(lost, ", "))
	}
	return nil
}
