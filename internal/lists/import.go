// Package lists brings lists of subscribers in and out, for the operator's tool.
//
// Invariants: an import mails nobody and subscribes nobody who left, was suppressed or erased; the evidence of the original
// consent is kept in the ledger; a line is whole or not there, so an import that was cut off is run again without doubles;
// of a list no more is kept in memory than a batch and a few bytes for each line.
package lists

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/audit"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
)

// Options are how a list is imported.
type Options struct {
	// Confirmed says that everybody on the list has confirmed, also those whose status says otherwise, and those who wait
	// for their confirmation here.
	Confirmed bool
	// DryRun says what would be done and does nothing.
	DryRun bool
	// Version is the consent text that all agreed to whose line names none; empty for none.
	Version string
	// Each is told of every line. It may be nil.
	Each func(Result)
}

// Outcome is what came of a line.
type Outcome string

// The outcomes.
const (
	Imported     Outcome = "imported"
	AlreadyThere Outcome = "already_there"
	Refused      Outcome = "refused"
)

// Result is what came of a line, and why. It does not repeat the address.
type Result struct {
	Line    int
	Outcome Outcome
	Reason  string // of a refusal, in one word
}

// Totals counts results by outcome and reason, such as "refused: unsubscribed".
type Totals map[string]int

func (t Totals) add(r Result) {
	key := string(r.Outcome)
	if r.Reason != "" {
		key += ": " + r.Reason
	}
	t[key]++
}

// Importer imports lists.
type Importer struct {
	db      *postgres.DB
	key     pseudonym.Key
	options Options
	now     func() time.Time
	texts   map[string]string // version: the id of its text in any language
	totals  Totals
}

// New makes an Importer on a database.
func New(db *postgres.DB, key pseudonym.Key, o Options, now func() time.Time) *Importer {
	return &Importer{db: db, key: key, options: o, now: now, totals: Totals{}}
}

// batchSize is how many lines are one transaction: large enough that round trips do not count, small enough that sign-ups
// of the same moment do not wait.
const batchSize = 1000

// Run imports a list. After an error the lines up to it are there, and the same list may be imported again.
func (m *Importer) Run(ctx context.Context, list io.Reader) (Totals, error) {
	if err := m.loadTexts(ctx); err != nil {
		return m.totals, err
	}
	if _, known := m.texts[m.options.Version]; !known && m.options.Version != "" {
		return m.totals, fmt.Errorf("there is no consent text of version %q; add it first", m.options.Version)
	}
	var people []person
	seen := map[string]bool{} // by the first 64 bits of the keyed hash
	for line, err := range Read(list) {
		if err != nil && line.Number == 0 {
			return m.totals, err
		}
		p, refusal := m.read(line, err)
		if refusal == "" && seen[p.hmac[:16]] {
			m.tell(line.Number, AlreadyThere, "")
			continue
		}
		if refusal != "" {
			m.tell(line.Number, Refused, refusal)
			continue
		}
		seen[p.hmac[:16]] = true
		if people = append(people, p); len(people) == batchSize {
			if err := m.write(ctx, people); err != nil {
				return m.totals, err
			}
			people = nil
		}
	}
	return m.totals, m.write(ctx, people)
}

func (m *Importer) tell(line int, o Outcome, reason string) {
	r := Result{line, o, reason}
	m.totals.add(r)
	if m.options.Each != nil {
		m.options.Each(r)
	}
}

func (m *Importer) loadTexts(ctx context.Context) error {
	texts, err := audit.Texts(ctx, m.db)
	if err != nil {
		return err
	}
	m.texts = map[string]string{}
	for _, t := range texts {
		m.texts[t.Version] = t.ID.String()
	}
	return nil
}

// person is a line that may be imported.
type person struct {
	line    int
	address subscription.Address
	id      uuid.UUID
	event   audit.Event
	at      time.Time
	locale  string
	ip      string
	agent   string
	hmac    string // of the address, in hexadecimal
}

// active are the words by which lists call people who get the newsletter.
var active = map[string]bool{"": true, "active": true, "subscribed": true, "confirmed": true, "enabled": true}

// maxEvidence bounds what is kept of a list's own words.
const maxEvidence = 500

// read makes a person of a line, or says why not.
func (m *Importer) read(line Line, err error) (p person, refusal string) {
	if err != nil {
		return p, err.Error()
	}
	address, err := subscription.ParseAddress(line.Email)
	if err != nil {
		return p, "bad_address"
	}
	waiting := line.Status == "pending" || line.Status == "unconfirmed"
	if !active[line.Status] && (!waiting || !m.options.Confirmed) {
		return p, "not_active"
	}
	now := m.now().UTC()
	if line.At.After(now) {
		return p, "time_to_come"
	}
	p = person{line: line.Number, address: address, id: newID(), at: line.At, locale: tag(line.Locale), hmac: hex.EncodeToString(m.key.Address(address.Norm))}
	if p.at.IsZero() {
		p.at = now
	}
	version := line.Version
	if version == "" {
		version = m.options.Version
	}
	if version != "" && m.texts[version] == "" {
		return p, "unknown_consent_version"
	}
	p.event = audit.Event{
		ID: newID(), At: now, Kind: audit.Imported, SubscriberID: p.id, Actor: audit.Operator, Channel: "import", RequestID: "operator",
		Source: audit.Source{Page: line.Page}.Clean(),
		Data: audit.Data{
			Outcome: "imported", Provider: subscription.Provider(address.Domain), From: string(subscription.None), To: string(subscription.Active),
			Locale: p.locale, TextVersion: version, Evidence: evidence(line.Evidence),
		},
	}
	if !line.At.IsZero() {
		p.event.Data.OriginalAt = line.At.Format(time.RFC3339)
	}
	if id := m.texts[version]; id != "" {
		p.event.ConsentTextID = uuid.MustParse(id)
	}
	if ip, err := netip.ParseAddr(line.IP); err == nil {
		p.ip = ip.Unmap().WithZone("").String()
	}
	p.agent = audit.Printable(line.Agent, maxEvidence)
	return p, ""
}

// evidence keeps words about a consent, without addresses: they stand in the ledger for ever.
func evidence(words string) string {
	if strings.Contains(words, "@") {
		return ""
	}
	return audit.Printable(words, maxEvidence)
}

// tag is a language tag's characters, or nothing.
func tag(locale string) string {
	for _, r := range locale {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' {
			return ""
		}
	}
	if len(locale) > 35 {
		return ""
	}
	return locale
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
