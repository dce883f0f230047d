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

// Kind is the kind of an entry.
type Kind string

// The kinds.
const (
	// Erased is an erased subscriber. With the reason "objection" they never get an email again.
	Erased Kind = "erased"
	// Unsubscribed is a subscriber who unsubscribed or declined. With Until they declined a sign-up that they had not
	// made, and their mailbox is muted until then.
	Unsubscribed Kind = "unsubscribed"
	// Suppressed is a suppressed address. The reason is that of the suppression, such as "complaint".
	Suppressed Kind = "suppressed"
	// SuppressionRemoved ends a suppression.
	SuppressionRemoved Kind = "lifted"
)

var kinds = []Kind{Erased, Unsubscribed, Suppressed, SuppressionRemoved}

// Entry is one entry of the journal.
type Entry struct {
	// EventID is the ledger event that it comes from, a UUIDv7.
	EventID uuid.UUID
	// At is the time of the event, to the microsecond.
	At   time.Time
	Kind Kind
	// Reason is a word such as "complaint"; empty for none.
	Reason string
	// SubscriberID is the subscriber concerned; uuid.Nil for an address without one.
	SubscriberID uuid.UUID
	// EmailHMAC is the pseudonym of the address, 32 bytes, and KeyID the id of its key.
	EmailHMAC []byte
	KeyID     string
	// MailboxHMAC is the pseudonym of the canonical mailbox; nil if the entry does not cover it.
	MailboxHMAC []byte
	// Until is the end of the muting; zero for no end.
	Until time.Time
}

// version is the version of the format. A reader accepts all older ones.
const version = 1

// encodedEntry is the JSON of an entry.
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

	errEntry    = errors.New("the entry is incomplete or invalid")
	errVersion  = errors.New("the entry has an unknown version")
	errWrongKey = errors.New("the entry does not match its key")
)

func (e Entry) check() error {
	if e.EventID == uuid.Nil || e.At.IsZero() || !slices.Contains(kinds, e.Kind) || !reasonWord.MatchString(e.Reason) ||
		len(e.EmailHMAC) != 32 || len(e.MailboxHMAC) != 0 && len(e.MailboxHMAC) != 32 || !keyName.MatchString(e.KeyID) {
		return errEntry
	}
	return nil
}

// encode returns the JSON of an entry, the same for the same entry.
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

// truncate returns a time with the database's precision.
func truncate(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// decode decodes an entry and checks that it matches its key.
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

// root is the prefix of all keys.
const root = "journal/v1/"

// key returns the key of an entry. Keys sort by day, and within a day by event id, which begins with the time.
func (e Entry) key() string { return day(e.At) + "/" + e.EventID.String() + ".json" }

// day returns the prefix of a day's keys.
func day(t time.Time) string { return root + t.UTC().Format("2006/01/02") }
