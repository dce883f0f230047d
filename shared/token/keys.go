package token

import (
	"crypto/hmac"
	"crypto/sha256"

	"newsletter/shared/config"
)

// key is one key of a ring.
type key struct {
	id   string
	sign func(body []byte) []byte
}

// parseKeys parses a list of keys, newest first.
func parseKeys(list string) ([]key, error) {
	named, err := config.ParseKeys(list)
	if err != nil {
		return nil, err
	}
	keys := make([]key, len(named))
	for i, k := range named {
		keys[i] = key{id: k.ID, sign: func(body []byte) []byte {
			mac := hmac.New(sha256.New, k.Secret())
			mac.Write([]byte("newsletter/token\x00"))
			mac.Write(body)
			return mac.Sum(nil)
		}}
	}
	return keys, nil
}
