package webhook

import (
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"newsletter/shared/config"
)

// tolerance is how far a call's timestamp may be from now, in both directions. A call that is captured cannot be
// repeated later (Standard Webhooks, "Verifying webhook authenticity"; its libraries use the same value).
const tolerance = 5 * time.Minute

// The errors of Verify.
var (
	ErrForged = errors.New("no signature of the call matches")
	ErrTooOld = errors.New("the call's timestamp is more than five minutes from now")
)

// Verifier verifies the calls of a sender that signs them by Standard Webhooks. It is safe for concurrent use.
type Verifier struct {
	keys [][]byte
	now  func() time.Time
}

// NewVerifier returns a verifier of calls that are signed with one of the secrets. secrets has the format of
// Config.Secrets for one endpoint; during a rotation it has the new and the old one. The error contains no secret.
func NewVerifier(secrets config.Sealed, now func() time.Time) (*Verifier, error) {
	keys, err := parseSecrets(secrets.Reveal())
	if err != nil {
		return nil, err
	}
	return &Verifier{keys, now}, nil
}

// Verify returns nil if one of the signatures in the header Webhook-Signature is that of one of the keys over the call,
// and its timestamp is recent. Otherwise it returns ErrForged, also for a missing or unreadable header, or ErrTooOld.
func (v *Verifier) Verify(id, timestamp, signatures string, body []byte) error {
	genuine := false
	for signature := range strings.FieldsSeq(signatures) {
		encoded, found := strings.CutPrefix(signature, signatureVersion)
		given, err := base64.StdEncoding.DecodeString(encoded)
		if !found || err != nil {
			continue // a version that this release does not know
		}
		for _, key := range v.keys {
			genuine = hmac.Equal(given, mac(key, id, timestamp, body)) || genuine
		}
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if !genuine || id == "" || err != nil {
		return ErrForged
	}
	if v.now().Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return ErrTooOld
	}
	return nil
}
