package lists

import (
	"net/url"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// line is one person of a list, with the values as written there.
type line struct {
	Number int    // of the line, or of the member of a JSON array, from 1
	Email  string // as it was written
	// Membership is the person's state by the list: the worst of all its columns.
	Membership membership
	Locale     string
	Page       string
	Referrer   string
	UTMSource  string // utm_source
	Medium     string
	Campaign   string
	Agent      string
	Version    string // of the consent text
	// Evidence is the list's own text about the consent.
	Evidence string

	times [steps]string // as they were written
	ips   [steps]string
	ip    string // of no step in particular
}

// step is the event that a time of a list refers to. The first one that a list has is the time of the consent.
type step int

const (
	confirmed step = iota
	optedIn
	created
	steps
)

// consent returns the time and the network address of the consent that the line states. The time is zero if the line
// has no readable one, and unread reports whether it has an unreadable one.
func (l line) consent(now time.Time) (at time.Time, ip string, unread bool) {
	for s, text := range l.times {
		if text == "" {
			continue
		}
		read, ok := parseTime(text, now)
		switch {
		case !ok:
			unread = true
		case at.IsZero():
			at, ip = read, l.ips[s]
		}
	}
	if ip == "" {
		ip = l.ip
	}
	if at.IsZero() {
		for s := range steps {
			if ip == "" {
				ip = l.ips[s]
			}
		}
	}
	return at, ip, unread
}

// heading is the meaning of a column's name.
type heading struct {
	email   int // rank as the column of the address, 1 the best; 0 if it is none
	meaning meaning
	set     func(*line, string) // nil for an ignored column
}

// headings are the columns that are read, by their names in lower case, in one word.
var headings = func() map[string]heading {
	all := map[string]heading{}
	add := func(h heading, names ...string) {
		for _, name := range names {
			all[name] = h
		}
	}
	add(heading{email: 1}, "email", "emailaddress", "emailadresse", "adresseemail", "adressemail", "courriel")
	add(heading{email: 2}, "mail", "address") // the latter is a postal one in many lists
	add(heading{meaning: isStatus, set: setStatus}, "status")
	add(ofTime(confirmed), "confirmedat", "confirmedon", "confirmtime", "confirmdate", "confirmationtime", "confirmationdate")
	add(ofTime(optedIn), "subscribedat", "subscribedon", "subscribetime", "subscribedate", "subscriptiondate", "optintime", "optindate", "optinat",
		"requestedat", "signupat", "signuptime", "signupdate", "signedupat")
	add(ofTime(created), "createdat", "created", "creationdate", "createdate", "timestamp", "date", "dateadded", "addedat")
	add(ofNetwork(confirmed), "confirmip", "confirmedip", "confirmationip")
	add(ofNetwork(optedIn), "optinip", "signupip", "subscribeip")
	add(heading{set: firstNonEmpty(func(l *line) *string { return &l.ip })}, "ip", "ipaddress")
	add(heading{set: setLocale}, "locale", "language", "lang")
	add(heading{meaning: isEvidence, set: firstNonEmpty(func(l *line) *string { return &l.Evidence })}, "evidence", "consent", "consenttext")
	add(heading{set: firstNonEmpty(func(l *line) *string { return &l.Version })}, "consentversion")
	add(heading{set: firstNonEmpty(func(l *line) *string { return &l.Page })}, "page")
	add(heading{set: setSource}, "source", "url", "signupsource")
	add(heading{set: firstNonEmpty(func(l *line) *string { return &l.Referrer })}, "referrer")
	add(heading{set: firstNonEmpty(func(l *line) *string { return &l.UTMSource })}, "utmsource")
	add(heading{set: firstNonEmpty(func(l *line) *string { return &l.Medium })}, "utmmedium")
	add(heading{set: firstNonEmpty(func(l *line) *string { return &l.Campaign })}, "utmcampaign")
	add(heading{set: firstNonEmpty(func(l *line) *string { return &l.Agent })}, "useragent")
	// Of an export of ours; here people get a number of this installation.
	add(heading{set: func(l *line, v string) { l.Membership = max(l.Membership, membershipOfEnd(v)) }}, "endedat")
	add(heading{set: func(*line, string) {}}, "subscriberid")
	return all
}()

// firstNonEmpty returns a setter that keeps the first non-empty value of a field.
func firstNonEmpty(field func(*line) *string) func(*line, string) {
	return func(l *line, value string) {
		if f := field(l); *f == "" && strings.TrimSpace(value) != "" {
			*f = value
		}
	}
}

func ofTime(s step) heading {
	return heading{meaning: isEvidence, set: firstNonEmpty(func(l *line) *string { return &l.times[s] })}
}

func ofNetwork(s step) heading {
	return heading{set: firstNonEmpty(func(l *line) *string { return &l.ips[s] })}
}

func setStatus(l *line, v string) { l.Membership = max(l.Membership, membershipOf(v)) }

func setLocale(l *line, v string) {
	firstNonEmpty(func(l *line) *string { return &l.Locale })(l, strings.ReplaceAll(strings.TrimSpace(v), "_", "-"))
}

// setSource takes a page. Other words, such as "API", are no page.
func setSource(l *line, v string) {
	if u, err := url.Parse(strings.TrimSpace(v)); err == nil && u.Host != "" {
		firstNonEmpty(func(l *line) *string { return &l.Page })(l, v)
	}
}

// parseHeading judges a column by its name.
func parseHeading(name string) heading {
	words := splitWords(name)
	if h, known := headings[strings.Join(words, "")]; known {
		return h
	}
	h := heading{meaning: meaningOf(words)}
	if h.meaning == isStatus {
		h.set = setStatus
	}
	return h
}

// splitWords returns the words of a heading or a value in lower case, without accents. They are the same for
// "email_disabled", "emailDisabled" and "Email disabled".
func splitWords(text string) []string {
	var words []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
			word.Reset()
		}
	}
	small := false
	for _, r := range norm.NFD.String(text) {
		switch {
		case unicode.Is(unicode.Mn, r):
			continue
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
		case r == 'ß':
			word.WriteString("ss")
		default:
			if unicode.IsUpper(r) && small {
				end()
			}
			word.WriteRune(unicode.ToLower(r))
		}
		small = unicode.IsLower(r)
	}
	end()
	return words
}

// parse returns the person of a record.
func (all header) parse(r record) (line, error) {
	l := line{Number: r.line}
	for _, cell := range r.cells {
		if set := all.of(cell.heading).set; set != nil {
			set(&l, cell.value)
		}
	}
	var err error
	l.Email, err = all.email(r)
	return l, err
}
