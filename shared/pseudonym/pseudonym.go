// Package pseudonym turns personal data into keyed hashes, so that equal things can be recognised without being stored.
//
// Invariants: the hashes are HMAC-SHA256 under a key that stands outside the database and is never rotated by itself;
// each purpose has a key of its own, derived from it, so hashes of different purposes cannot be compared; the key is
// never printed. A keyed hash of an address stays personal data: whatever stores one gives it an end.
package pseudonym

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"net/netip"
	"sync"

	"newsletter/shared/config"
)

// ErrPepper means that PEPPER is not usable.
var ErrPepper = fmt.Errorf("PEPPER: %w", config.ErrKey)

// Config holds the key material.
type Config struct {
	// The key of the hashes of addresses and networks: at least 32 random bytes in base64. Changing it makes every
	// stored hash (suppressions, budgets, identities) unrecognizable.
	Pepper config.Sealed `env:"PEPPER,required"`
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	_, err := NewKey(c)
	return err
}

// Key makes pseudonyms. It is safe for concurrent use; the zero Key panics.
type Key struct {
	// A function, because fmt can print a byte slice inside an unexported field.
	mac func(purpose, message string) []byte
}

// NewKey makes a key of the configuration; the error is ErrPepper.
func NewKey(cfg Config) (Key, error) {
	pepper, err := config.DecodeKey(cfg.Pepper.Reveal())
	if err != nil {
		return Key{}, ErrPepper
	}
	hashes := make(map[string]*sync.Pool)
	for _, purpose := range []string{"address", "fold", "domain", "network", "lock", "feature", "id"} {
		derived := hmac.New(sha256.New, pepper)
		derived.Write([]byte("newsletter/pseudonym/" + purpose))
		key := derived.Sum(nil)
		hashes[purpose] = &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}
	}
	return Key{mac: func(purpose, message string) []byte {
		mac := hashes[purpose].Get().(hash.Hash)
		defer hashes[purpose].Put(mac)
		mac.Reset()
		mac.Write([]byte(message))
		return mac.Sum(nil)
	}}, nil
}

// Address returns the pseudonym of a normalised address, 32 bytes.
func (k Key) Address(norm string) []byte { return k.mac("address", norm) }

// Fold returns the pseudonym of a folded address, under which the caps on mail to strangers count, 32 bytes.
func (k Key) Fold(fold string) []byte { return k.mac("fold", fold) }

// Domain returns the pseudonym of a registrable domain, under which the cap on mail to one domain counts, 32 bytes.
func (k Key) Domain(domain string) []byte { return k.mac("domain", domain) }

// Network returns the pseudonym of a client's network, 32 hexadecimal digits (128 bits). Host bits of prefix do not count.
func (k Key) Network(prefix netip.Prefix) string {
	return hex.EncodeToString(k.mac("network", prefix.Masked().String())[:16])
}

// Lock returns the number of the advisory lock of a text such as a folded address. Two texts share a number with a chance of
// 1 in 2⁶⁴, which costs them waiting for each other and nothing else. It is never 0.
func (k Key) Lock(text string) int64 {
	number := int64(binary.BigEndian.Uint64(k.mac("lock", text))) //nolint:gosec // all 64 bits are wanted
	if number == 0 {
		return 1
	}
	return number
}

// Feature returns the number of a trait of a sign-up, such as a part of the address, by which sign-ups are compared. Without
// the key it cannot be told which trait has which number.
func (k Key) Feature(text string) uint64 { return binary.BigEndian.Uint64(k.mac("feature", text)) }

// ID names the key without telling anything of it: 8 hexadecimal digits, stored beside the hashes.
func (k Key) ID() string { return hex.EncodeToString(k.mac("id", "")[:4]) }
