package lists

import (
	"fmt"
	"slices"
	"strings"

	"newsletter/shared/ledger"
)

// header is the headings of a list, with what was found below them.
type header map[string]*column

// column is one heading.
type column struct {
	heading
	// unclear is the first value that may mean an end and is not understood, and unclearAt its place; nil and empty for
	// none.
	unclear   *cell
	unclearAt string
}

func (all header) of(heading string) *column {
	c := all[heading]
	if c == nil {
		c = &column{heading: parseHeading(heading)}
		all[heading] = c
	}
	return c
}

// check checks the values of a record. It returns an error if the record cannot be a person.
func (all header) check(r record) error {
	for _, cell := range r.cells {
		if c := all.of(cell.heading); c.unclear == nil && !c.isClear(cell.value) {
			found := cell
			c.unclear, c.unclearAt = &found, r.place()
		}
	}
	_, err := all.email(r)
	return err
}

// email returns the address of a record: the value below the heading of the best rank.
func (all header) email(r record) (string, error) {
	var best, rival *cell
	rank := 0
	for i := range r.cells {
		switch c := all.of(r.cells[i].heading); {
		case c.email == 0 || rank != 0 && c.email > rank:
		case c.email == rank:
			rival = &r.cells[i]
		default:
			best, rival, rank = &r.cells[i], nil, c.email
		}
	}
	switch {
	case rival != nil:
		return "", fmt.Errorf("%s: both %q and %q may hold the email address; rename one of them", r.place(), best.heading, rival.heading)
	case best == nil:
		return "", nil
	}
	return strings.TrimSpace(best.value), nil
}

// err returns an error that lists everything that prevents the import.
func (all header) err() error {
	var unclear []string
	found := false
	for _, name := range all.names(func(c *column) bool { found = found || c.email > 0; return c.unclear != nil }) {
		unclear = append(unclear, fmt.Sprintf("\n  %q: %s in %s", name, quoteValue(all[name].unclear.value), all[name].unclearAt))
	}
	if !found {
		names := all.names(func(*column) bool { return true })
		names = slices.DeleteFunc(names, func(name string) bool { return strings.Contains(name, "@") }) // a person's
		return fmt.Errorf("no column for the email address, such as \"email\"; found: %q", names[:min(len(names), 50)])
	}
	if len(unclear) == 0 {
		return nil
	}
	return fmt.Errorf("nothing was imported, because these columns may mark people who left, with values that are not recognized:%s\n"+
		"Remove the rows of people who left, bounced or complained, and then these columns. Or use a column \"status\": "+
		"active, subscribed or confirmed; pending or unconfirmed; unsubscribed, bounced, complained, suppressed or deleted", strings.Join(unclear, ""))
}

// names lists headings, sorted.
func (all header) names(which func(*column) bool) []string {
	var names []string
	for name, c := range all {
		if which(c) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// quoteValue quotes a value of the list, unless it may hold an address.
func quoteValue(value string) string {
	if strings.Contains(value, "@") {
		return "a value"
	}
	return fmt.Sprintf("%q", ledger.Printable(value, 40))
}
