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
)

// schema identifies the version of the document.
const schema = "urn:newsletter:privacy-export:1"

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
	Recipients      []Recipient       `json:"recipients"`
	Purposes        []string          `json:"purposes"`
	Rights          []string          `json:"rights"`
}

// Describe returns d with the parts that are the same in every copy: schema, time, controller, contact, recipients,
// purposes and rights. controller is the owner's name and postal address; uses is the result of Uses.
func (c Config) Describe(d Document, controller []string, uses []Use, now time.Time) Document {
	d.Schema, d.CreatedAt, d.Controller, d.Contact, d.Recipients = schema, now.UTC(), controller, c.Contact, c.recipients(uses)
	d.Purposes = []string{
		"Sending the requested newsletter (consent, Art. 6(1)(a) GDPR).",
		"Proving consent and its withdrawal (Art. 7(1) and 6(1)(c) GDPR).",
		"Preventing abuse of the sign-up form to flood mailboxes (legitimate interest, Art. 6(1)(f) GDPR).",
	}
	d.Rights = []string{
		"Rectification (Art. 16): sign up with the correct address and unsubscribe this one.",
		"Erasure (Art. 17) and objection (Art. 21): request a link on the page where you requested this copy.",
		"Withdrawal of consent at any time (Art. 7(3)): use the unsubscribe link in any email.",
		"Complaint to a supervisory authority (Art. 77).",
	}
	for _, list := range []*[]json.RawMessage{&d.Events, &d.Deliveries, &d.Engagement, &d.Suppressions, &d.PrivacyRequests} {
		if *list == nil {
			*list = []json.RawMessage{}
		}
	}
	return d
}
