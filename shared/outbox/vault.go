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

// errSealed is the error for a sealed payload that cannot be opened: it was changed, belongs to another event, or its
// key is missing.
var errSealed = errors.New("outbox: the sealed payload cannot be opened")

// VaultConfig holds the keys of sealed payloads.
type VaultConfig struct {
	// The keys that encrypt what a delivery needs about an erased subscriber: "id:key,id:key", newest first. The id
	// is optional, and a key is 32 random bytes in base64. The newest key encrypts, and all keys decrypt. Keep an old
	// key while deliveries are retried (a few hours) or dead-lettered.
	Keys config.Sealed `env:"OUTBOX_KEYS,required"`
}

// ReadVault returns the vault of OUTBOX_KEYS. It adds mistakes to env, without the value, and then returns nil.
func ReadVault(env *config.Env) *Vault {
	var cfg VaultConfig
	env.Read(&cfg)
	if cfg.Keys.IsZero() {
		return nil
	}
	vault, err := newVault(cfg.Keys.Reveal())
	if err != nil {
		env.Add(fmt.Errorf("OUTBOX_KEYS: %w", err))
		return nil
	}
	return vault
}

// A Vault seals data that the database no longer keeps, such as the address of an erased subscriber, which a
// destination still has to delete. It uses AES-256-GCM with a random nonce, bound to the ledger event. At one erasure a
// second, a key lasts a century (NIST SP 800-38D §8.3: 2³² messages). It is safe for concurrent use.
type Vault struct {
	newest string
	keys   map[string]cipher.AEAD
}

// newVault returns a vault with a list of keys, the newest first. The error contains no key.
func newVault(list string) (*Vault, error) {
	named, err := config.ParseKeys(list)
	if err != nil {
		return nil, err
	}
	v := &Vault{newest: named[0].ID, keys: map[string]cipher.AEAD{}}
	for _, k := range named {
		// Hash the secret: a password generator may make one longer than a key.
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

// Seal encrypts plain for the messages of a ledger event.
func (v *Vault) Seal(event uuid.UUID, plain []byte) []byte {
	head := append([]byte{byte(len(v.newest))}, v.newest...) //nolint:gosec // at most 16
	return v.keys[v.newest].Seal(head, nil, plain, event[:]) //nolint:gosec // the cipher makes the nonce by itself
}

// Open decrypts the output of Seal for the same event. The error is errSealed.
func (v *Vault) Open(event uuid.UUID, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || len(sealed) <= int(sealed[0]) {
		return nil, errSealed
	}
	end := 1 + int(sealed[0])
	key := v.keys[string(sealed[1:end])]
	if key == nil {
		return nil, errSealed
	}
	plain, err := key.Open(nil, nil, sealed[end:], event[:])
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}
