package ledger

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf8"
)

// randomText is 32 random bytes.
const randomText = "q7Xv0ZcK3mTf9sLwR2yBn8HdUeJ5gPaVbQ1oMiCtX4k"

// TestRandomKeysAreDropped checks that of a thousand keys, in either alphabet, none is kept.
func TestRandomKeysAreDropped(t *testing.T) {
	kept := 0
	for i := range 1000 {
		raw := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		for _, key := range []string{base64.StdEncoding.EncodeToString(raw[:]), base64.RawURLEncoding.EncodeToString(raw[:]), hex.EncodeToString(raw[:])} {
			if (SentSource{Ref: key}).Clean().Ref != "" {
				kept++
			}
		}
	}
	if kept > 0 {
		t.Errorf("%d were kept", kept)
	}
}

func TestSourceIsCleaned(t *testing.T) {
	for raw, want := range map[string]string{
		"https://example.org/a/b?email=jane@example.org#x":                                   "https://example.org/a/b",
		"https://jane:secret@example.org/a":                                                  "https://example.org/a",
		"https://example.org/jane@example.org":                                               "",
		"https://example.org/jane%40example.org":                                             "",
		"https://example.org/jane%2540example.org":                                           "",
		"mailto:jane@example.org":                                                            "",
		"/relative/path?x=1":                                                                 "/relative/path",
		"https://exa mple.org/":                                                              "",
		"https://example.org/seen/192.0.2.7/":                                                "",
		"https://example.org/seen/2001:db8::7":                                               "",
		"http://192.0.2.7:8080/form":                                                         "http://192.0.2.7:8080/form",
		"https://example.org/confirm/" + randomText:                                          "",
		"https://example.org/avatar/" + strings.Repeat("0a1b2c3d", 4):                        "",
		"https://example.org/posts/3f1e0e6a-55c0-4a0e-9a3c-0b6d1c6f7a10":                     "https://example.org/posts/3f1e0e6a-55c0-4a0e-9a3c-0b6d1c6f7a10",
		"https://example.org/2026/11/The-10-Best-Newsletters-For-Go-Developers-Of-2026.html": "https://example.org/2026/11/The-10-Best-Newsletters-For-Go-Developers-Of-2026.html",
		"": "",
		"https://example.org/" + strings.Repeat("x", 5000): "https://example.org/" + strings.Repeat("x", maxURL-20),
	} {
		got := SentSource{Page: raw, Referrer: raw}.Clean()
		if got.Page != want || got.Referrer != want {
			t.Errorf("%.60q: %q, want %q", raw, got.Page, want)
		}
	}
	source := SentSource{Ref: "jane@example.org", Origin: "a%40b", Medium: "mail\x00\n", Campaign: strings.Repeat("é", 200), Term: "spring", Content: "A%2540B"}.Clean()
	if want := (SentSource{Medium: "mail", Campaign: strings.Repeat("é", 50), Term: "spring"}); source != want {
		t.Errorf("%+v", source)
	}
	secrets := SentSource{Ref: randomText, Origin: "from 192.0.2.7", Medium: "2001:db8::7", Campaign: "BlackFriday2026_NewsletterHeaderButtonA", Term: "at 12:30:45",
		Content: randomText[:20] + "\x00" + randomText[20:]}.Clean()
	if want := (SentSource{Campaign: "BlackFriday2026_NewsletterHeaderButtonA", Term: "at 12:30:45"}); secrets != want {
		t.Errorf("%+v", secrets)
	}
	if again := source.Clean(); again != source {
		t.Errorf("cleaned twice: %+v", again)
	}
	if stored := Source(source); ParseSource(stored.JSON()) != stored || ParseSource("no json") != (Source{}) || (Source{}).JSON() != "{}" {
		t.Error("JSON does not come back")
	}
}

func FuzzSource(f *testing.F) {
	f.Add("https://example.org/a?b=c", "toot")
	f.Add("//\x00@é%zz", "\xff")
	f.Fuzz(func(t *testing.T, page, mark string) {
		clean := SentSource{Page: page, Ref: mark}.Clean()
		for _, s := range []string{clean.Page, clean.Ref} {
			if strings.Contains(s, "@") || strings.ContainsRune(s, 0) || !utf8.ValidString(s) || len(s) > maxURL {
				t.Errorf("%q, %q: %q", page, mark, s)
			}
		}
		if stored := Source(clean); ParseSource(stored.JSON()) != stored {
			t.Errorf("%q, %q is not restored", page, mark)
		}
	})
}
