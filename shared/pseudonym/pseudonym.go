// Package pseudonym turns personal data into keyed hashes, so that equal values can be recognized without being stored.
//
// Invariants: the hashes are HMAC-SHA256 under a key that is kept outside the database and never rotated automatically.
// Each purpose has its own derived key, so hashes of different purposes cannot be compared. The key is never printed. A
// keyed hash of an address is still personal data: every place that stores one must have a retention period.
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

	"github.com/google/uuid"

	"newsletter/shared/config"
)

// ErrPepper is the error for an unusable PEPPER.
var ErrPepper = fmt.Errorf("PEPPER: %w", config.ErrKey)

// Config is the key material.
type Config struct {
	// The key of the hashes of addresses and networks: at least 32 random bytes in base64. Changing it makes every
	// stored hash (suppressions, budgets, identities) unrecognizable.
	Pepper config.Sealed `env:"PEPPER,required"`
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	_, err := NewKey(c)
	return err
}

// Key makes pseudonyms. It is safe for concurrent use; the zero Key panics.
type Key struct {
	// It is a function because fmt would print a byte slice, even one in an unexported field.
	mac func(purpose, message string) []byte
}

// NewKey returns the key of the configuration. The error is ErrPepper.
func NewKey(cfg Config) (Key, error) {
	pepper, err := config.DecodeKey(cfg.Pepper.Reveal())
	if err != nil {
		return Key{}, ErrPepper
	}
	hashes := make(map[string]*sync.Pool)
	for _, purpose := range []string{"address", "mailbox", "domain", "network", "slot", "lock", "feature", "id", "outside"} {
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

// Address returns the pseudonym of a normalized address, 32 bytes.
func (k Key) Address(norm string) []byte { return k.mac("address", norm) }

// Mailbox returns the pseudonym of a canonical mailbox, 32 bytes. The mailbox budgets count by it.
func (k Key) Mailbox(mailboxKey string) []byte { return k.mac("mailbox", mailboxKey) }

// Domain returns the pseudonym of a registrable domain, 32 bytes. The slots of sign-ups count by it.
func (k Key) Domain(domain string) []byte { return k.mac("domain", domain) }

// SlotNetwork returns the pseudonym of a client's network, 16 bytes. The slots of sign-ups count by it.
func (k Key) SlotNetwork(prefix netip.Prefix) []byte {
	return k.mac("slot", prefix.Masked().String())[:16]
}

// Network returns the pseudonym of a client's network, 32 hexadecimal digits (128 bits). It ignores the host bits of
// prefix.
func (k Key) Network(prefix netip.Prefix) string {
	return hex.EncodeToString(k.mac("network", prefix.Masked().String())[:16])
}

// Lock returns the number of the advisory lock for a text such as a canonical mailbox. It is never 0. Two texts share a
// number with a probability of 2⁻⁶⁴; they then only wait for each other.
func (k Key) Lock(text string) int64 {
	number := int64(binary.BigEndian.Uint64(k.mac("lock", text))) //nolint:gosec // all 64 bits are wanted
	if number == 0 {
		return 1
	}
	return number
}

// Feature returns the number of a feature of a sign-up, such as a part of the address, by which sign-ups are compared.
// Without the key, the feature cannot be derived from the number.
func (k Key) Feature(text string) uint64 { return binary.BigEndian.Uint64(k.mac("feature", text)) }

// Outside returns the id by which a destination outside, such as "slack", knows a subscriber, an event or a message. What
// stays at a destination cannot be joined with our ids, nor with those of another destination. It is a UUID of the free
// form, version 8 (RFC 9562).
func (k Key) Outside(destination string, id uuid.UUID) uuid.UUID {
	var pseudonym uuid.UUID
	copy(pseudonym[:], k.mac("outside", destination+"\x00"+string(id[:])))
	pseudonym[6], pseudonym[8] = pseudonym[6]&0x0f|0x80, pseudonym[8]&0x3f|0x80
	return pseudonym
}

// ID identifies the key without revealing it: 8 hexadecimal digits, stored beside the hashes.
func (k Key) ID() string { return hex.EncodeToString(k.mac("id", "")[:4]) }
