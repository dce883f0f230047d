package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"newsletter/shared/ledger"
)

const consentUsage = `consent add --version V --locale L FILE|-   add a consent text; a new version becomes the current one
consent list [--json]                       list all consent texts
consent current [--locale L]                print the current consent text
consent proof [--json] EMAIL                print the proof of a subscriber's consent, for an authority`

// consentCommand manages consent texts and prints the proof of a consent.
func consentCommand(ctx context.Context, args []string) error {
	return subcommand(ctx, args, consentUsage, map[string]subcommandFunc{
		"add": consentAdd, "list": consentList, "current": consentCurrent, "proof": consentProof,
	})
}

func consentAdd(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("consent add", flag.ContinueOnError)
	version, locale := flags.String("version", "", "name of the version, such as 2026-11"), flags.String("locale", "", "language, such as de")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() != 1 || *version == "" || *locale == "" {
		return errUsage("consent add takes --version, --locale and a file")
	}
	body, err := readInput(flags.Arg(0))
	if err != nil {
		return err
	}
	text, err := ledger.NewConsentText(*version, *locale, string(body))
	if err != nil {
		return errUsage(err.Error())
	}
	if err := ledger.AddConsentText(ctx, db, text, time.Now()); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "added %s (%s), SHA-256 %s\n", text.Version, text.Locale, text.SHA256)
	return nil
}

// readInput reads a file, or the standard input for "-".
func readInput(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(file)
}

func consentList(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("consent list", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON")
	if err := parse(flags, args); err != nil {
		return err
	}
	texts, err := ledger.ConsentTexts(ctx, db)
	if err != nil {
		return err
	}
	if *asJSON {
		return printJSON(stdout, texts)
	}
	table := tabwriter.NewWriter(stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "VERSION\tLOCALE\tADDED\tCURRENT\tSHA-256\tTEXT")
	for _, t := range texts {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%.12s\t%s\n", t.Version, t.Locale, t.CreatedAt.Format(time.DateOnly), yesOrDash(t.Current), t.SHA256, excerpt(t.Body))
	}
	return table.Flush()
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

func consentCurrent(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("consent current", flag.ContinueOnError)
	locale := flags.String("locale", "", "print only the text in this language")
	if err := parse(flags, args); err != nil {
		return err
	}
	texts, err := ledger.ConsentTexts(ctx, db)
	if err != nil {
		return err
	}
	found := false
	var locales []string
	for _, t := range texts {
		if !t.Current {
			continue
		}
		locales = append(locales, string(t.Locale))
		if *locale == "" || strings.EqualFold(*locale, string(t.Locale)) {
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
	return checkKnown("locale", *locale, locales)
}

func consentProof(ctx context.Context, db *operatorDB, args []string) error {
	flags := flag.NewFlagSet("consent proof", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON")
	address, err := oneAddress(flags, args)
	if err != nil {
		return err
	}
	proof, err := db.store.Proof(ctx, address, db.visit("tool"))
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
