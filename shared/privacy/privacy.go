// Package privacy writes the copy of a person's data that they may ask for (Art. 15 and 20 GDPR), as JSON by the schema
// in docs/privacy-export.schema.json.
//
// Invariants: it holds everything that is kept of the person and leads to nobody else; a member is never renamed, new ones
// are added under a new schema. Of the database it reads and writes the recipients alone.
package privacy

import (
	"encoding/json"
	"errors"
	"time"
)

// Schema names the version of the document.
const Schema = "urn:newsletter:privacy-export:1"

// Config is what the owner has to tell everybody who asks.
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

// Describe puts into d what is the same for everybody: who answers, at what time, who gets the data, for what they are used,
// and which rights there are. controller is the owner's name and postal address; uses are those of Uses.
func (c Config) Describe(d Document, controller []string, uses []Use, now time.Time) Document {
	d.Schema, d.CreatedAt, d.Controller, d.Contact, d.Recipients = Schema, now.UTC(), controller, c.Contact, c.recipients(uses)
	d.Purposes = []string{
		"Sending the newsletter that was asked for (consent, Art. 6(1)(a) GDPR).",
		"Proving consent and its withdrawal (Art. 7(1) and 6(1)(c) GDPR).",
		"Keeping strangers' mailboxes from being flooded through the sign-up form (legitimate interest, Art. 6(1)(f) GDPR).",
	}
	d.Rights = []string{
		"Rectification (Art. 16): sign up with the right address and unsubscribe this one.",
		"Erasure (Art. 17) and objection (Art. 21): ask for a link on the page where you asked for this copy.",
		"Withdrawal of consent at any time (Art. 7(3)): by the link in every mail.",
		"Complaint to a supervisory authority (Art. 77).",
	}
	for _, list := range []*[]json.RawMessage{&d.Events, &d.Deliveries, &d.Engagement, &d.Suppressions, &d.PrivacyRequests} {
		if *list == nil {
			*list = []json.RawMessage{}
		}
	}
	return d
}
