package loops

import (
	"encoding/json"
	"errors"
	"time"

	"newsletter/shared/config"
)

// EventConfig configures the events that Loops sends (loops.so/docs/webhooks).
type EventConfig struct {
	// The signing secret of the webhook in Loops (Settings, Webhooks), whose URL is
	// SITE_PUBLIC_URL/api/newsletter/engagement/loops. During a rotation, both secrets, separated by a comma. Empty: no
	// events are accepted.
	SigningSecret config.Sealed `env:"LOOPS_SIGNING_SECRET"`
}

// A Report states the end of a contact, or none.
type Report string

// The reports. Every other event is Irrelevant.
const (
	// Left is an unsubscribe, from all email or from a mailing list. It does not say whether a person, the owner or this
	// system did it, nor whether the contact still exists: ask Loops.
	Left       Report = "left"
	Bounced    Report = "bounced"    // permanently
	Complained Report = "complained" // the reader reported an email as spam
	Irrelevant Report = "irrelevant"
)

// reports lists the relevant events by name (loops.so/docs/webhooks, "Events"). A deleted contact has contact.unsubscribed
// besides contact.deleted.
var reports = map[string]Report{
	"contact.unsubscribed":             Left,
	"contact.mailingList.unsubscribed": Left,
	"email.unsubscribed":               Left,
	"email.hardBounced":                Bounced,
	"email.spamReported":               Complained,
}

// Event is one event of Loops.
type Event struct {
	Report Report
	Name   string    // such as "email.unsubscribed"
	At     time.Time // when it had happened at Loops: the end of the second that it names
	Email  string    // of the contact; empty for an event about none
}

// schemaVersion is the version of events that ReadEvent reads.
const schemaVersion = "1.0.0"

var errNoEvent = errors.New("not an event of Loops, version " + schemaVersion)

// ReadEvent reads the body of a call that Loops signed. The error is for a body that is no event of this version.
func ReadEvent(body []byte) (Event, error) {
	var e struct {
		Name    string `json:"eventName"`
		Version string `json:"webhookSchemaVersion"`
		Time    int64  `json:"eventTime"` // Unix seconds
		Contact struct {
			Email string `json:"email"`
		} `json:"contactIdentity"`
	}
	if err := json.Unmarshal(body, &e); err != nil || e.Name == "" || e.Version != schemaVersion {
		return Event{}, errNoEvent
	}
	report, relevant := reports[e.Name]
	if !relevant || e.Contact.Email == "" {
		report = Irrelevant
	}
	return Event{report, e.Name, time.Unix(e.Time+1, 0).UTC(), e.Contact.Email}, nil
}
