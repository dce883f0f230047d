package token

import (
	"context"
	"crypto/hmac"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// reloadPause is the minimum time between two reloads of the keys, so that forged key ids cannot cause more requests
// for the secret.
const reloadPause = time.Minute

// Ring holds the keys of one purpose: the newest signs, all verify. It is safe for concurrent use.
type Ring struct {
	purpose Purpose
	reload  func(ctx context.Context) (string, error) // nil: the keys never change

	keys atomic.Pointer[[]key]

	mu       sync.Mutex // guards reloaded and failed; tokens of known keys do not wait for a reload
	reloaded time.Time  // time of the last attempt
	failed   error      // error of the last attempt
}

// parseRing returns a ring of a list "id:base64key,id:base64key", newest first. reload fetches the list again when a
// token names an unknown key; it may be nil. The error never contains a key.
func parseRing(p Purpose, list string, reload func(ctx context.Context) (string, error)) (*Ring, error) {
	keys, err := parseKeys(list)
	if err != nil {
		return nil, err
	}
	ring := &Ring{purpose: p, reload: reload}
	ring.keys.Store(&keys)
	return ring, nil
}

// Sign returns the token of c, signed with the newest key. It ignores c.Purpose and uses the ring's. A confirm or
// privacy link without an expiry is never valid; for unsubscribe links, Sign ignores c.Expires.
func (r *Ring) Sign(c Claims) string {
	newest := (*r.keys.Load())[0]
	c.Purpose = r.purpose
	if c.Purpose == Unsubscribe {
		c.Expires = time.Time{}
	}
	signed := body(newest.id, c)
	return strict.EncodeToString(append(signed, newest.sign(signed)...))
}

// Verify returns the claims of a valid token, and those of a token with ErrRenewable. The error is ErrInvalid, or
// ErrReload if the token names an unknown key and the keys could not be fetched again, which Verify attempts at most
// once a minute.
func (r *Ring) Verify(ctx context.Context, text string, now time.Time) (Claims, error) {
	p, ok := parse(text)
	if !ok || p.claims.Purpose != r.purpose {
		return Claims{}, ErrInvalid
	}
	k, err := r.find(ctx, p.keyID, now)
	if err != nil {
		return Claims{}, err
	}
	if !hmac.Equal(k.sign(p.body), p.mac) {
		return Claims{}, errForged
	}
	// Unsubscribe links never expire, and all other links do.
	if p.claims.Expires.IsZero() != (r.purpose == Unsubscribe) {
		return Claims{}, ErrInvalid
	}
	signed := p.claims.Expires.Add(-r.purpose.lifetime())
	switch {
	case r.purpose == Unsubscribe || now.Before(p.claims.Expires):
		return p.claims, nil
	case now.Before(signed.Add(RenewalPeriod)):
		return p.claims, ErrRenewable
	}
	return Claims{}, errExpired
}

// find returns the key of an id, reloading the keys if it is unknown. Concurrent callers with unknown ids share a
// reload.
func (r *Ring) find(ctx context.Context, id string, now time.Time) (key, error) {
	if k, ok := r.lookup(id); ok {
		return k, nil
	}
	if r.reload == nil {
		return key{}, errForged
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
		return key{}, fmt.Errorf("%w: %w", ErrReload, r.failed)
	}
	return key{}, errForged
}

// refresh fetches and replaces the keys; on an error it keeps the old ones.
func (r *Ring) refresh(ctx context.Context) error {
	list, err := r.reload(ctx)
	if err != nil {
		return err
	}
	keys, err := parseKeys(list)
	if err != nil {
		return err
	}
	r.keys.Store(&keys)
	return nil
}

func (r *Ring) lookup(id string) (key, bool) {
	keys := *r.keys.Load()
	i := slices.IndexFunc(keys, func(k key) bool { return k.id == id })
	if i < 0 {
		return key{}, false
	}
	return keys[i], true
}
