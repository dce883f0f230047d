package lists

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
)

// header is the columns of a list, with what was found below them.
type header struct {
	options Options
	layout  Layout
	now     time.Time
	columns map[string]*column // by heading
	order   []*column          // as the list has them
}

// column is one heading.
type column struct {
	name    string
	meaning Meaning // empty for an unknown one
	source  string  // of the meaning: "layout", "heading" or "flag"
	smell   smell   // of an unknown one
	rank    int     // as the column of the address, 1 the best; 0 if it is none
	words   map[string]subscription.ListState
	order   dayOrder
	// unclear is the first value that may mean an end and is not understood, and unclearAt its place; nil and empty for
	// none.
	unclear   *cell
	unclearAt string
}

// The columns of the address, by rank. "Address" is a postal one in many lists.
const (
	emailByFlag = 1 + iota
	emailByHeading
	emailPerhaps
)

func (h *header) of(heading string) *column {
	c := h.columns[heading]
	if c == nil {
		c = h.judgeHeading(heading)
		h.columns[heading], h.order = c, append(h.order, c)
	}
	return c
}

func (h *header) judgeHeading(heading string) *column {
	words := splitWords(heading)
	name := strings.Join(words, "")
	c := &column{name: heading, source: "flag", rank: emailByFlag, words: h.layout.Words}
	switch {
	case h.options.mapped[name] != "":
		c.meaning = h.options.mapped[name]
	case h.layout.Columns[name] != "":
		c.meaning, c.source, c.rank = h.layout.Columns[name], "layout", emailByHeading
	case known[name] != "":
		c.meaning, c.source, c.rank = known[name], "heading", emailByHeading
	case name == "mail" || name == "address":
		c.meaning, c.source, c.rank = Email, "heading", emailPerhaps
	case h.fieldOf(heading) != "":
		c.meaning, c.source = h.fieldOf(heading), "flag"
	default:
		c.source, c.smell = "heading", smellOf(words)
		if d, declared := h.options.fieldNamed(name); declared {
			c.meaning = Meaning(fieldPrefix + d.Name)
			break
		}
		if c.smell == isStatus {
			c.meaning = Status
		}
	}
	if c.meaning != Email {
		c.rank = 0
	}
	return c
}

// fieldOf returns the meaning of a heading such as "field.company", as an export has it, of a declared field.
func (h *header) fieldOf(heading string) Meaning {
	for _, prefix := range []string{fieldPrefix, "fields."} {
		name, found := strings.CutPrefix(heading, prefix)
		if _, declared := h.options.Fields.Find(name); found && declared {
			return Meaning(fieldPrefix + name)
		}
	}
	return ""
}

// judge returns the state that a value of a column means; empty for none. It reports false for a value that may mean an
// end and is not understood.
func (c *column) judge(value string) (state subscription.ListState, clear bool) {
	value = strings.TrimSpace(value)
	name := joinWords(value)
	no, yes := slices.Contains(noValues, name), slices.Contains(yesValues, name)
	given := c.source != "heading" // then every value has the meaning
	switch c.meaning {
	case Status:
		if value == "" {
			return "", true
		}
		state = c.word(value)
		return state, state != ""
	case Subscribed:
		switch {
		case c.words[name] != "":
			return c.words[name], true
		case value == "":
			return subscription.ListOther, true
		case yes || looksLikeTime(value):
			return subscription.ListIn, true
		case no:
			return subscription.ListLeft, true
		}
		state = c.word(value)
		return state, state != ""
	case Confirmed:
		if no {
			return subscription.ListWaiting, true
		}
		return "", yes || looksLikeTime(value)
	case Left, Bounced, Blocked, Complained, EndedAt:
		if no {
			return "", true
		}
		return endOf[c.meaning], yes || given || looksLikeTime(value)
	default:
		return "", c.isClear(value, name)
	}
}

// endOf is the state that a value of a column of ends means.
var endOf = map[Meaning]subscription.ListState{
	Left: subscription.ListLeft, EndedAt: subscription.ListLeft, Bounced: subscription.ListBounced, Blocked: subscription.ListSuppressed,
	Complained: subscription.ListComplained,
}

// word returns the state that a word of a status means; empty if it is unknown.
func (c *column) word(value string) subscription.ListState {
	if state := c.words[joinWords(value)]; state != "" {
		return state
	}
	return stateOf(value)
}

// isClear reports whether a value of a column that decides about no state means no end.
func (c *column) isClear(value, name string) bool {
	switch {
	case c.meaning == Ignored, c.source == "flag", c.meaning == Email:
		return true
	case slices.Contains([]Meaning{Evidence, ConfirmedAt, SubscribedAt, CreatedAt}, c.meaning): // no, or a word of an end, is no consent
		words := splitWords(value)
		state := stateOf(value)
		return name == "" || !slices.Contains(noValues, name) &&
			(len(words) > maxAnswerWords || (state == "" || state == subscription.ListIn) && !slices.Contains(noValues, words[0]) && !containsAny(words, negations))
	case c.smell == isEnding:
		return slices.Contains(noValues, name)
	case c.smell == isWish:
		return looksLikeTime(value) || slices.Contains(yesValues, name) || slices.Contains(subscribedValues, name)
	case c.smell == isAmbiguous:
		return false
	}
	return !meansEnd(value)
}

// parse returns the person of a record. The error is that of a record with two addresses.
func (h *header) parse(r record) (line, error) {
	l := line{entry: subscription.ListEntry{Line: r.line, State: h.options.As}}
	for _, cell := range r.cells {
		l.set(h.of(cell.heading), cell.value, h.now, h.options.Fields)
	}
	var err error
	l.entry.Email, err = h.email(r)
	return l, err
}

// check looks at a record before anything is written, and returns its entry. Who left by one column needs no second
// one.
func (h *header) check(r record) (subscription.ListEntry, error) {
	for _, cell := range r.cells {
		h.of(cell.heading).order.learn(cell.value)
	}
	l, err := h.parse(r)
	e := l.finish()
	if rank(e.State) > rank(subscription.ListOther) {
		return e, err
	}
	for _, cell := range r.cells {
		c := h.of(cell.heading)
		if c.unclear != nil {
			continue
		}
		if _, clear := c.judge(cell.value); !clear {
			found := cell
			c.unclear, c.unclearAt = &found, r.place()
		}
	}
	return e, err
}

// email returns the address of a record: the value below the heading of the best rank.
func (h *header) email(r record) (string, error) {
	var best, rival *cell
	rank := 0
	for i := range r.cells {
		switch c := h.of(r.cells[i].heading); {
		case c.rank == 0 || rank != 0 && c.rank > rank:
		case c.rank == rank:
			rival = &r.cells[i]
		default:
			best, rival, rank = &r.cells[i], nil, c.rank
		}
	}
	switch {
	case rival != nil:
		return "", fmt.Errorf("%s: both %q and %q may be the email address; choose one: --map %q", r.place(), best.heading, rival.heading, best.heading+"=email")
	case best == nil:
		return "", nil
	}
	return strings.TrimSpace(best.value), nil
}

// err returns an error that lists everything that prevents the import. in is the number of people who would be
// subscribed.
func (h *header) err(in int) error {
	for name, flag := range h.options.flags() {
		if !slices.ContainsFunc(h.order, func(c *column) bool { return joinWords(c.name) == name }) {
			return fmt.Errorf("%s: the list has no such column; found: %q", flag, h.names())
		}
	}
	if !slices.ContainsFunc(h.order, func(c *column) bool { return c.rank > 0 }) {
		return fmt.Errorf("no column for the email address, such as \"email\"; name it by --map COLUMN=email; found: %q", h.names())
	}
	var unclear []string
	for _, c := range h.order {
		if c.unclear != nil {
			unclear = append(unclear, fmt.Sprintf("\n  %q: %s in %s", c.name, quoteValue(c.unclear.value), c.unclearAt))
		}
	}
	if len(unclear) > 0 {
		slices.Sort(unclear)
		return fmt.Errorf("nothing was imported, because these columns may mark people who left, with values that are not recognized:%s\n"+
			"State what each means, such as --map COLUMN=left, or --ignore COLUMN if it says nothing about email", strings.Join(unclear, ""))
	}
	return h.stateless(in)
}

// stateless returns an error if people would be subscribed though the name of the list says otherwise, or its layout may
// lack the column of who left.
func (h *header) stateless(in int) error {
	if h.options.As != "" || in == 0 {
		return nil
	}
	if state := stateOfName(h.options.Name); state != "" && state != subscription.ListIn {
		return fmt.Errorf("nothing was imported: the name of the file means %q, but %d people in it would be subscribed; state who they are: --as %s, or --as in", state, in, state)
	}
	if h.layout.Stateless && !slices.ContainsFunc(h.order, func(c *column) bool { return c.meaning.decides() }) {
		return fmt.Errorf("nothing was imported: this list of %s does not state who left; export it with the subscription status, or, if all of them are subscribed, use --as in", h.layout.Name)
	}
	return nil
}

// names lists the headings, without those that contain an address.
func (h *header) names() []string {
	var names []string
	for _, c := range h.order[:min(len(h.order), 50)] {
		if !strings.Contains(c.name, "@") {
			names = append(names, c.name)
		}
	}
	return names
}

// quoteValue quotes a value of the list, unless it may contain an address.
func quoteValue(value string) string {
	if strings.Contains(value, "@") {
		return "a value"
	}
	return fmt.Sprintf("%q", ledger.Printable(value, 40))
}
