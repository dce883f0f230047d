// Package apikey mints and verifies the keys of servers. A key states its id and its scopes.
//
// A key is "nlk_" and strict base64url (RFC 4648 §5, no padding) of
//
//	byte  0      1                 layout version
//	byte  1      scopes            1 signup, 2 suppressions, 4 read, or their sum
//	byte  2      n                 length of the id of the signing key, 1–16
//	bytes 3…     signing key       n bytes
//	16 bytes     id                a UUIDv7
//	16 bytes     random            128 bits
//	32 bytes     HMAC-SHA256       over all bytes before it, under the key that the id names in the ring
//
// Invariants: a forged key is recognized without I/O. A key also needs its row, which has the hash of the whole key, so
// that who has the ring alone can mint none, and who has the database alone can make none. A key has exactly one
// encoding. HMACs and hashes are compared in constant time. No error contains a key.
//
// Failure policy: every invalid key results in ErrInvalid. keyring.ErrReload means that the ring could not be fetched, so
// that the key could not be verified.
package apikey

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/config"
	"newsletter/shared/keyring"
)

// Config holds the keys of the ring.
type Config struct {
	// The keys that sign the keys of servers: "id:key,id:key", newest first. Removing a key ends all keys that it signed.
	Ring config.Sealed `env:"TOKEN_KEYS_SERVER,required"`
}

// prefix begins every key, so that people and scanners of source code recognize one.
const prefix = "nlk_"

const (
	layoutVersion = 1
	headSize      = 3
	randomSize    = 16
	bodySize      = 16 + randomSize
	maxSize       = headSize + config.MaxKeyID + bodySize + sha256.Size
)

var (
	// ErrInvalid is the error for a key that is malformed, forged, unknown or revoked. Clients do not learn which.
	ErrInvalid = errors.New("apikey: invalid")
	// ErrScope is the error for a key without the scope.
	ErrScope = errors.New("apikey: missing scope")
)

var strict = base64.RawURLEncoding.Strict()

// Key is a verified key. Only its row shows whether it was created and is not revoked: see Row.
type Key struct {
	ID     uuid.UUID
	Scopes Scopes
	hash   [sha256.Size]byte
}

// Hash returns the hash of the key's text, by which its row recognizes it. The text has 128 random bits, so the hash
// needs no salt.
func (k Key) Hash() []byte { return k.hash[:] }

// Row is the row of a key.
type Row struct {
	Hash    []byte // nil if there is no row
	Scopes  []string
	Revoked bool
}

// Check returns nil if the key has its row, is not revoked and has the scope, also in the row. The error is ErrInvalid or
// ErrScope.
func (r Row) Check(k Key, scope Scopes) error {
	if subtle.ConstantTimeCompare(r.Hash, k.hash[:]) != 1 || r.Revoked {
		return ErrInvalid
	}
	allowed, err := ParseScopes(r.Scopes)
	if err != nil || !k.Scopes.Has(scope) || !allowed.Has(scope) {
		return ErrScope
	}
	return nil
}

// Ring mints and verifies keys. It is safe for concurrent use.
type Ring struct{ keys *keyring.Ring }

// ReadRing returns the ring of TOKEN_KEYS_SERVER. If the list is missing or malformed, it adds an error without the value
// to env and returns nil.
func ReadRing(env *config.Env) *Ring {
	list := config.Read[Config](env).Ring
	if list.IsZero() {
		return nil
	}
	ring, err := parseRing(list.Reveal(), func(ctx context.Context) (string, error) {
		fresh, err := env.Reload(ctx)
		if err != nil {
			return "", err
		}
		list := config.Read[Config](fresh).Ring
		return list.Reveal(), fresh.Err()
	})
	if err != nil {
		env.Add(fmt.Errorf("TOKEN_KEYS_SERVER: %w", err))
		return nil
	}
	return ring
}

func parseRing(list string, reload keyring.Reload) (*Ring, error) {
	keys, err := keyring.Parse("newsletter/apikey", list, reload)
	if err != nil {
		return nil, err
	}
	return &Ring{keys}, nil
}

// Mint returns a new key with an id and scopes, signed with the newest key of the ring. The text is the secret.
func (r *Ring) Mint(id uuid.UUID, scopes Scopes) (text string, key Key) {
	newest := r.keys.Newest()
	b := make([]byte, 0, maxSize)
	b = append(b, layoutVersion, byte(scopes), byte(len(newest.ID))) //nolint:gosec // at most config.MaxKeyID
	b = append(b, newest.ID...)
	b = append(b, id[:]...)
	var random [randomSize]byte
	_, _ = rand.Read(random[:]) // never fails
	b = append(b, random[:]...)
	text = prefix + strict.EncodeToString(append(b, newest.Sign(b)...))
	return text, Key{id, scopes, sha256.Sum256([]byte(text))}
}

// Verify returns the key of a text. The error is ErrInvalid or keyring.ErrReload.
func (r *Ring) Verify(ctx context.Context, text string, now time.Time) (Key, error) {
	encoded, prefixed := strings.CutPrefix(text, prefix)
	if !prefixed || len(encoded) > strict.EncodedLen(maxSize) {
		return Key{}, ErrInvalid
	}
	// DecodeString ignores line breaks even in strict mode, so the text is compared with its only encoding.
	raw, err := strict.DecodeString(encoded)
	if err != nil || strict.EncodeToString(raw) != encoded || len(raw) < headSize || raw[0] != layoutVersion {
		return Key{}, ErrInvalid
	}
	idEnd := headSize + int(raw[2])
	if len(raw) != idEnd+bodySize+sha256.Size {
		return Key{}, ErrInvalid
	}
	signing, err := r.keys.Find(ctx, string(raw[headSize:idEnd]), now)
	if errors.Is(err, keyring.ErrUnknown) {
		return Key{}, ErrInvalid
	}
	if err != nil {
		return Key{}, err
	}
	signed, mac := raw[:idEnd+bodySize], raw[idEnd+bodySize:]
	if !hmac.Equal(signing.Sign(signed), mac) {
		return Key{}, ErrInvalid
	}
	return Key{uuid.UUID(raw[idEnd : idEnd+16]), Scopes(raw[1]), sha256.Sum256([]byte(text))}, nil
}
