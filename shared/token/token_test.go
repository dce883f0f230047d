package token

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/config"
	"newsletter/shared/keyring"
)

// A fixed clock and fixed keys: the tests compare texts.
var (
	testNow  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	keyA     = "a:" + strings.Repeat("QUFB", 11)
	keyB     = "b-2:" + strings.Repeat("QkJC", 11)
	testSubj = uuid.MustParse("0190a0b0-c0d0-7000-8000-000000000001")
	testEvnt = uuid.MustParse("0190a0b0-c0d0-7000-8000-000000000002")
)

func newRing(t testing.TB, p Purpose, list string) *Ring {
	t.Helper()
	ring, err := parseRing(p, list, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func confirmClaims() Claims {
	return Claims{Purpose: Confirm, Link: Link{SubscriberID: testSubj, EventID: testEvnt, Epoch: 7}, Expires: testNow.Add(ConfirmLifetime)}
}

func TestSignedClaimsComeBack(t *testing.T) {
	for name, c := range map[string]Claims{
		"confirm":     confirmClaims(),
		"unsubscribe": {Purpose: Unsubscribe, Link: Link{SubscriberID: testSubj, Epoch: 1 << 30}},
		"export":      {Purpose: Export, Link: Link{SubscriberID: testSubj, EventID: testEvnt, Epoch: 1}, Expires: testNow.Add(privacyLifetime)},
		"erase":       {Purpose: Erase, Link: Link{SubscriberID: testSubj, EventID: testEvnt, Epoch: 1}, Expires: testNow.Add(privacyLifetime)},
	} {
		t.Run(name, func(t *testing.T) {
			ring := newRing(t, c.Purpose, keyA)
			text := ring.Sign(c)
			got, err := ring.Verify(t.Context(), text, testNow)
			if err != nil || got != c {
				t.Fatalf("%+v came back as %+v, %v", c, got, err)
			}
			if len(text) > 140 || strings.ContainsAny(text, "+/=,&%") {
				t.Errorf("not fit for a link: %q", text)
			}
		})
	}
}

// The layout is a promise to every email that was ever sent. The texts were made by another program after the package's
// description of the layout.
func TestLayoutNeverChanges(t *testing.T) {
	unsubscribe := newRing(t, Unsubscribe, keyA).Sign(Claims{Link: Link{SubscriberID: testSubj, Epoch: 3}})
	if want := "AQIBYQGQoLDA0HAAgAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAwAAAAAAAAAAkrzW8NDWYOm1mZ4M2pOYJDeuZD2tu_wL-P2oQUZag34"; unsubscribe != want {
		t.Errorf("unsubscribe: %s, want %s", unsubscribe, want)
	}
	confirm := newRing(t, Confirm, keyA).Sign(confirmClaims())
	if want := "AQEBYQGQoLDA0HAAgAAAAAAAAAEBkKCwwNBwAIAAAAAAAAACAAAABwAAAABpps1AqHjeWkjuzF0cRFzJYAkOgf9ZJOitL88yTkqnRPAsX0Q"; confirm != want {
		t.Errorf("confirm: %s, want %s", confirm, want)
	}
}

func TestEveryOtherTextIsRefused(t *testing.T) {
	ring := newRing(t, Confirm, keyA)
	valid := ring.Sign(confirmClaims())
	raw, err := base64.RawURLEncoding.DecodeString(valid)
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string]string{
		"empty":              "",
		"short":              "AQ",
		"padded":             valid + "=",
		"a line break":       valid[:10] + "\n" + valid[10:],
		"a trailing space":   valid + " ",
		"standard alphabet":  base64.RawStdEncoding.EncodeToString(append([]byte{0xff, 0xfe}, raw...)),
		"cut":                valid[:len(valid)-4],
		"longer":             valid + "AAAA",
		"much longer":        strings.Repeat("A", 1<<20),
		"another ring's":     newRing(t, Confirm, keyB).Sign(confirmClaims()),
		"another key by id":  newRing(t, Confirm, "a:"+strings.Repeat("QkJC", 11)).Sign(confirmClaims()),
		"without an expiry":  ring.Sign(Claims{Link: Link{SubscriberID: testSubj, EventID: testEvnt, Epoch: 7}}),
		"expired":            ring.Sign(Claims{Link: Link{SubscriberID: testSubj, EventID: testEvnt}, Expires: testNow.Add(ConfirmLifetime - RenewalPeriod)}),
		"another purpose's":  newRing(t, Export, keyA).Sign(confirmClaims()),
		"an unsubscribe one": newRing(t, Unsubscribe, keyA).Sign(confirmClaims()),
	}
	for i := range raw {
		changed := append([]byte(nil), raw...)
		changed[i] ^= 0x40
		refused[fmt.Sprintf("byte %d changed", i)] = base64.RawURLEncoding.EncodeToString(changed)
	}
	for name, text := range refused {
		if got, err := ring.Verify(t.Context(), text, testNow); !errors.Is(err, ErrInvalid) || got != (Claims{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := ring.Verify(t.Context(), valid, testNow.Add(ConfirmLifetime-time.Second)); err != nil {
		t.Errorf("refused in its last second: %v", err)
	}
}

func TestAnExpiredLinkCanBeRenewedForAWhile(t *testing.T) {
	for p, lifetime := range map[Purpose]time.Duration{Confirm: ConfirmLifetime, Export: privacyLifetime, Erase: privacyLifetime} {
		ring := newRing(t, p, keyA)
		want := Claims{Purpose: p, Link: Link{SubscriberID: testSubj, EventID: testEvnt, Epoch: 7}, Expires: p.Expiry(testNow)}
		text := ring.Sign(want)
		for _, at := range []time.Duration{lifetime, RenewalPeriod - time.Second} {
			got, err := ring.Verify(t.Context(), text, testNow.Add(at))
			if got != want || !errors.Is(err, ErrRenewable) || !errors.Is(err, ErrInvalid) || Reason(err) != "link_expired" {
				t.Errorf("%d after %v: %+v, %v", p, at, got, err)
			}
		}
		got, err := ring.Verify(t.Context(), text, testNow.Add(RenewalPeriod))
		if got != (Claims{}) || !errors.Is(err, ErrInvalid) || errors.Is(err, ErrRenewable) || Reason(err) != "link_expired" {
			t.Errorf("%d after %v: %+v, %v", p, RenewalPeriod, got, err)
		}
		forged := []byte(text)
		forged[len(forged)-3] ^= 1
		if got, err := ring.Verify(t.Context(), string(forged), testNow.Add(lifetime)); got != (Claims{}) || errors.Is(err, ErrRenewable) {
			t.Errorf("%d, forged: %+v, %v", p, got, err)
		}
	}
}

// The last character of an unpadded text can carry bits that mean nothing; a second text for one token must not pass.
func TestOneTextForOneToken(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, id := range []string{"a", "bb", "ccc"} { // all three remainders of the length
		ring := newRing(t, Unsubscribe, id+":"+strings.Repeat("QUFB", 11))
		text := ring.Sign(Claims{Link: Link{SubscriberID: testSubj}})
		for i := range len(alphabet) {
			other := text[:len(text)-1] + alphabet[i:i+1]
			if _, err := ring.Verify(t.Context(), other, testNow); (err == nil) != (other == text) {
				t.Errorf("id %q: last character %q: %v", id, alphabet[i], err)
			}
		}
	}
}

func TestUnsubscribeLinksNeverEnd(t *testing.T) {
	ring := newRing(t, Unsubscribe, keyA)
	text := ring.Sign(Claims{Link: Link{SubscriberID: testSubj}, Expires: testNow.Add(-time.Hour)})
	if _, err := ring.Verify(t.Context(), text, testNow.AddDate(50, 0, 0)); err != nil {
		t.Error(err)
	}
}

func TestRotation(t *testing.T) {
	old := newRing(t, Confirm, keyA)
	both := newRing(t, Confirm, keyB+", "+keyA)
	if _, err := both.Verify(t.Context(), old.Sign(confirmClaims()), testNow); err != nil {
		t.Errorf("link of the old key: %v", err)
	}
	if _, err := old.Verify(t.Context(), both.Sign(confirmClaims()), testNow); !errors.Is(err, ErrInvalid) {
		t.Errorf("the newest key does not sign: %v", err)
	}
}

func TestUnknownKeyReloadsOnceAMinute(t *testing.T) {
	calls, list, failure := 0, keyA, error(nil)
	ring, err := parseRing(Confirm, keyA, func(context.Context) (string, error) {
		calls++
		return list, failure
	})
	if err != nil {
		t.Fatal(err)
	}
	fresh := newRing(t, Confirm, keyB+","+keyA).Sign(confirmClaims())
	expect := func(at time.Duration, wantCalls int, wantErr error) {
		t.Helper()
		if _, err := ring.Verify(t.Context(), fresh, testNow.Add(at)); !errors.Is(err, wantErr) || calls != wantCalls {
			t.Fatalf("at %v: %d reloads, %v; want %d, %v", at, calls, err, wantCalls, wantErr)
		}
	}
	expect(0, 1, ErrInvalid)
	expect(time.Second, 1, ErrInvalid)

	failure = errors.New("secrets manager is down")
	expect(time.Minute, 2, keyring.ErrReload)
	expect(time.Minute+time.Second, 2, keyring.ErrReload) // still nothing can be said
	failure, list = nil, "broken"
	expect(2*time.Minute, 3, keyring.ErrReload)
	if _, err := ring.Verify(t.Context(), newRing(t, Confirm, keyA).Sign(confirmClaims()), testNow); err != nil {
		t.Errorf("a failed reload cost the known key: %v", err)
	}

	list = keyB + "," + keyA
	expect(3*time.Minute, 4, nil)
	expect(3*time.Minute, 4, nil)
}

func TestReadRing(t *testing.T) {
	env := config.FromMap(map[string]string{"TOKEN_KEYS_CONFIRM": keyA})
	if ring := ReadRing(env, Confirm); ring == nil || env.Err() != nil {
		t.Fatalf("%v, %v", ring, env.Err())
	}
	for name, list := range map[string]string{
		"missing":    "",
		"empty id":   ":" + strings.Repeat("QUFB", 11),
		"long id":    strings.Repeat("x", 17) + ":" + strings.Repeat("QUFB", 11),
		"odd id":     "a b:" + strings.Repeat("QUFB", 11),
		"short":      "a:U0VDUkVU",
		"not base64": "a:" + strings.Repeat("?SECRET?", 9),
		"twice":      keyA + "," + keyA,
		"a comma":    keyA + ",",
	} {
		env := config.FromMap(map[string]string{"TOKEN_KEYS_PRIVACY": list})
		ring := ReadRing(env, Erase)
		err := env.Err()
		if ring != nil || err == nil || !strings.HasPrefix(err.Error(), "TOKEN_KEYS_PRIVACY: ") {
			t.Errorf("%s: %v, %v", name, ring, err)
			continue
		}
		for _, leak := range []string{"QUFB", "SECRET", "U0VD"} {
			if strings.Contains(err.Error(), leak) {
				t.Errorf("%s: the error repeats the key: %v", name, err)
			}
		}
	}
}

func TestRingDoesNotPrintItsKeys(t *testing.T) {
	ring := newRing(t, Confirm, keyA)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		printed := fmt.Sprintf(verb, ring) + fmt.Sprintf(verb, ring.keys.Newest())
		for _, leak := range []string{"AAAA", "QUFB", "41414141", "65, 65", "65 65", "0x41, 0x41"} {
			if strings.Contains(printed, leak) {
				t.Errorf("%s prints %s", verb, printed)
			}
		}
	}
}

func FuzzVerify(f *testing.F) {
	confirm, unsubscribe := newRing(f, Confirm, keyA), newRing(f, Unsubscribe, keyA+","+keyB)
	f.Add(confirm.Sign(confirmClaims()))
	f.Add(unsubscribe.Sign(Claims{Link: Link{SubscriberID: testSubj, Epoch: 1}}))
	f.Add("")
	f.Add("AQIBYQ==")
	f.Fuzz(func(t *testing.T, text string) {
		for _, ring := range []*Ring{confirm, unsubscribe} {
			claims, err := ring.Verify(t.Context(), text, testNow)
			switch {
			case err == nil && ring.Sign(claims) != text:
				t.Errorf("%q passes but is not what its claims are signed as", text)
			case err != nil && (!errors.Is(err, ErrInvalid) || claims != Claims{}):
				t.Errorf("%+v, %v", claims, err)
			}
		}
	})
}
