package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
	// ID is random, the same for the same entry. It must not contain the time, as a UUIDv7 does.
	ID uuid.UUID
	// At is the time of the event. Only its day, in UTC, is written: an entry outlasts an erasure, and must not lead to
	// the event.
	At   time.Time
	Kind Kind
	// Epoch is that of the subscription before the event. It orders the entries of a day, and shows whether a
	// subscription of that day is newer.
	Epoch int32
	// Reason is a word such as "complaint"; empty for none.
	Reason string
	// EmailHMAC is the pseudonym of the address, 32 bytes, and KeyID the id of its key.
	EmailHMAC []byte
	KeyID     string
	// MailboxHMAC is the pseudonym of the canonical mailbox; nil if the entry does not cover it.
	MailboxHMAC []byte
	// Until is the end of the muting, rounded up to a day; zero for no end.
	Until time.Time
}

// version is the version of the format. A reader accepts all older ones.
const version = 1

// encodedEntry is the JSON of an entry.
type encodedEntry struct {
	Version     int        `json:"version"`
	ID          uuid.UUID  `json:"id"`
	At          time.Time  `json:"at"`
	Kind        Kind       `json:"kind"`
	Epoch       int32      `json:"epoch,omitempty"`
	Reason      string     `json:"reason,omitempty"`
	EmailHMAC   []byte     `json:"email_hmac"`
	MailboxHMAC []byte     `json:"mailbox_hmac,omitempty"`
	KeyID       string     `json:"key_id"`
	Until       *time.Time `json:"until,omitempty"`
}

var (
	reasonWord = regexp.MustCompile(`^[a-z_]{0,32}$`)
	keyName    = regexp.MustCompile(`^[0-9a-f]{8}$`)

	errEntry    = errors.New("the entry is incomplete or invalid")
	errVersion  = errors.New("the entry has an unknown version")
	errWrongKey = errors.New("the entry does not match its key")
)

func (e Entry) check() error {
	if e.ID == uuid.Nil || e.ID.Version() == 7 || e.At.IsZero() || e.Epoch < 0 || !slices.Contains(kinds, e.Kind) || !reasonWord.MatchString(e.Reason) ||
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
		Version: version, ID: e.ID, At: truncate(e.At), Kind: e.Kind, Epoch: e.Epoch, Reason: e.Reason, EmailHMAC: e.EmailHMAC, MailboxHMAC: e.MailboxHMAC,
		KeyID: e.KeyID,
	}
	if !e.Until.IsZero() {
		until := truncate(e.Until.Add(24*time.Hour - time.Nanosecond))
		w.Until = &until
	}
	content, err := json.Marshal(w)
	return append(content, '\n'), err
}

// truncate returns the day of a time, in UTC.
func truncate(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

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
	e := Entry{ID: w.ID, At: w.At, Kind: w.Kind, Epoch: w.Epoch, Reason: w.Reason, EmailHMAC: w.EmailHMAC, MailboxHMAC: w.MailboxHMAC, KeyID: w.KeyID}
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

// key returns the key of an entry. Keys sort by day, and within a day by epoch. The end of a suppression precedes a
// suppression of the same epoch: in doubt, no email is sent.
func (e Entry) key() string {
	rank := 1
	if e.Kind == SuppressionRemoved {
		rank = 0
	}
	return fmt.Sprintf("%s/%06d-%d-%s.json", day(e.At), e.Epoch, rank, e.ID)
}

// day returns the prefix of a day's keys.
func day(t time.Time) string { return root + t.UTC().Format("2006/01/02") }
