package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"newsletter/cmd/newsletter/internal/lists"
	"newsletter/shared/operate"
	"newsletter/shared/subscription"
)

// exportFlags are the flags of export.
type exportFlags struct {
	states        []string
	since, before string
	links         bool
	fields        []string
	file          string
}

// exportCommand exports subscribers to CSV.
func (o *operator) exportCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "export", Short: "Export subscribers to CSV",
		Long: joinTexts("Export subscribers to CSV",
			"By default it exports active subscribers, who may be sent a newsletter. What was exported can be imported again. Subscribers who restrict the use of their data are left out. "+
				"With --with-links, each line has the subscriber's unsubscribe link: put it into the text of your emails and, with List-Unsubscribe-Post, into the header List-Unsubscribe (RFC 8058). "+
				"An interrupted export has left out subscribers: run it again."),
		Example: "newsletter export --with-links -o subscribers.csv\nnewsletter export --status active,pending --since 2026-01-01", Args: takes(0, "no arguments"),
	}
	var f exportFlags
	c.Flags().StringSliceVar(&f.states, "status", []string{string(subscription.Active)}, "states, separated by commas: active, pending, unsubscribed, suppressed; or all")
	c.Flags().StringVar(&f.since, "since", "", "only subscribers who last consented on or after this date, as YYYY-MM-DD")
	c.Flags().StringVar(&f.before, "before", "", "only subscribers who last consented before this date, as YYYY-MM-DD")
	c.Flags().BoolVar(&f.links, "with-links", false, "add each subscriber's unsubscribe link")
	c.Flags().StringArrayVar(&f.fields, "field", nil, "only subscribers with this value of a declared field, as NAME=VALUE; repeatable")
	c.Flags().StringVarP(&f.file, "output", "o", "-", "output file; - for the standard output")
	c.RunE = func(c *cobra.Command, _ []string) error {
		selection, err := f.selection()
		if err != nil {
			return err
		}
		return o.export(c.Context(), selection, f.file)
	}
	return c
}

// selection returns what the flags select.
func (f exportFlags) selection() (s operate.ExportSelection, err error) {
	s.Links = f.links
	for _, state := range f.states {
		if state == "all" {
			s.States = operate.ExportedStates()
			break
		}
		s.States = append(s.States, subscription.State(state))
	}
	if s.Fields, err = parseFields("--field", f.fields); err != nil {
		return s, err
	}
	if s.Since, err = parseDay("--since", f.since); err != nil {
		return s, err
	}
	s.Before, err = parseDay("--before", f.before)
	return s, err
}

// parseFields parses the values of a flag that takes name=value.
func parseFields(flag string, pairs []string) (map[string]string, error) {
	fields := map[string]string{}
	for _, pair := range pairs {
		name, value, found := strings.Cut(pair, "=")
		if _, twice := fields[name]; !found || name == "" || twice {
			return nil, errUsage(flag + " takes NAME=VALUE, once for each field")
		}
		fields[name] = value
	}
	return fields, nil
}

// parseDay parses the date of a flag; an empty one is the zero Time.
func parseDay(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return day, errUsage(flag + " must be a date, as YYYY-MM-DD")
	}
	return day, nil
}

func (o *operator) export(ctx context.Context, s operate.ExportSelection, name string) error {
	first, err := operate.Export.Do(ctx, o, s) // a file is not replaced if the export cannot begin
	if err != nil {
		return err
	}
	file := stdout.File
	if name != "-" {
		if file, err = os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600); err != nil {
			return err
		}
	}
	out := bufio.NewWriter(file)
	n, err := o.writePages(ctx, s, first, out)
	if err = errors.Join(err, out.Flush(), file.Close()); err != nil {
		return fmt.Errorf("the export is incomplete, after %d subscribers: %w", n, err)
	}
	fmt.Fprintf(os.Stderr, "%d subscribers\n", n)
	return nil
}

// writePages writes the first page and all that follow, and returns the number of subscribers.
func (o *operator) writePages(ctx context.Context, s operate.ExportSelection, page operate.ExportedPage, w io.Writer) (n int, err error) {
	exporter, err := lists.NewExporter(w, s.Links, page.Fields)
	for err == nil {
		if err = exporter.Write(page.Subscribers); err != nil {
			break
		}
		n += len(page.Subscribers)
		if !page.More {
			return n, nil
		}
		s.After = page.Subscribers[len(page.Subscribers)-1].ID
		page, err = operate.Export.Do(ctx, o, s)
	}
	return n, err
}
