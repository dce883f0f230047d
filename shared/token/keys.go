package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// minKey is the shortest key that is taken: 256 bits, the strength of the hash.
const minKey = 32

// key is one key of a ring. The bytes stand behind a function, because fmt prints byte slices in unexported fields.
type key struct {
	id   string
	sign func(body []byte) []byte
}

// parseKeys reads "id:base64key,id:base64key", newest first. A key without an id, as CloudFormation makes them, gets the
// start of its hash for an id. Errors name positions and never repeat a value.
func parseKeys(spec string) ([]key, error) {
	var keys []key
	seen := map[string]bool{}
	for i, part := range strings.Split(spec, ",") {
		id, encoded, found := strings.Cut(strings.TrimSpace(part), ":")
		if !found {
			id, encoded = "", id
		}
		secret, err := decodeKey(encoded)
		if err != nil || len(secret) < minKey {
			return nil, fmt.Errorf("key %d: must be at least %d random bytes in base64", i+1, minKey)
		}
		if !found {
			sum := sha256.Sum256(secret)
			id = hex.EncodeToString(sum[:4])
		}
		if !validID(id) {
			return nil, fmt.Errorf("key %d: must be id:base64, the id 1 to %d letters, digits, - or _", i+1, maxKeyID)
		}
		if seen[id] {
			return nil, fmt.Errorf("key %d: its id stands twice in the list", i+1)
		}
		seen[id] = true
		keys = append(keys, key{id: id, sign: func(body []byte) []byte {
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte("newsletter/token\x00"))
			mac.Write(body)
			return mac.Sum(nil)
		}})
	}
	return keys, nil
}

func validID(id string) bool {
	if id == "" || len(id) > maxKeyID {
		return false
	}
	return strings.IndexFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) < 0
}

// decodeKey takes standard and URL base64, with and without padding, as key generators print all of them.
func decodeKey(s string) ([]byte, error) {
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if decoded, err := encoding.DecodeString(s); err == nil {
			return decoded, nil
		}
	}
	return nil, errors.New("not base64")
}
