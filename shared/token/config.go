package token

import (
	"context"
	"fmt"

	"newsletter/shared/config"
)

// Config holds the keys of the links, one list for each purpose: "id:key,id:key", the newest first. An id is 1 to 16
// letters, digits, - or _, and may be left out; a key is at least 32 random bytes in base64. The newest key signs and all verify; to change a
// key, put a new one in front and keep the old one until its links have ended (unsubscribe links never do). A function
// reads the lists of the purposes that it serves and no others.
type Config struct {
	// Confirm keys the links that confirm a sign-up, valid for 48 h.
	Confirm config.Sealed `env:"TOKEN_KEYS_CONFIRM"`
	// Unsubscribe keys the links that end a subscription. They are valid for ever, so never take one of its keys away.
	Unsubscribe config.Sealed `env:"TOKEN_KEYS_UNSUBSCRIBE"`
	// Export keys the links to a person's data and to their erasure, valid for 24 h.
	Export config.Sealed `env:"TOKEN_KEYS_PRIVACY"`
	// Erase is the same list: a link's purpose is signed with it.
	Erase config.Sealed `env:"TOKEN_KEYS_PRIVACY"`
}

// of is the purpose's variable and its value.
func (c Config) of(p Purpose) (string, config.Sealed) {
	switch p {
	case Confirm:
		return "TOKEN_KEYS_CONFIRM", c.Confirm
	case Unsubscribe:
		return "TOKEN_KEYS_UNSUBSCRIBE", c.Unsubscribe
	case Export:
		return "TOKEN_KEYS_PRIVACY", c.Export
	case Erase:
		return "TOKEN_KEYS_PRIVACY", c.Erase
	}
	return "", config.Sealed{}
}

// ReadRing makes the ring of a purpose. A missing or malformed list is added to env, never its value; the ring is then
// nil. When a token names an unknown key, the list is fetched again through env.Reload.
func ReadRing(env *config.Env, p Purpose) *Ring {
	var cfg Config
	env.Read(&cfg)
	name, list := cfg.of(p)
	if list.IsZero() {
		env.Missing(name)
		return nil
	}
	ring, err := NewRing(p, list.Reveal(), func(ctx context.Context) (string, error) {
		fresh, err := env.Reload(ctx)
		if err != nil {
			return "", err
		}
		var cfg Config
		fresh.Read(&cfg)
		_, list := cfg.of(p)
		return list.Reveal(), fresh.Err()
	})
	if err != nil {
		env.Add(fmt.Errorf("%s: %w", name, err))
		return nil
	}
	return ring
}
