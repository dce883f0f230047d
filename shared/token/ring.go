package token

import (
	"context"
	"crypto/hmac"
	"errors"
	"time"

	"newsletter/shared/keyring"
)

// Ring signs and verifies the links of one purpose. It is safe for concurrent use.
type Ring struct {
	purpose Purpose
	keys    *keyring.Ring
}

// parseRing returns a ring of a list of keys, as keyring.Parse does.
func parseRing(p Purpose, list string, reload keyring.Reload) (*Ring, error) {
	keys, err := keyring.Parse("newsletter/token", list, reload)
	if err != nil {
		return nil, err
	}
	return &Ring{p, keys}, nil
}

// Sign returns the token of c, signed with the newest key. It ignores c.Purpose and uses the ring's. A confirm or
// privacy link without an expiry is never valid; for unsubscribe links, Sign ignores c.Expires.
func (r *Ring) Sign(c Claims) string {
	newest := r.keys.Newest()
	c.Purpose = r.purpose
	if c.Purpose == Unsubscribe {
		c.Expires = time.Time{}
	}
	signed := body(newest.ID, c)
	return strict.EncodeToString(append(signed, newest.Sign(signed)...))
}

// Verify returns the claims of a valid token, and those of a token with ErrRenewable. The error is ErrInvalid, or
// keyring.ErrReload if the token names an unknown key and the keys could not be fetched again.
func (r *Ring) Verify(ctx context.Context, text string, now time.Time) (Claims, error) {
	p, ok := parse(text)
	if !ok || p.claims.Purpose != r.purpose {
		return Claims{}, ErrInvalid
	}
	k, err := r.keys.Find(ctx, p.keyID, now)
	if errors.Is(err, keyring.ErrUnknown) {
		return Claims{}, errForged
	}
	if err != nil {
		return Claims{}, err
	}
	if !hmac.Equal(k.Sign(p.body), p.mac) {
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
