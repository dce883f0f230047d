// Package lists imports and exports lists of subscribers, for the operator's tool.
//
// Invariants: an import sends no email, and subscribes no one who left (here or by the list), was suppressed or erased;
// a list is read twice, and refused before anything is written if it is broken or may mean an end in words that are not
// understood; every line is judged or named in an error; the evidence of the original consent is kept with the
// subscriber, and the ledger records nothing as a fact that the list lacks; a line is whole or not there, so an import that was cut off is run
// again without doubles; of a list no more is kept in memory than a batch and a few bytes for each line.
package lists

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/ledger"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
)

// Options are how a list is imported.
type Options struct {
	// Confirmed treats everyone on the list as confirmed, including those with a pending status in the list or here.
	Confirmed bool
	// DryRun reports the results and writes nothing.
	DryRun bool
	// Sources are the declared sources.
	Sources ledger.Declarations
	// ConsentVersion is the consent text of lines that name none; empty for none.
	ConsentVersion string
	// OnChecked is called once before anything is written, with the number of persons and the ignored columns. It may
	// be nil.
	OnChecked func(lines int, passedOver []string)
	// OnResult is called for every line. It may be nil.
	OnResult func(Result)
}

// Outcome is the outcome of a line.
type Outcome string

// The outcomes.
const (
	Imported  Outcome = "imported"
	Unchanged Outcome = "unchanged"
	Refused   Outcome = "refused"
)

// Result is the outcome of a line. It does not contain the address.
type Result struct {
	Line    int
	Outcome Outcome
	Reason  string // of a refusal, in one word
	// Unreadable names the values of the line that could not be read, such as "times". They refuse no line.
	Unreadable []string
}

// Totals counts results by outcome and reason, such as "refused: unsubscribed", and what was not read, such as
// "times unreadable".
type Totals map[string]int

func (t Totals) add(r Result) {
	key := string(r.Outcome)
	if r.Reason != "" {
		key += ": " + r.Reason
	}
	t[key]++
	for _, what := range r.Unreadable {
		t[what+" unreadable"]++
	}
}

// Importer imports lists.
type Importer struct {
	db      *postgres.DB
	key     pseudonym.Key
	options Options
	now     func() time.Time
	texts   []ledger.ConsentText
	totals  Totals
}

// New makes an Importer on a database.
func New(db *postgres.DB, key pseudonym.Key, o Options, now func() time.Time) *Importer {
	return &Importer{db: db, key: key, options: o, now: now, totals: Totals{}}
}

// batchSize is how many lines are one transaction: large enough that round trips do not count, small enough that
// sign-ups of the same moment do not wait.
const batchSize = 1000

// Run imports a list. After an error of the list nothing was written; after one of the database the lines up to it are
// there, and the same list may be imported again.
func (m *Importer) Run(ctx context.Context, list io.Reader) (Totals, error) {
	var err error
	if m.texts, err = ledger.ConsentTexts(ctx, m.db); err != nil {
		return m.totals, err
	}
	if m.options.ConsentVersion != "" && !m.hasText(m.options.ConsentVersion) {
		return m.totals, fmt.Errorf("there is no consent text of version %q; add it first", m.options.ConsentVersion)
	}
	file, err := openList(list)
	if err != nil {
		return m.totals, err
	}
	defer file.Close()
	if m.options.OnChecked != nil {
		m.options.OnChecked(file.lines, file.header.names(func(c *column) bool { return c.email == 0 && c.set == nil }))
	}
	var people []person
	seen := map[string]bool{} // by the first 64 bits of the keyed hash
	err = file.records(func(r record) error {
		line, err := file.header.parse(r)
		if err != nil {
			return err
		}
		p, refusal := m.parse(line)
		switch {
		case refusal != "":
			m.report(Result{Line: line.Number, Outcome: Refused, Reason: refusal})
			return nil
		case seen[p.hmac[:16]]:
			m.report(Result{Line: line.Number, Outcome: Unchanged})
			return nil
		}
		seen[p.hmac[:16]] = true
		if people = append(people, p); len(people) < batchSize {
			return nil
		}
		err, people = m.write(ctx, people), nil
		return err
	})
	if err != nil {
		return m.totals, err
	}
	return m.totals, m.write(ctx, people)
}

func (m *Importer) report(r Result) {
	m.totals.add(r)
	if m.options.OnResult != nil {
		m.options.OnResult(r)
	}
}

// hasText reports whether there is a text of a version.
func (m *Importer) hasText(version string) bool {
	return slices.ContainsFunc(m.texts, func(t ledger.ConsentText) bool { return t.Version == version })
}

// person is a line that may be imported.
type person struct {
	line       int
	address    subscription.Address
	id         uuid.UUID
	event      ledger.Event
	at         time.Time
	locale     ledger.Locale
	ip         string
	agent      string
	sent       ledger.SentSource
	evidence   string
	hmac       string // of the address, in hexadecimal
	unreadable []string
}

// maxEvidence bounds what is kept of a list's own words.
const maxEvidence = 500

// parse returns the person of a line, or the reason for refusing it.
func (m *Importer) parse(line line) (p person, refusal string) {
	address, err := subscription.ParseAddress(line.Email)
	if err != nil {
		return p, "bad_address"
	}
	if line.Membership > pending || line.Membership == pending && !m.options.Confirmed {
		return p, "not_active"
	}
	version := cmp.Or(strings.TrimSpace(line.Version), m.options.ConsentVersion)
	if version != "" && !m.hasText(version) {
		return p, "unknown_consent_version"
	}
	now := m.now().UTC()
	at, ip, unread := line.consent(now)
	locale, localeErr := ledger.ParseLocale(line.Locale)
	p = person{
		line: line.Number, address: address, id: newID(), at: at, locale: locale, agent: ledger.Printable(line.Agent, maxEvidence),
		hmac: hex.EncodeToString(m.key.Address(address.Normalized)), evidence: evidence(line.Evidence),
		sent: ledger.SentSource{Page: line.Page, Referrer: line.Referrer, Origin: line.UTMSource, Medium: line.Medium, Campaign: line.Campaign},
	}
	p.event = ledger.Event{
		ID: newID(), At: now, Kind: ledger.Imported, SubscriberID: p.id, Actor: ledger.Operator, Channel: "import", RequestID: "operator",
		Source: m.options.Sources.Reduce(p.sent),
		Data: ledger.Data{
			Outcome: "imported", Provider: address.Provider, From: string(subscription.None), To: string(subscription.Active),
			Locale: p.locale.Short(), TextVersion: version,
		},
	}
	if version != "" {
		p.event.ConsentTextID = ledger.ConsentTextShown(m.texts, version, p.locale)
	}
	if at.IsZero() { // the row needs a time; that of the import is not the consent's, so the event names none
		p.at = now
	} else {
		p.event.Data.OriginalAt = at.Format(time.RFC3339Nano)
	}
	if address, err := netip.ParseAddr(strings.TrimSpace(ip)); err == nil {
		p.ip = address.Unmap().WithZone("").String()
	}
	for what, lost := range map[string]bool{
		"times": unread, "languages": localeErr != nil, "networks": ip != "" && p.ip == "",
		"evidence": line.Evidence != "" && p.evidence == "",
	} {
		if lost {
			p.unreadable = append(p.unreadable, what)
		}
	}
	slices.Sort(p.unreadable)
	return p, ""
}

// evidence returns what is kept of a note on a consent: nothing if it contains an address.
func evidence(words string) string {
	if strings.Contains(words, "@") {
		return ""
	}
	return ledger.Printable(words, maxEvidence)
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
