// Package token signs and verifies the links in emails. A token states what its bearer may do, for which subscriber and
// until when.
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
//	 8 bytes     expiry            big-endian Unix seconds; 0 (never) for unsubscribe links only
//	32 bytes     HMAC-SHA256       over all bytes before it, under the key that the id names in the ring of the purpose
//
// Invariants: each purpose has its own keys (export and erase share theirs), so a function with one ring can neither
// sign nor verify the links of another. A token has exactly one encoding. Signatures are compared in constant time. A
// token does not reveal the address.
//
// Failure policy: every invalid token results in ErrInvalid. keyring.ErrReload means that the keys could not be fetched, so
// that the token could not be verified.
package token

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Purpose is the action that a token allows.
type Purpose byte

// The purposes. Their numbers are part of the links and never change.
const (
	Confirm     Purpose = 1
	Unsubscribe Purpose = 2
	Export      Purpose = 3 // get a copy of the stored data
	Erase       Purpose = 4 // have the stored data erased
)

// The lifetimes of links.
const (
	ConfirmLifetime = 48 * time.Hour
	privacyLifetime = 24 * time.Hour
	// RenewalPeriod is how long after it was signed a link that has expired can still be recognized, so that its reader
	// can get a new one. It is as long as a sign-up waits for its confirmation.
	RenewalPeriod = 35 * 24 * time.Hour
)

// lifetime returns how long a link is valid; 0 for ever. Unsubscribe links never expire: CAN-SPAM requires at least 30
// days, RFC 8058 no expiry.
func (p Purpose) lifetime() time.Duration {
	switch p {
	case Confirm:
		return ConfirmLifetime
	case Export, Erase:
		return privacyLifetime
	case Unsubscribe:
	}
	return 0
}

// Expiry returns when a link that is signed at now expires; the zero Time for never.
func (p Purpose) Expiry(now time.Time) time.Time {
	if p.lifetime() == 0 {
		return time.Time{}
	}
	return now.Add(p.lifetime())
}

var (
	// ErrInvalid is the error for a token that is malformed, forged, expired or for another purpose. Clients do not
	// learn which; Reason returns it for the log.
	ErrInvalid = errors.New("token: invalid")
	errForged  = fmt.Errorf("%w: forged", ErrInvalid)
	errExpired = fmt.Errorf("%w: expired", ErrInvalid)
	// ErrRenewable is the error for a token that has expired and was signed less than RenewalPeriod ago. It is an
	// ErrInvalid.
	ErrRenewable = fmt.Errorf("%w less than %.0f days ago", errExpired, RenewalPeriod.Hours()/24)
)

// Reason returns why a link is refused, for telemetry.SecurityEvent: the reason of an error of Verify, or
// "link_unknown" for a subscriber that does not exist.
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

// Claims is the content of a token.
type Claims struct {
	Purpose Purpose
	Link
	// Expires is truncated to seconds. The zero Time means never.
	Expires time.Time
}

// Link is the part of a token that does not depend on its purpose and time.
type Link struct {
	SubscriberID uuid.UUID
	// EventID is the ledger event that caused the email: the request whose consent a confirmation grants. It is
	// uuid.Nil where none is needed.
	EventID uuid.UUID
	// Epoch is the subscriber's epoch when the email was sent.
	Epoch int32
}
