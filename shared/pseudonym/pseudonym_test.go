package pseudonym_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"newsletter/shared/config"
	"newsletter/shared/pseudonym"
)

const pepper = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=" // 01234567890123456789012345678901

func newKey(t testing.TB, pepper string) pseudonym.Key {
	t.Helper()
	key, err := pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(pepper)})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// The hashes are stored in databases and journals. The expected value was computed by another program.
func TestHashesNeverChange(t *testing.T) {
	const want = "5cafcc9b534598531b8bc2886469668c8bfb78158e9b9808d1891245ac5c4514"
	got := hex.EncodeToString(newKey(t, pepper).Address("jane@example.org"))
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPurposesAndKeysAreSeparate(t *testing.T) {
	key, other := newKey(t, pepper), newKey(t, strings.Repeat("QUJD", 11))
	const text = "jane@example.org"
	if bytes.Equal(key.Address(text), key.Mailbox(text)) {
		t.Error("address and mailbox pseudonyms of one text are equal")
	}
	if bytes.Equal(key.Address(text), other.Address(text)) || key.ID() == other.ID() || key.Lock(text) == other.Lock(text) {
		t.Error("two keys produce the same values")
	}
	if key.Lock(text) != newKey(t, pepper).Lock(text) {
		t.Error("equal keys produce different values")
	}
}

func TestNetworkIgnoresHostBits(t *testing.T) {
	key := newKey(t, pepper)
	a := key.Network(netip.MustParsePrefix("192.0.2.17/24"))
	if b := key.Network(netip.MustParsePrefix("192.0.2.200/24")); a != b || len(a) != 32 {
		t.Errorf("%q, %q", a, b)
	}
	if c := key.Network(netip.MustParsePrefix("192.0.2.17/32")); a == c {
		t.Error("prefixes of different length have the same pseudonym")
	}
}

func TestInvalidPeppersAreRejected(t *testing.T) {
	for name, value := range map[string]string{
		"missing": "", "not base64": strings.Repeat("!SECRET!", 8), "short": "U0VDUkVUU0VDUkVU",
	} {
		env := config.FromMap(map[string]string{"PEPPER": value})
		cfg := config.Read[pseudonym.Config](env)
		if err := env.Err(); err == nil || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "U0VD") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := pseudonym.NewKey(cfg); !errors.Is(err, pseudonym.ErrPepper) {
			t.Errorf("%s: %v", name, err)
		}
	}
	env := config.FromMap(nil)
	if config.Read[pseudonym.Config](env); env.Err() == nil {
		t.Error("a missing PEPPER is accepted")
	}
}

func TestKeyDoesNotPrintItself(t *testing.T) {
	holder := struct{ key pseudonym.Key }{newKey(t, pepper)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if printed := fmt.Sprintf(verb, holder); strings.Contains(printed, "0123") || strings.Contains(printed, "MDEy") || strings.Contains(printed, "48, 49") {
			t.Errorf("%s prints %s", verb, printed)
		}
	}
}

func ExampleKey() {
	env := config.FromMap(map[string]string{"PEPPER": pepper})
	cfg := config.Read[pseudonym.Config](env)
	if err := env.Err(); err != nil {
		fmt.Println(err)
		return
	}
	key, err := pseudonym.NewKey(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(key.Address("jane@example.org")), key.Network(netip.MustParsePrefix("192.0.2.17/24")))
	// Output: 32 dc4cdacf4aa5785f71ebddbcf559552f
}
