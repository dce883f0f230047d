package token

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/config"
)

const (
	layoutVersion = 1
	macSize       = 32
	maxKeyID      = config.MaxKeyID
	headSize      = 3               // version, purpose, length of the key id
	claimsSize    = 16 + 16 + 4 + 8 // ids, epoch, expiry
	maxSize       = headSize + maxKeyID + claimsSize + macSize
)

// strict rejects padding and non-zero trailing bits, so that a token has only one encoding. parse rejects line breaks.
var strict = base64.RawURLEncoding.Strict()

// body returns a token without its HMAC.
func body(keyID string, c Claims) []byte {
	b := make([]byte, 0, maxSize)
	b = append(b, layoutVersion, byte(c.Purpose), byte(len(keyID))) //nolint:gosec // at most maxKeyID
	b = append(b, keyID...)
	b = append(b, c.SubscriberID[:]...)
	b = append(b, c.EventID[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(c.Epoch)) //nolint:gosec // read back the same way
	expires := int64(0)
	if !c.Expires.IsZero() {
		expires = c.Expires.Unix()
	}
	return binary.BigEndian.AppendUint64(b, uint64(expires))
}

// parsed is a decoded token whose signature is not yet verified.
type parsed struct {
	keyID  string
	claims Claims
	body   []byte
	mac    []byte
}

// parse decodes a token and reports whether it is well-formed.
func parse(text string) (parsed, bool) {
	if len(text) > strict.EncodedLen(maxSize) {
		return parsed{}, false
	}
	// DecodeString ignores line breaks even in strict mode, so parse compares text with its only encoding.
	raw, err := strict.DecodeString(text)
	if err != nil || strict.EncodeToString(raw) != text {
		return parsed{}, false
	}
	if len(raw) < headSize || raw[0] != layoutVersion {
		return parsed{}, false
	}
	idEnd := headSize + int(raw[2])
	if raw[2] == 0 || raw[2] > maxKeyID || len(raw) != idEnd+claimsSize+macSize {
		return parsed{}, false
	}
	fields := raw[idEnd:]
	expires := binary.BigEndian.Uint64(fields[36:44])
	if expires > math.MaxInt32*1000 { // far beyond any real date, and safe for time.Unix
		return parsed{}, false
	}
	claims := Claims{
		Purpose: Purpose(raw[1]),
		Link: Link{
			SubscriberID: uuid.UUID(fields[0:16]),
			EventID:      uuid.UUID(fields[16:32]),
			Epoch:        int32(binary.BigEndian.Uint32(fields[32:36])), //nolint:gosec // written the same way
		},
	}
	if expires != 0 {
		claims.Expires = time.Unix(int64(expires), 0).UTC()
	}
	return parsed{
		keyID:  string(raw[headSize:idEnd]),
		claims: claims,
		body:   raw[:idEnd+claimsSize],
		mac:    raw[idEnd+claimsSize:],
	}, true
}
