// Package token makes and checks the signed links of the mails: what somebody who holds the mailbox may do, with which
// subscription, until when.
//
// A token is strict base64url (RFC 4648 §5, no padding) of
//
//	byte  0      1                 layout version
//	byte  1      purpose           1 confirm, 2 unsubscribe, 3 export, 4 erase
//	byte  2      n                 length of the key id, 1–16
//	bytes 3…     key id            n bytes
//	16 bytes     subscriber id
//	16 bytes     event id          all zero for none
//	 4 bytes     epoch             big-endian
//	 8 bytes     expiry            big-endian Unix seconds; 0 never, which unsubscribe links have and no others
//	32 bytes     HMAC-SHA256       over all bytes before it, under the key that the id names in the ring of the purpose
//
// Invariants: each purpose has its own ring of keys (the two of privacy share theirs), so a function that holds one ring can neither make nor accept the
// links of another; one text is the only text of its token; comparing takes the same time whatever differs; a token
// says nothing about the address.
//
// Failure policy: whatever is wrong with a token is ErrInvalid, one answer for all. ErrReload says that the keys could
// not be fetched, so that nothing can be said about the token.
package token

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Purpose is what a token allows.
type Purpose byte

// The purposes. Their numbers are part of the links and never change.
const (
	Confirm     Purpose = 1
	Unsubscribe Purpose = 2
	Export      Purpose = 3 // see what is kept of a person
	Erase       Purpose = 4 // have it deleted
)

// How long links stay valid; unsubscribe links always do (CAN-SPAM asks for 30 days at least, RFC 8058 for no end).
const (
	ConfirmLifetime = 48 * time.Hour
	PrivacyLifetime = 24 * time.Hour
)

var (
	// ErrInvalid says that a token is malformed, forged, expired or for another purpose. Nobody is told which; Reason knows it
	// for the log.
	ErrInvalid = errors.New("token: invalid")
	errForged  = fmt.Errorf("%w: forged", ErrInvalid)
	errExpired = fmt.Errorf("%w: expired", ErrInvalid)
	// ErrReload says that a token names a key that is not known here and that the keys could not be fetched again.
	ErrReload = errors.New("token: the keys could not be reloaded")
)

// Reason is why a link opens nothing, for telemetry.SecurityEvent: what Verify says of its token, or that whoever it leads to is
// not there.
func Reason(err error) string {
	switch {
	case errors.Is(err, errForged):
		return "link_forged"
	case errors.Is(err, errExpired):
		return "link_expired"
	case errors.Is(err, ErrInvalid):
		return "link_malformed"
	}
	return "link_unknown"
}

// Claims is what a token says.
type Claims struct {
	Purpose      Purpose
	SubscriberID uuid.UUID
	// EventID is the ledger event that the mail answers: the request whose consent a confirmation grants. It is
	// uuid.Nil where none is needed.
	EventID uuid.UUID
	// Epoch is the subscriber's epoch when the mail was sent.
	Epoch int32
	// Expires is cut to seconds. The zero Time is never.
	Expires time.Time
}
