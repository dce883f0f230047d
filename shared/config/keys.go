package config

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	// minKey is the minimum length of a secret key in bytes: 256 bits, the strength of SHA-256 and AES-256.
	minKey = 32
	// MaxKeyID is the maximum length of a key's id.
	MaxKeyID = 16
)

// ErrKey is the error for an invalid key. It does not contain the key.
var ErrKey = errors.New(`must be at least 32 random bytes in base64, as "openssl rand -base64 32" makes them`)

// DecodeKey decodes a key in standard or URL base64, with or without padding: key generators print all of these.
func DecodeKey(s string) ([]byte, error) {
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if key, err := encoding.DecodeString(s); err == nil && len(key) >= minKey {
			return key, nil
		}
	}
	return nil, ErrKey
}

// NamedKey is one key of a list. A function returns its bytes, because fmt would print a byte slice.
type NamedKey struct {
	ID     string // 1 to 16 letters, digits, - or _
	Secret func() []byte
}

// ParseKeys parses "id:key,id:key", newest first. The id of a key without one, as CloudFormation generates them, is the
// start of its hash. Errors name positions and never repeat a value.
func ParseKeys(list string) ([]NamedKey, error) {
	var keys []NamedKey
	for i, part := range strings.Split(list, ",") {
		id, encoded, named := strings.Cut(strings.TrimSpace(part), ":")
		if !named {
			id, encoded = "", id
		}
		secret, err := DecodeKey(encoded)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if !named {
			sum := sha256.Sum256(secret)
			id = hex.EncodeToString(sum[:4])
		}
		if !validKeyID(id) {
			return nil, fmt.Errorf("key %d: must be id:base64 with an id of 1 to %d letters, digits, - or _", i+1, MaxKeyID)
		}
		if slices.ContainsFunc(keys, func(k NamedKey) bool { return k.ID == id }) {
			return nil, fmt.Errorf("key %d: duplicate id", i+1)
		}
		keys = append(keys, NamedKey{id, func() []byte { return secret }})
	}
	return keys, nil
}

func validKeyID(id string) bool {
	return id != "" && len(id) <= MaxKeyID && strings.IndexFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) < 0
}
