package token

import (
	"context"
	"fmt"

	"newsletter/shared/config"
)

// Each purpose of links has its own list of keys: "id:key,id:key", newest first. An id is 1 to 16 letters, digits, - or
// _, and is optional; a key is at least 32 random bytes in base64. The newest key signs, and all keys verify. To
// rotate, add a new key in front and keep the old one for RenewalPeriod, in which an expired link can be renewed.

// ConfirmKeys holds the keys of confirmation links.
type ConfirmKeys struct {
	// The keys that sign confirmation links, which are valid for 48 h and can be renewed for 35 days: "id:key,id:key",
	// newest first.
	List config.Sealed `env:"TOKEN_KEYS_CONFIRM,required"`
}

// UnsubscribeKeys holds the keys of unsubscribe links.
type UnsubscribeKeys struct {
	// The keys that sign unsubscribe links: "id:key,id:key", newest first. These links never expire, so never remove
	// a key.
	List config.Sealed `env:"TOKEN_KEYS_UNSUBSCRIBE,required"`
}

// PrivacyKeys holds the keys of both export and erasure links. They share keys because a link's purpose is signed.
type PrivacyKeys struct {
	// The keys that sign links to a copy or the erasure of a subscriber's data, which are valid for 24 h and can be
	// renewed for 35 days: "id:key,id:key", newest first.
	List config.Sealed `env:"TOKEN_KEYS_PRIVACY,required"`
}

// keys returns the list of a purpose and the name of its variable.
func keys(env *config.Env, p Purpose) (name string, list config.Sealed) {
	switch p {
	case Confirm:
		return "TOKEN_KEYS_CONFIRM", config.Read[ConfirmKeys](env).List
	case Unsubscribe:
		return "TOKEN_KEYS_UNSUBSCRIBE", config.Read[UnsubscribeKeys](env).List
	case Export, Erase:
		return "TOKEN_KEYS_PRIVACY", config.Read[PrivacyKeys](env).List
	}
	return "", config.Sealed{}
}

// ReadRing returns the ring of a purpose. If the list is missing or malformed, it adds an error without the value to
// env and returns nil. When a token names an unknown key, the ring fetches the list again through env.Reload.
func ReadRing(env *config.Env, p Purpose) *Ring {
	name, list := keys(env, p)
	if list.IsZero() {
		return nil
	}
	ring, err := parseRing(p, list.Reveal(), func(ctx context.Context) (string, error) {
		fresh, err := env.Reload(ctx)
		if err != nil {
			return "", err
		}
		_, list := keys(fresh, p)
		return list.Reveal(), fresh.Err()
	})
	if err != nil {
		env.Add(fmt.Errorf("%s: %w", name, err))
		return nil
	}
	return ring
}
