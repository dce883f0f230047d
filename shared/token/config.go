package token

import (
	"context"
	"fmt"

	"newsletter/shared/config"
)

// Each purpose of links has a list of keys of its own: "id:key,id:key", the newest first. An id is 1 to 16 letters, digits,
// - or _, and may be left out; a key is at least 32 random bytes in base64. The newest key signs and all verify. To change
// a key, put a new one in front and keep the old one until its links have ended.

// ConfirmKeys are those of confirmation links.
type ConfirmKeys struct {
	// The keys that sign confirmation links, which are valid for 48 h: "id:key,id:key", newest first.
	List config.Sealed `env:"TOKEN_KEYS_CONFIRM,required"`
}

// UnsubscribeKeys are those of unsubscribe links.
type UnsubscribeKeys struct {
	// The keys that sign unsubscribe links: "id:key,id:key", newest first. These links never expire, so never remove
	// a key.
	List config.Sealed `env:"TOKEN_KEYS_UNSUBSCRIBE,required"`
}

// PrivacyKeys are those of the links to a person's data, and of the links to their erasure: a link's purpose is signed.
type PrivacyKeys struct {
	// The keys that sign links to a copy or the erasure of a subscriber's data, which are valid for 24 h:
	// "id:key,id:key", newest first.
	List config.Sealed `env:"TOKEN_KEYS_PRIVACY,required"`
}

// keys reads the list of a purpose, and names its variable.
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

// ReadRing makes the ring of a purpose. A missing or malformed list is added to env, never its value; the ring is then
// nil. When a token names an unknown key, the list is fetched again through env.Reload.
func ReadRing(env *config.Env, p Purpose) *Ring {
	name, list := keys(env, p)
	if list.IsZero() {
		return nil
	}
	ring, err := NewRing(p, list.Reveal(), func(ctx context.Context) (string, error) {
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
