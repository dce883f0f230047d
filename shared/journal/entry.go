package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Kind is what happened.
type Kind string

// The kinds.
const (
	// Erased is a person whose data is gone. With the reason "objection" no mail may go to them ever after.
	Erased Kind = "erased"
	// Unsubscribed is a person who left, or took a request back. With Until, somebody else had asked for it: until then no
	// mail goes to their mailbox.
	Unsubscribed Kind = "unsubscribed"
	// Suppressed is an address that gets no mail: the reason is that of the suppression, such as "complaint".
	Suppressed Kind = "suppressed"
	// SuppressionRemoved ends a suppression.
	SuppressionRemoved Kind = "lifted"
)

var kinds = []Kind{Erased, Unsubscribed, Suppressed, SuppressionRemoved}

// Entry is one stop.
type Entry struct {
	// EventID is the ledger event that it comes from, a UUIDv7.
	EventID uuid.UUID
	// At is when it happened; microseconds are kept.
	At   time.Time
	Kind Kind
	// Reason is a word such as "complaint"; empty where the kind says it all.
	Reason string
	// SubscriberID is whom it concerns; uuid.Nil for an address that is nobody's.
	SubscriberID uuid.UUID
	// EmailHMAC is the keyed hash of the address, 32 bytes, and KeyID the key's name.
	EmailHMAC []byte
	KeyID     string
	// FoldHMAC is the keyed hash of the mailbox, whatever the spelling of its address; nil where the stop is not about it.
	MailboxHMAC []byte
	// Until is when the stop ends; zero for never.
	Until time.Time
}

// version is that of an entry's text. Whoever reads knows all older ones.
const version = 1

// written is the text of an entry.
type encodedEntry struct {
	Version      int        `json:"version"`
	EventID      uuid.UUID  `json:"event_id"`
	At           time.Time  `json:"at"`
	Kind         Kind       `json:"kind"`
	Reason       string     `json:"reason,omitempty"`
	SubscriberID *uuid.UUID `json:"subscriber_id,omitempty"`
	EmailHMAC    []byte     `json:"email_hmac"`
	MailboxHMAC  []byte     `json:"mailbox_hmac,omitempty"`
	KeyID        string     `json:"key_id"`
	Until        *time.Time `json:"until,omitempty"`
}

var (
	reasonWord = regexp.MustCompile(`^[a-z_]{0,32}$`)
	keyName    = regexp.MustCompile(`^[0-9a-f]{8}$`)

	errEntry    = errors.New("the entry is not whole")
	errVersion  = errors.New("the entry is of a version that is not known here")
	errWrongKey = errors.New("the entry does not belong under its name")
)

func (e Entry) check() error {
	if e.EventID == uuid.Nil || e.At.IsZero() || !slices.Contains(kinds, e.Kind) || !reasonWord.MatchString(e.Reason) ||
		len(e.EmailHMAC) != 32 || len(e.MailboxHMAC) != 0 && len(e.MailboxHMAC) != 32 || !keyName.MatchString(e.KeyID) {
		return errEntry
	}
	return nil
}

// encode gives the same text for the same entry.
func (e Entry) encode() ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	w := encodedEntry{
		Version: version, EventID: e.EventID, At: truncate(e.At), Kind: e.Kind, Reason: e.Reason, EmailHMAC: e.EmailHMAC, MailboxHMAC: e.MailboxHMAC,
		KeyID: e.KeyID,
	}
	if e.SubscriberID != uuid.Nil {
		w.SubscriberID = &e.SubscriberID
	}
	if !e.Until.IsZero() {
		until := truncate(e.Until)
		w.Until = &until
	}
	content, err := json.Marshal(w)
	return append(content, '\n'), err
}

// stamp is a time as the database keeps it.
func truncate(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// decode reads an entry and checks that it belongs under its key.
func decode(key string, content []byte) (Entry, error) {
	var w encodedEntry
	decoder := json.NewDecoder(bytes.NewReader(content))
	if err := decoder.Decode(&w); err != nil {
		return Entry{}, errEntry
	}
	if w.Version != version {
		return Entry{}, errVersion
	}
	e := Entry{EventID: w.EventID, At: w.At, Kind: w.Kind, Reason: w.Reason, EmailHMAC: w.EmailHMAC, MailboxHMAC: w.MailboxHMAC, KeyID: w.KeyID}
	if w.SubscriberID != nil {
		e.SubscriberID = *w.SubscriberID
	}
	if w.Until != nil {
		e.Until = *w.Until
	}
	if err := e.check(); err != nil {
		return Entry{}, err
	}
	if e.key() != key {
		return Entry{}, errWrongKey
	}
	return e, nil
}

// root is where all keys begin.
const root = "journal/v1/"

// key names an entry. Keys sort by day, and within a day by the events' ids, which begin with their time.
func (e Entry) key() string { return day(e.At) + "/" + e.EventID.String() + ".json" }

// day is where the keys of a day begin.
func day(t time.Time) string { return root + t.UTC().Format("2006/01/02") }
