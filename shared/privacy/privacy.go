// Package privacy completes the copy of a subscriber's data (Art. 15 and 20 GDPR) and records the recipients of
// personal data. The copy is JSON, by the schema in docs/privacy-export.schema.json.
//
// Invariants: the copy contains all data that is kept about the subscriber, and no data about others. A member is never
// renamed; new members need a new schema version. The package reads and writes the table recipients only.
package privacy

import (
	"encoding/json"
	"errors"
	"time"

	"newsletter/shared/field"
)

// schema identifies the version of the document.
const schema = "urn:newsletter:privacy-export:2"

// Config is what the owner adds to each copy.
type Config struct {
	// Further recipients of personal data beside the configured services, such as the service that sends the
	// newsletter: "Name: purpose; Name: purpose". Subscribers who request a copy of their data see them. Empty: no
	// further recipients.
	Recipients string `env:"PRIVACY_RECIPIENTS" example:"Example Ltd: sending the newsletter"`
	// The contact for privacy questions: an address or a page. Empty: none.
	Contact string `env:"PRIVACY_CONTACT" example:"privacy@example.org"`
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	for _, r := range c.added() {
		if r.Name == "" || r.Purpose == "" {
			return errors.New("PRIVACY_RECIPIENTS: must be a list of names, each with a colon and a purpose, separated by semicolons")
		}
	}
	return nil
}

// Document is the copy. The lists are never null.
type Document struct {
	Schema          string            `json:"schema"`
	CreatedAt       time.Time         `json:"created_at"`
	Controller      []string          `json:"controller"`
	Contact         string            `json:"contact,omitempty"`
	Profile         json.RawMessage   `json:"profile"`
	Events          []json.RawMessage `json:"events"`
	Deliveries      []json.RawMessage `json:"deliveries"`
	Engagement      []json.RawMessage `json:"engagement"`
	Suppressions    []json.RawMessage `json:"suppressions"`
	PrivacyRequests []json.RawMessage `json:"privacy_requests"`
	Identities      []json.RawMessage `json:"identities"`
	EmailLog        []json.RawMessage `json:"email_log"`
	Erasures        []json.RawMessage `json:"erasures"`
	RequestedFields []json.RawMessage `json:"requested_fields"`
	// Fields are the declared fields; their values are in the profile.
	Fields         field.Declarations `json:"fields"`
	Recipients     []Recipient        `json:"recipients"`
	ThirdCountries string             `json:"third_countries"`
	Origin         string             `json:"origin"`
	Automation     string             `json:"automation"`
	Periods        []string           `json:"periods"`
	Purposes       []string           `json:"purposes"`
	Rights         []string           `json:"rights"`
}

// Describe returns d with the parts that are the same in every copy: schema, time, controller, contact, recipients, third
// countries, origin, automation, periods, purposes and rights. controller is the owner's name and postal address; uses is the result of Uses.
func (c Config) Describe(d Document, controller []string, uses []Use, now time.Time) Document {
	d.Schema, d.CreatedAt, d.Controller, d.Contact, d.Recipients = schema, now.UTC(), controller, c.Contact, c.recipients(uses)
	d.ThirdCountries = "The data is stored in the region in which the controller operates the sign-up. Recipients outside the European " +
		"Economic Area process it there, on the basis that their contracts name (Art. 44–49 GDPR); the controller names it on request."
	d.Origin = "You, or a visitor who entered the address, gave us the address, language, source and fields; for an imported subscription, the " +
		"controller's list (its note on the consent is in the profile). The network address and user agent are those of the calls. " +
		"The email service reported what happened to emails."
	d.Automation = "A sign-up that looks like many others of the same time, or that is at a disposable domain, may be held until the " +
		"controller decides; limits may delay emails. No decision with legal effect is made automatically (Art. 22 GDPR)."
	d.Periods = []string{
		"Profile and identities: until erasure; an unconfirmed sign-up is deleted some weeks after it, a subscription that was ended by default after 1095 days.",
		"Values of fields: until erasure, or for the days that the field has; those of an unconfirmed sign-up for 35 days.",
		"Network addresses, user agents and sources as sent: by default 90 days.",
		"Deliveries: 30 days, undeliverable ones 90 days. Email log: 30 days.",
		"Engagement: 400 days.",
		"Suppressions: until the controller removes them; a restriction until you end it; after \"this wasn't me\", 30 days.",
		"Privacy requests: 1095 days after the answer. Erasures and the suppression journal: by default 365 days.",
		"Events: permanently, as proof. They contain no address, and after the erasure of the identities they name nobody.",
	}
	d.Purposes = []string{
		"Sending the requested newsletter (consent, Art. 6(1)(a) GDPR).",
		"Fields: each has its purpose (consent, Art. 6(1)(a) GDPR).",
		"Proving consent and its withdrawal (Art. 7(1) and 6(1)(c) GDPR).",
		"Preventing abuse of the sign-up form to flood mailboxes (legitimate interest, Art. 6(1)(f) GDPR).",
	}
	d.Rights = []string{
		"Access and a copy (Art. 15): this document; request another one at any time.",
		"Rectification (Art. 16): enter another address on the page where you downloaded this copy, or write to the controller, also to correct a field.",
		"Erasure (Art. 17) and objection (Art. 21): request a link on the page where you requested this copy.",
		"Restriction (Art. 18): tick its box on the page where you downloaded this copy; the data is then kept and no email is sent until you end it there.",
		"Portability (Art. 20): this document is machine-readable and may be given to another service.",
		"Withdrawal of consent at any time (Art. 7(3)): use the unsubscribe link in any email.",
		"Complaint to a supervisory authority (Art. 77).",
	}
	if d.Fields == nil {
		d.Fields = field.Declarations{}
	}
	for _, list := range []*[]json.RawMessage{&d.Events, &d.Deliveries, &d.Engagement, &d.Suppressions, &d.PrivacyRequests, &d.Identities, &d.EmailLog, &d.Erasures, &d.RequestedFields} {
		if *list == nil {
			*list = []json.RawMessage{}
		}
	}
	return d
}
