package lists

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// readCSV reads CSV with headings, separated by commas, semicolons or tabs.
func readCSV(list io.Reader, do func(record) error) error {
	in := bufio.NewReaderSize(list, peek)
	head, _ := in.Peek(peek) // an error of reading comes again
	first, _, _ := bytes.Cut(head, []byte("\n"))
	if bytes.HasPrefix(bytes.ToLower(first), []byte("sep=")) {
		return errors.New(`line 1: "sep=" is a note for Excel, and no heading; take the line out`)
	}
	reader := csv.NewReader(in)
	for _, separator := range []rune{';', '\t'} {
		if bytes.ContainsRune(first, separator) && !bytes.ContainsRune(first, ',') {
			reader.Comma = separator
		}
	}
	headings, err := reader.Read()
	if err != nil {
		return csvError(err, nil)
	}
	if line, _ := reader.FieldPos(0); strings.Contains(strings.Join(headings, ""), "\n") {
		return fmt.Errorf("line %d: a heading goes on over several lines; close its quote, or take the line break out", line)
	}
	reader.ReuseRecord = true
	r := record{cells: make([]cell, len(headings))}
	for {
		values, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return csvError(err, headings)
		}
		r.line, _ = reader.FieldPos(0)
		for i, value := range values {
			// An open quote takes all up to the next one into its cell, and the people there with it.
			if strings.Contains(value, "\n") && strings.Contains(value, "@") {
				line, _ := reader.FieldPos(i)
				return fmt.Errorf("line %d: a quoted cell goes on over several lines and holds an @; close its quote, or take the line breaks out", line)
			}
			r.cells[i] = cell{headings[i], unguard(value)}
		}
		if err := do(r); err != nil {
			return err
		}
	}
}

func csvError(err error, headings []string) error {
	refused, isParse := errors.AsType[*csv.ParseError](err)
	switch {
	case !isParse:
		return err
	case errors.Is(refused, csv.ErrFieldCount):
		return fmt.Errorf("line %d: the number of cells is not that of the headings, which is %d", refused.StartLine, len(headings))
	case refused.Line > refused.StartLine:
		return fmt.Errorf("line %d: a quoted cell goes on to line %d: %w", refused.StartLine, refused.Line, refused.Err)
	}
	return fmt.Errorf("line %d: %w", refused.Line, refused.Err)
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
