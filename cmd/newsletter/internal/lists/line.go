package lists

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"newsletter/shared/field"
	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
)

// step is the event that a time of a list refers to. The first one that a list has is the time of the consent.
type step int

const (
	confirmed step = iota
	optedIn
	created
	steps
)

// line is one person of a list.
type line struct {
	entry      subscription.ListEntry
	times      [steps]time.Time
	ips        [steps]string
	ip         string // of no step in particular
	unreadable map[string]bool
}

// set adds a value below a column to l. An unreadable value is noted, and refuses no line.
func (l *line) set(c *column, written string, now time.Time, declared field.Declarations) {
	value := strings.TrimSpace(written)
	e := &l.entry
	if c.meaning.decides() {
		state, _ := c.judge(value)
		if rank(state) > rank(e.State) {
			e.State = state
		}
	}
	if value == "" {
		return
	}
	switch c.meaning {
	case ConfirmedAt, Confirmed:
		l.setTime(&l.times[confirmed], c, value, now)
	case SubscribedAt, Subscribed:
		l.setTime(&l.times[optedIn], c, value, now)
	case CreatedAt:
		l.setTime(&l.times[created], c, value, now)
	case Left, Bounced, Blocked, Complained, EndedAt:
		l.setTime(&e.EndedAt, c, value, now)
	case ConfirmIP:
		setFirst(&l.ips[confirmed], value)
	case OptInIP:
		setFirst(&l.ips[optedIn], value)
	case IP:
		setFirst(&l.ip, value)
	case Locale:
		locale, err := ledger.ParseLocale(strings.ReplaceAll(value, "_", "-"))
		setFirst((*string)(&e.Locale), string(locale))
		l.note("languages", err != nil)
	case Evidence:
		kept := evidence(value)
		setFirst(&e.Evidence, kept)
		l.note("evidence", kept == "")
	case TextVersion:
		setFirst(&e.TextVersion, value)
	case PageOrWord:
		if u, err := url.Parse(value); err == nil && u.Host != "" {
			setFirst(&e.Sent.Page, ledger.Printable(value, maxText))
		}
	default:
		if name := c.meaning.field(); name != "" {
			l.setField(name, value, declared)
		} else if text := l.text(c.meaning); text != nil {
			setFirst(text, ledger.Printable(written, maxText))
		}
	}
}

// setField keeps the first value of a declared field. One that does not fit the declaration is unreadable.
func (l *line) setField(name, value string, declared field.Declarations) {
	d, _ := declared.Find(name)
	if _, fits := d.Parse(value); !fits {
		l.note("field "+name, true)
		return
	}
	if l.entry.Fields == nil {
		l.entry.Fields = map[string]string{}
	}
	if l.entry.Fields[name] == "" {
		l.entry.Fields[name] = value
	}
}

// setTime keeps the first time. A yes or a reason in place of a time of an end is no unreadable time.
func (l *line) setTime(at *time.Time, c *column, value string, now time.Time) {
	read, ok := c.order.parse(value, now)
	switch {
	case ok && at.IsZero():
		*at = read
	case !ok && (!c.meaning.decides() || looksLikeTime(value)):
		l.note("times", true)
	}
}

func (l *line) note(what string, unreadable bool) {
	if !unreadable {
		return
	}
	if l.unreadable == nil {
		l.unreadable = map[string]bool{}
	}
	l.unreadable[what] = true
}

func setFirst(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// maxText bounds what is kept of a list's own words, in bytes.
const maxText = 500

// evidence returns what is kept of a note on a consent: nothing if it contains an address.
func evidence(words string) string {
	if strings.Contains(words, "@") {
		return ""
	}
	return ledger.Printable(words, maxText)
}

// finish returns the entry of l. The time of the consent is that of its last step, with the network of that step.
func (l *line) finish() subscription.ListEntry {
	e := &l.entry
	ip := ""
	for s, at := range l.times {
		if !at.IsZero() {
			e.At, ip = at, l.ips[s]
			break
		}
	}
	setFirst(&ip, l.ip)
	if e.At.IsZero() {
		for s := range steps {
			setFirst(&ip, l.ips[s])
		}
	}
	if address, err := netip.ParseAddr(ip); err == nil {
		e.IP = address.Unmap().WithZone("")
	}
	l.note("networks", ip != "" && !e.IP.IsValid())
	if e.State == "" {
		e.State = subscription.ListIn
	}
	return *e
}

// rank orders states: a larger one outweighs a smaller one. No state is smaller than all.
func rank(s subscription.ListState) int { return slices.Index(subscription.ListStates(), s) }

// text returns the field of a text that is taken as it is; nil for other meanings.
func (l *line) text(m Meaning) *string {
	sent := &l.entry.Sent
	switch m {
	case Page:
		return &sent.Page
	case Referrer:
		return &sent.Referrer
	case UTMSource:
		return &sent.Origin
	case UTMMedium:
		return &sent.Medium
	case UTMCampaign:
		return &sent.Campaign
	case UserAgent:
		return &l.entry.UserAgent
	default:
		return nil
	}
}
