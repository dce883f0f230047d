package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestHelpIsComplete checks the texts of every command, and that its examples name commands and flags that exist.
func TestHelpIsComplete(t *testing.T) {
	root := newRoot(&operator{})
	commands := 0
	walk(root, func(c *cobra.Command) {
		commands++
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || len(c.Short) > 75 {
			t.Errorf("%s: summary %q", c.CommandPath(), c.Short)
		}
		if !strings.HasSuffix(c.Long, ".") || strings.Contains(c.Long, "..") {
			t.Errorf("%s: text %q", c.CommandPath(), c.Long)
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") || strings.Contains(f.Usage, "`") { // fang shows backquotes
				t.Errorf("%s: --%s %q", c.CommandPath(), f.Name, f.Usage)
			}
		})
		for line := range strings.Lines(c.Example) {
			words := strings.Fields(line)
			found, rest, err := root.Find(words[1:])
			if err != nil || found != c || words[0] != "newsletter" {
				t.Errorf("%s: the example %q is of %v", c.CommandPath(), line, found)
			} else if err := found.ParseFlags(rest); err != nil {
				t.Errorf("%s: %q: %v", c.CommandPath(), line, err)
			}
		}
	})
	if commands < 40 {
		t.Errorf("%d commands", commands)
	}
}

// TestUsageErrors checks that an error is one useful line, the last one, below a line that names the help, that similar commands are suggested, and that
// nothing of it is on the standard output.
func TestUsageErrors(t *testing.T) {
	t.Parallel()
	path := tool(t)
	for args, want := range map[string]string{
		"":                             "missing command",
		"hold":                         "missing command: list, release, reject",
		"hodl list":                    `unknown command "hodl"; did you mean hold?`,
		"hold relese":                  `unknown command "relese"; did you mean release?`,
		"hold list --jsno":             "hold list: unknown flag: --jsno",
		"suppression add":              "suppression add takes one address",
		"suppression add a b":          "suppression add takes one address",
		"outbox drop":                  "outbox drop takes ids, or --all with an optional --kind",
		"--stack a/b hold list":        "--stack must be the name of a stack",
		"--stack news dev":             "dev runs on this machine",
		"perf --target soon":           `perf: invalid argument "soon"`,
		"export --since yesterday":     "--since must be a date",
		"journal replay":               "journal replay needs --since",
		"consent add --version 1 file": "consent add takes --version, --locale and a file",
	} {
		cmd := exec.CommandContext(t.Context(), path, strings.Fields(args)...)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		output, _ := cmd.Output() // the status says it
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		if status := cmd.ProcessState.ExitCode(); status != 2 || len(output) > 0 || len(lines) != 2 || !strings.HasPrefix(lines[1], "newsletter: ") || !strings.Contains(lines[1], want) {
			t.Errorf("%q: status %d, want %q: %s%s", args, status, want, output, stderr.String())
		}
	}
	for args, want := range map[string]string{
		"man": ".TH NEWSLETTER", "completion bash": "newsletter", "version": "newsletter ", "help hold release": "newsletter hold release", "__complete hold re": "release\tRelease held emails",
	} {
		output, err := exec.CommandContext(t.Context(), path, strings.Fields(args)...).Output()
		if err != nil || !strings.Contains(string(output), want) || strings.Contains(string(output), "\x1b") {
			t.Errorf("%s: %v: %.300s", args, err, output)
		}
	}
}
