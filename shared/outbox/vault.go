package outbox

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"newsletter/shared/config"
)

// ErrSealed says that a sealed payload cannot be opened: it was changed, belongs to another event, or its key is gone.
var ErrSealed = errors.New("outbox: the sealed payload cannot be opened")

// VaultConfig holds the keys of sealed payloads.
type VaultConfig struct {
	// The keys that encrypt what a delivery needs about an erased subscriber: "id:key,id:key", newest first. The id
	// is optional, and a key is 32 random bytes in base64. The newest key encrypts, and all keys decrypt. Keep an old
	// key while deliveries are retried (a few hours) or dead-lettered.
	Keys config.Sealed `env:"OUTBOX_KEYS,required"`
}

// ReadVault makes the vault of env's OUTBOX_KEYS. What is wrong with it is added to env, never a value; the vault is then
// nil.
func ReadVault(env *config.Env) *Vault {
	var cfg VaultConfig
	env.Read(&cfg)
	if cfg.Keys.IsZero() {
		return nil
	}
	vault, err := NewVault(cfg.Keys.Reveal())
	if err != nil {
		env.Add(fmt.Errorf("OUTBOX_KEYS: %w", err))
		return nil
	}
	return vault
}

// Vault seals what a row would otherwise lose, such as the address of somebody who was erased and whom a provider has
// still to be told of. It is AES-256-GCM with a random nonce, bound to the ledger event; at one erasure in a second, a key
// is good for a century (NIST SP 800-38D §8.3: 2³² messages). It is safe for concurrent use.
type Vault struct {
	newest string
	keys   map[string]cipher.AEAD
}

// NewVault makes a vault of a list of keys, the newest first. The error repeats no value.
func NewVault(list string) (*Vault, error) {
	named, err := config.ParseKeys(list)
	if err != nil {
		return nil, err
	}
	v := &Vault{newest: named[0].ID, keys: map[string]cipher.AEAD{}}
	for _, k := range named {
		// Secrets may be longer than a key, as generators of passwords make them.
		key := sha256.Sum256(append([]byte("newsletter/outbox\x00"), k.Secret()...))
		block, err := aes.NewCipher(key[:])
		if err != nil {
			return nil, err
		}
		if v.keys[k.ID], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// Seal encrypts plain for the rows of a ledger event.
func (v *Vault) Seal(event uuid.UUID, plain []byte) []byte {
	head := append([]byte{byte(len(v.newest))}, v.newest...) //nolint:gosec // at most 16
	return v.keys[v.newest].Seal(head, nil, plain, event[:]) //nolint:gosec // the cipher makes the nonce by itself
}

// Open decrypts what Seal made for the same event. The error is ErrSealed.
func (v *Vault) Open(event uuid.UUID, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || len(sealed) <= int(sealed[0]) {
		return nil, ErrSealed
	}
	end := 1 + int(sealed[0])
	key := v.keys[string(sealed[1:end])]
	if key == nil {
		return nil, ErrSealed
	}
	plain, err := key.Open(nil, nil, sealed[end:], event[:])
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}
