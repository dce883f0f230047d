package lists

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"newsletter/shared/ledger"
)

// separators are those that programs write, and Excel by the country.
const separators = ",;\t|"

// readCSV reads CSV with headings.
func readCSV(list *bufio.Reader, do func(record) error) error {
	separator, skipped, err := detectSeparator(list)
	if err != nil {
		return err
	}
	reader := csv.NewReader(list)
	reader.Comma = separator
	headings, err := reader.Read()
	if err != nil {
		return csvError(err, nil, skipped)
	}
	if line, _ := reader.FieldPos(0); strings.Contains(strings.Join(headings, ""), "\n") {
		return fmt.Errorf("line %d: a heading goes on over several lines; close its quote, or remove the line break", line+skipped)
	}
	reader.ReuseRecord = true
	r := record{cells: make([]cell, len(headings))}
	for {
		values, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return csvError(err, headings, skipped)
		}
		r.line, _ = reader.FieldPos(0)
		r.line += skipped
		for i, value := range values {
			// An open quote takes all up to the next one into its cell, and the people there with it.
			if strings.ContainsAny(value, "\r\n") && strings.Contains(value, "@") {
				line, _ := reader.FieldPos(i)
				return fmt.Errorf("line %d: a quoted cell goes on over several lines and contains an @; close its quote, or remove the line breaks", line+skipped)
			}
			r.cells[i] = cell{headings[i], unguard(value)}
		}
		if err := do(r); err != nil {
			return err
		}
	}
}

// detectSeparator returns the separator that Excel's line "sep=;" names, or that with which the headings have most
// columns. It skips that line.
func detectSeparator(list *bufio.Reader) (separator rune, skipped int, err error) {
	head, _ := list.Peek(peek) // an error of reading comes again
	first, _, _ := bytes.Cut(head, []byte("\n"))
	if named, found := bytes.CutPrefix(bytes.ToLower(bytes.TrimRight(first, "\r")), []byte("sep=")); found {
		if len(named) != 1 || !strings.Contains(separators, string(named)) {
			return 0, 0, fmt.Errorf("line 1: %q names no separator", ledger.Printable(string(first), 40))
		}
		_, err := list.ReadSlice('\n')
		return rune(named[0]), 1, err
	}
	most := 0
	for _, candidate := range separators {
		reader := csv.NewReader(bytes.NewReader(first))
		reader.Comma = candidate
		if headings, err := reader.Read(); err == nil && len(headings) > most {
			separator, most = candidate, len(headings)
		}
	}
	return cmp.Or(separator, ','), 0, nil
}

func csvError(err error, headings []string, skipped int) error {
	refused, isParse := errors.AsType[*csv.ParseError](err)
	switch {
	case !isParse:
		return err
	case errors.Is(refused, csv.ErrFieldCount):
		return fmt.Errorf("line %d: the number of cells is not that of the headings, which is %d", refused.StartLine+skipped, len(headings))
	case refused.Line > refused.StartLine:
		return fmt.Errorf("line %d: a quoted cell goes on to line %d: %w", refused.StartLine+skipped, refused.Line+skipped, refused.Err)
	}
	return fmt.Errorf("line %d: %w", refused.Line+skipped, refused.Err)
}

// formula are the first characters by which spreadsheets know something to run (OWASP, "CSV Injection").
const formula = "=+-@\t\r"

// guard puts an apostrophe in front of a cell that a spreadsheet would run, and in front of what looks like a guarded
// one, so that unguard restores the cell.
func guard(cell string) string {
	if isGuardable(cell) {
		return "'" + cell
	}
	return cell
}

// unguard reverts guard.
func unguard(cell string) string {
	if rest, found := strings.CutPrefix(cell, "'"); found && isGuardable(rest) {
		return rest
	}
	return cell
}

func isGuardable(cell string) bool {
	rest := strings.TrimLeft(cell, "'")
	return rest != "" && strings.ContainsRune(formula, rune(rest[0]))
}
