// Package lists reads and writes lists of subscribers, for the operator's tool.
//
// Invariants: reading is pure: it neither sends nor stores anything. A list is read twice, and refused before any entry
// of it is returned if it is broken, or may mean an end in words that are not understood. Every line is an entry or named
// in an error. An entry states nothing as a fact that the list lacks. Of a list no more is kept in memory than a few bytes
// for each line.
package lists

import (
	"fmt"
	"hash/maphash"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"newsletter/shared/field"
	"newsletter/shared/subscription"
)

// Options are how a list is read.
type Options struct {
	// Name is the name of the file, which may state who is in it; empty if unknown.
	Name string
	// As is the state of everyone on the list, as far as no column states a graver one; empty for none.
	As subscription.ListState
	// Map has the meanings of columns that the operator stated, and Ignore those that mean nothing.
	Map    map[string]Meaning
	Ignore []string
	// Fields are the declared fields.
	Fields field.Declarations
	// TextVersion is the consent text of subscribers whose line names none; empty for none.
	TextVersion string
	// Now is the present: later times are not read. Zero is the current time.
	Now time.Time

	mapped map[string]Meaning // both, as joinWords returns the headings
}

// flags returns the headings that the operator named, with the flag.
func (o Options) flags() map[string]string {
	all := map[string]string{}
	for heading := range o.Map {
		all[joinWords(heading)] = "--map " + heading
	}
	for _, heading := range o.Ignore {
		all[joinWords(heading)] = "--ignore " + heading
	}
	return all
}

// fieldNamed returns the declared field whose name a heading has, as joinWords returns both.
func (o Options) fieldNamed(heading string) (d field.Declaration, found bool) {
	for _, d := range o.Fields {
		if joinWords(d.Name) == heading {
			return d, true
		}
	}
	return d, false
}

// checkFields returns an error for a column that was mapped to a field that is not declared.
func (o Options) checkFields() error {
	for heading, meaning := range o.Map {
		name := meaning.field()
		if _, declared := o.Fields.Find(name); name != "" && !declared {
			return fmt.Errorf("--map %s: field %q is not declared; declared: %s", heading, name, strings.Join(o.Fields.Names(), ", "))
		}
	}
	return nil
}

// Column is a column with the meaning that was found for it.
type Column struct {
	Name    string  `json:"name"`
	Meaning Meaning `json:"meaning"`
	// Source is why: "layout", "heading" or "flag"; empty for a column that nothing is known about.
	Source string `json:"source,omitempty"`
}

// List is a list that was checked from its first to its last byte.
type List struct {
	// Layout is the name of the recognized layout; empty if it is unknown.
	Layout string
	// Encoding is the encoding of the text, such as "UTF-8".
	Encoding string
	Columns  []Column
	// Lines is the number of people.
	Lines int
	// States counts them by state.
	States map[subscription.ListState]int

	file    *file
	header  *header
	seed    maphash.Seed
	gravest map[uint64]int // the rank of the gravest state of each address
}

// Open reads a list and checks the whole of it. The caller closes it. The error names what is broken or not understood.
func Open(text io.Reader, o Options) (*List, error) {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	o.mapped = map[string]Meaning{}
	for heading, meaning := range o.Map {
		o.mapped[joinWords(heading)] = meaning
	}
	for _, heading := range o.Ignore {
		o.mapped[joinWords(heading)] = Ignored
	}
	if err := o.checkFields(); err != nil {
		return nil, err
	}
	f, err := openFile(text)
	if err != nil {
		return nil, err
	}
	l := &List{
		Encoding: f.text.encoding, States: map[subscription.ListState]int{}, file: f, seed: maphash.MakeSeed(), gravest: map[uint64]int{},
		header: &header{options: o, now: o.Now, columns: map[string]*column{}},
	}
	if err := l.check(); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Close deletes the copy of the list.
func (l *List) Close() { l.file.Close() }

func (l *List) check() error {
	err := l.file.records(func(r record) error {
		if l.Lines == 0 {
			l.header.layout = recognize(r.headings())
			l.Layout = l.header.layout.Name
		}
		l.Lines++
		e, err := l.header.check(r)
		if err != nil {
			return err
		}
		l.States[e.State]++
		key := l.key(e)
		l.gravest[key] = max(l.gravest[key], rank(e.State))
		return nil
	})
	switch {
	case err != nil:
		return err
	case l.Lines == 0:
		return errEmpty
	}
	for _, c := range l.header.order {
		column := Column{Name: c.name, Meaning: c.meaning, Source: c.source}
		if c.meaning == "" {
			column.Meaning, column.Source = Ignored, ""
		}
		l.Columns = append(l.Columns, column)
	}
	return l.header.err(l.States[subscription.ListIn])
}

// key returns the hash of an address. Two spellings in upper and lower case have the same.
func (l *List) key(e subscription.ListEntry) uint64 {
	address, err := subscription.ParseAddress(e.Email)
	if err != nil {
		return maphash.String(l.seed, fmt.Sprintf("line %d", e.Line))
	}
	return maphash.String(l.seed, address.Normalized)
}

// Note is a remark of the report on a line, besides its result.
type Note struct {
	// Duplicate means that another line of the address counts: the first one with its gravest state.
	Duplicate bool
	// Unreadable names the values that could not be read, such as "times".
	Unreadable []string
}

// Entries passes on all people of the list, in its order. An error of do ends it.
func (l *List) Entries(do func(subscription.ListEntry, Note) error) error {
	const passed = -1
	gravest := make(map[uint64]int, len(l.gravest))
	for key, state := range l.gravest {
		gravest[key] = state
	}
	return l.file.records(func(r record) error {
		line, err := l.header.parse(r)
		if err != nil {
			return err
		}
		e, note := line.finish(), Note{}
		for what := range line.unreadable {
			note.Unreadable = append(note.Unreadable, what)
		}
		slices.Sort(note.Unreadable)
		if e.TextVersion == "" && (e.State == subscription.ListIn || e.State == subscription.ListWaiting) {
			e.TextVersion = l.header.options.TextVersion
		}
		key := l.key(e)
		if note.Duplicate = gravest[key] != rank(e.State); !note.Duplicate {
			gravest[key] = passed
		}
		return do(e, note)
	})
}

// stateOfName returns the state that the name of a file means; empty for none.
func stateOfName(name string) subscription.ListState {
	base := filepath.Base(name)
	base = strings.TrimSuffix(base, filepath.Ext(base))
	for _, word := range splitWords(base) {
		if slices.Contains(pendingValues, word) {
			return subscription.ListWaiting
		}
		for _, state := range endStates {
			if _, found := removeRoots(word, state.roots); found {
				return state.state
			}
		}
	}
	return ""
}
