package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"newsletter/shared/operate"
)

// errUsage is the error of wrong usage: exit status 2.
type errUsage string

func (e errUsage) Error() string { return string(e) }

// group returns a command that only has others.
func group(name, summary, text string, parts ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: summary, Long: joinTexts(summary, text), Args: cobra.ArbitraryArgs}
	c.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return errUsage("missing command" + namesOf(parts))
		}
		text := fmt.Sprintf("unknown command %q", args[0])
		c.SuggestionsMinimumDistance = 2 // cobra's own default, which it sets only in its own check
		if similar := c.SuggestionsFor(args[0]); len(similar) > 0 {
			return errUsage(text + "; did you mean " + strings.Join(similar, " or ") + "?")
		}
		return errUsage(text + namesOf(parts))
	}
	c.AddCommand(parts...)
	return c
}

// joinTexts returns the long text of a command: its summary as a sentence, and more.
func joinTexts(summary, text string) string { return strings.TrimSpace(summary + ".\n\n" + text) }

// maxNames is the number of commands that an error lists. For more, help is the better list.
const maxNames = 6

// namesOf lists the names of a few commands, for the end of an error.
func namesOf(commands []*cobra.Command) string {
	var all []string
	for _, c := range commands {
		all = append(all, c.Name())
	}
	if len(all) > maxNames {
		return ""
	}
	return ": " + strings.Join(all, ", ")
}

// title returns the name of a command in an error: "hold release".
func title(c *cobra.Command) string {
	return strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
}

// takes accepts a number of arguments. what describes them in the error: "one address".
func takes(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return errUsage(title(c) + " takes " + what)
		}
		return nil
	}
}

// jsonFlag adds --json to a command.
func jsonFlag(c *cobra.Command) *bool { return c.Flags().Bool("json", false, "print JSON") }

// printList prints the rows of a list as JSON, or as a table by line. It returns an error if there are more.
func printList[Row any](l operate.List[Row], asJSON bool, headings string, line func(Row) []any) error {
	if asJSON {
		return cmp.Or(printJSON(stdout, l.Rows), incomplete(l.More, len(l.Rows)))
	}
	table := tabwriter.NewWriter(stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, headings)
	for _, row := range l.Rows {
		cells := line(row)
		fmt.Fprintf(table, strings.Repeat("\t%v", len(cells))[1:]+"\n", cells...)
	}
	return cmp.Or(table.Flush(), incomplete(l.More, len(l.Rows)))
}

// incomplete returns an error if there may be more than the listed rows.
func incomplete(more bool, listed int) error {
	if !more {
		return nil
	}
	return fmt.Errorf("only the first %d are shown; there may be more", listed)
}

// printJSON prints a value as indented JSON.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
