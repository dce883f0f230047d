package outbox

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func TestVault(t *testing.T) {
	old, next := "a:"+strings.Repeat("QUJD", 11), "b:"+strings.Repeat("REVG", 11)
	open := func(list string) *Vault {
		t.Helper()
		v, err := newVault(list)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	event, plain := uuid.New(), []byte("jane@example.org")
	sealed := open(old).Seal(event, plain)
	if bytes.Contains(sealed, plain) || bytes.Equal(sealed, open(old).Seal(event, plain)) {
		t.Error("two seals of one text are equal")
	}
	if got, err := open(next+","+old).Open(event, sealed); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("after a change of keys: %q, %v", got, err)
	}
	refused := map[string]func() ([]byte, error){
		"another event": func() ([]byte, error) { return open(old).Open(uuid.New(), sealed) },
		"a lost key":    func() ([]byte, error) { return open(next).Open(event, sealed) },
		"another key":   func() ([]byte, error) { return open("a:"+strings.Repeat("REVG", 11)).Open(event, sealed) },
		"empty":         func() ([]byte, error) { return open(old).Open(event, nil) },
		"the head":      func() ([]byte, error) { return open(old).Open(event, sealed[:2]) },
		"only a length": func() ([]byte, error) { return open(old).Open(event, []byte{9, 1}) },
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		refused["byte "+string(rune('0'+i%10))] = func() ([]byte, error) { return open(old).Open(event, changed) }
	}
	for name, do := range refused {
		if got, err := do(); !errors.Is(err, errSealed) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, list := range []string{"", "a:short", old + "," + old, "a b:" + strings.Repeat("QUJD", 11)} {
		if _, err := newVault(list); err == nil || strings.Contains(err.Error(), "QUJD") {
			t.Errorf("%q: %v", list, err)
		}
	}
}
