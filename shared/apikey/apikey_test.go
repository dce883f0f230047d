package apikey

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/keyring"
)

var (
	ringA = "a:" + strings.Repeat("QUFB", 11)
	ringB = "b:" + strings.Repeat("QkJC", 11)
)

func newRing(t testing.TB, list string) *Ring {
	t.Helper()
	ring, err := parseRing(list, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestMintedKeyIsVerified(t *testing.T) {
	ring, id := newRing(t, ringA), uuid.Must(uuid.NewV7())
	text, minted := ring.Mint(id, SignUp|Read)
	got, err := ring.Verify(t.Context(), text, time.Now())
	if err != nil || got != minted || got.ID != id || got.Scopes.String() != "signup,read" || !strings.HasPrefix(text, "nlk_") {
		t.Errorf("%s: %+v, %v", text, got, err)
	}
	if other, _ := ring.Mint(id, SignUp|Read); other == text {
		t.Error("two keys are equal")
	}
	if _, err := newRing(t, ringB+","+ringA).Verify(t.Context(), text, time.Now()); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
}

func TestEveryOtherTextIsInvalid(t *testing.T) {
	ring := newRing(t, ringA)
	text, _ := ring.Mint(uuid.Must(uuid.NewV7()), SignUp)
	raw, err := base64.RawURLEncoding.DecodeString(text[len(prefix):])
	if err != nil {
		t.Fatal(err)
	}
	encode := func(raw []byte) string { return prefix + base64.RawURLEncoding.EncodeToString(raw) }
	foreign, _ := newRing(t, ringB).Mint(uuid.Must(uuid.NewV7()), SignUp)
	renamed, _ := newRing(t, "a:"+strings.Repeat("QkJC", 11)).Mint(uuid.Must(uuid.NewV7()), SignUp)
	link, err := keyring.Parse("newsletter/token", ringA, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed := raw[:len(raw)-32]
	invalid := map[string]string{
		"empty": "", "prefix": prefix, "no prefix": text[len(prefix):], "other prefix": "sk_" + text[len(prefix):], "truncated": text[:len(text)-4],
		"longer": text + "AAAA", "much longer": prefix + strings.Repeat("A", 1<<20), "padded": text + "=", "line break": text[:9] + "\n" + text[9:],
		"another ring": foreign, "another ring's key of the same id": renamed, "the label of links": encode(append(signed[:len(signed):len(signed)], link.Newest().Sign(signed)...)),
	}
	for i := range raw {
		changed := append([]byte(nil), raw...)
		changed[i] ^= 0x02
		invalid[fmt.Sprintf("byte %d", i)] = encode(changed)
	}
	for name, text := range invalid {
		if got, err := ring.Verify(t.Context(), text, time.Now()); !errors.Is(err, ErrInvalid) || got != (Key{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestRowDecides(t *testing.T) {
	ring := newRing(t, ringA)
	_, key := ring.Mint(uuid.Must(uuid.NewV7()), SignUp|Read)
	_, same := ring.Mint(key.ID, SignUp|Read)
	for name, c := range map[string]struct {
		row   Row
		scope Scopes
		want  error
	}{
		"its row":                 {Row{key.Hash(), []string{"signup", "read"}, false}, SignUp, nil},
		"no row":                  {Row{}, SignUp, ErrInvalid},
		"revoked":                 {Row{key.Hash(), []string{"signup", "read"}, true}, SignUp, ErrInvalid},
		"another key of its id":   {Row{same.Hash(), []string{"signup", "read"}, false}, SignUp, ErrInvalid},
		"a scope that it lacks":   {Row{key.Hash(), []string{"signup", "read", "suppressions"}, false}, Suppressions, ErrScope},
		"a scope the row lacks":   {Row{key.Hash(), []string{"read"}, false}, SignUp, ErrScope},
		"a scope of a later time": {Row{key.Hash(), []string{"signup", "later"}, false}, SignUp, ErrScope},
	} {
		if err := c.row.Check(key, c.scope); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
