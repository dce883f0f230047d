// Package keyring keeps lists of HMAC keys that can be rotated: the newest key of a list signs, and all of them verify.
//
// Failure policy: a call that names an unknown key fetches the list again, at most once a minute. ErrReload means that it
// could not be fetched, so that nothing is known about the key.
package keyring

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"newsletter/shared/config"
)

var (
	// ErrReload is the error for an unknown key when the list could not be fetched again.
	ErrReload = errors.New("keyring: the keys could not be reloaded")
	// ErrUnknown is the error for a key that is not in the list.
	ErrUnknown = errors.New("keyring: unknown key")
)

// reloadPause is the minimum time between two reloads of the keys, so that forged key ids cannot cause more requests
// for the secret.
const reloadPause = time.Minute

// Reload fetches a list again.
type Reload func(ctx context.Context) (string, error)

// Ring holds the keys of one list. It is safe for concurrent use.
type Ring struct {
	label  string
	reload Reload // nil: the keys never change

	keys atomic.Pointer[[]Key]

	mu       sync.Mutex // guards reloaded and failed; callers with known keys do not wait for a reload
	reloaded time.Time  // time of the last attempt
	failed   error      // error of the last attempt
}

// Key is one key of a ring.
type Key struct {
	ID string
	// Sign returns the HMAC-SHA256 of the ring's label and body.
	Sign func(body []byte) []byte
}

// Parse returns the ring of a list "id:base64key,id:base64key", newest first. Rings with different labels never accept
// each other's HMACs, even of the same key. reload may be nil. The error never contains a key.
func Parse(label, list string, reload Reload) (*Ring, error) {
	keys, err := parse(label, list)
	if err != nil {
		return nil, err
	}
	ring := &Ring{label: label, reload: reload}
	ring.keys.Store(&keys)
	return ring, nil
}

func parse(label, list string) ([]Key, error) {
	named, err := config.ParseKeys(list)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, len(named))
	for i, k := range named {
		keys[i] = Key{ID: k.ID, Sign: func(body []byte) []byte {
			mac := hmac.New(sha256.New, k.Secret())
			mac.Write([]byte(label + "\x00"))
			mac.Write(body)
			return mac.Sum(nil)
		}}
	}
	return keys, nil
}

// Newest returns the key that signs.
func (r *Ring) Newest() Key { return (*r.keys.Load())[0] }

// Find returns the key of an id, reloading the list if it is unknown. Concurrent callers with unknown ids share a
// reload. The error is ErrUnknown or ErrReload.
func (r *Ring) Find(ctx context.Context, id string, now time.Time) (Key, error) {
	if k, ok := r.lookup(id); ok {
		return k, nil
	}
	if r.reload == nil {
		return Key{}, ErrUnknown
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reloaded.IsZero() || now.Sub(r.reloaded) >= reloadPause {
		r.reloaded = now
		r.failed = r.refresh(ctx)
	}
	if k, ok := r.lookup(id); ok {
		return k, nil
	}
	if r.failed != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrReload, r.failed)
	}
	return Key{}, ErrUnknown
}

// refresh fetches and replaces the keys; on an error it keeps the old ones.
func (r *Ring) refresh(ctx context.Context) error {
	list, err := r.reload(ctx)
	if err != nil {
		return err
	}
	keys, err := parse(r.label, list)
	if err != nil {
		return err
	}
	r.keys.Store(&keys)
	return nil
}

func (r *Ring) lookup(id string) (Key, bool) {
	keys := *r.keys.Load()
	i := slices.IndexFunc(keys, func(k Key) bool { return k.ID == id })
	if i < 0 {
		return Key{}, false
	}
	return keys[i], true
}
