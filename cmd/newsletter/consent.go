package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"newsletter/shared/ledger"
	"newsletter/shared/operate"
)

// consentCommand manages consent texts and prints the proof of a consent.
func (o *operator) consentCommand() *cobra.Command {
	return group("consent", "Manage consent texts, and print the proof of a consent",
		"A consent text is stored for ever. The texts of the newest version are shown to visitors, each in its language.",
		o.consentAdd(), o.consentList(), o.consentCurrent(), o.consentProof())
}

func (o *operator) consentAdd() *cobra.Command {
	c := &cobra.Command{
		Use: "add FILE", Short: "Add a consent text; a new version becomes the current one",
		Long:    "Add a consent text from a file, or from the standard input for \"-\". A new version becomes the current one.",
		Example: "newsletter consent add --version 2026-11 --locale de consent.de.txt", Args: takes(1, "--version, --locale and a file"),
	}
	version, locale := c.Flags().String("version", "", "name of the version, such as 2026-11"), c.Flags().String("locale", "", "language, such as de")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *version == "" || *locale == "" {
			return errUsage("consent add takes --version, --locale and a file")
		}
		body, err := readInput(args[0])
		if err != nil {
			return err
		}
		text, err := operate.ConsentAdd.Do(c.Context(), o, operate.ConsentToAdd{Version: *version, Locale: *locale, Text: string(body)})
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "added %s (%s), SHA-256 %s\n", text.Version, text.Locale, text.SHA256)
		return nil
	}
	return c
}

// readInput reads a file, or the standard input for "-".
func readInput(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(file)
}

func (o *operator) consentList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List all consent texts", Long: "List all consent texts, the oldest first.", Args: takes(0, "no arguments")}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		texts, err := operate.ConsentList.Do(c.Context(), o, operate.All{})
		if err != nil {
			return err
		}
		return printList(texts, *asJSON, "VERSION\tLOCALE\tADDED\tCURRENT\tSHA-256\tTEXT", func(t ledger.ConsentText) []any {
			return []any{t.Version, t.Locale, t.CreatedAt.Format(time.DateOnly), yesOrDash(t.Current), t.SHA256[:12], excerpt(t.Body)}
		})
	}
	return c
}

func yesOrDash(b bool) string {
	if b {
		return "yes"
	}
	return "-"
}

// excerpt returns the beginning of a text.
func excerpt(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	if runes := []rune(line); len(runes) > 60 {
		return string(runes[:59]) + "…"
	}
	return line
}

func (o *operator) consentCurrent() *cobra.Command {
	c := &cobra.Command{
		Use: "current", Short: "Print the current consent text", Long: "Print the texts of the current version, or only that in one language.",
		Args: takes(0, "no arguments"),
	}
	locale := c.Flags().String("locale", "", "print only the text in this language")
	c.RunE = func(c *cobra.Command, _ []string) error {
		texts, err := operate.ConsentList.Do(c.Context(), o, operate.All{})
		if err != nil {
			return err
		}
		return printCurrent(texts.Rows, *locale)
	}
	return c
}

func printCurrent(texts []ledger.ConsentText, locale string) error {
	found := false
	var locales []string
	for _, t := range texts {
		if !t.Current {
			continue
		}
		locales = append(locales, string(t.Locale))
		if locale == "" || strings.EqualFold(locale, string(t.Locale)) {
			fmt.Fprintf(stdout, "%s (%s)\n%s\n\n", t.Version, t.Locale, t.Body)
			found = true
		}
	}
	switch {
	case found:
		return nil
	case len(locales) == 0:
		return errors.New("consent text not found")
	}
	return operate.CheckKnown("locale", locale, locales)
}

func (o *operator) consentProof() *cobra.Command {
	c := &cobra.Command{
		Use: "proof EMAIL", Short: "Print the proof of a subscriber's consent, for an authority",
		Long: "Print the proof of a subscriber's consent, for an authority: every event, with the texts that were shown. The ledger records it. Exits with 1 if no data about the address is kept.",
		Args: takes(1, "one address"),
	}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		proof, err := operate.ConsentProof.Do(c.Context(), o, operate.Person{Email: args[0]})
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(stdout, proof)
		} else {
			printProof(stdout, proof)
		}
		if err == nil && len(proof.Steps) == 0 {
			err = errors.New("no data about this address")
		}
		return err
	}
	return c
}
