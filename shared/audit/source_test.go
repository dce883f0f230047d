package audit

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSourceIsCleaned(t *testing.T) {
	for raw, want := range map[string]string{
		"https://example.org/a/b?email=jane@example.org#x": "https://example.org/a/b",
		"https://jane:secret@example.org/a":                "https://example.org/a",
		"https://example.org/jane@example.org":             "",
		"https://example.org/jane%40example.org":           "",
		"https://example.org/jane%2540example.org":         "",
		"mailto:jane@example.org":                          "",
		"/relative/path?x=1":                               "/relative/path",
		"https://exa mple.org/":                            "",
		"":                                                 "",
		"https://example.org/" + strings.Repeat("x", 5000): "https://example.org/" + strings.Repeat("x", maxURL-20),
	} {
		got := Source{Page: raw, Referrer: raw}.Clean()
		if got.Page != want || got.Referrer != want {
			t.Errorf("%.60q: %q, want %q", raw, got.Page, want)
		}
	}
	marks := Source{Ref: "jane@example.org", Origin: "a%40b", Medium: "mail\x00\n", Campaign: strings.Repeat("é", 200), Term: "spring", Content: "A%2540B"}.Clean()
	if want := (Source{Medium: "mail", Campaign: strings.Repeat("é", 50), Term: "spring"}); marks != want {
		t.Errorf("%+v", marks)
	}
	if again := marks.Clean(); again != marks {
		t.Errorf("cleaning twice gives %+v", again)
	}
	if ParseSource(marks.JSON()) != marks || ParseSource("no json") != (Source{}) || (Source{}).JSON() != "{}" {
		t.Error("JSON does not come back")
	}
}

func FuzzSource(f *testing.F) {
	f.Add("https://example.org/a?b=c", "toot")
	f.Add("//\x00@é%zz", "\xff")
	f.Fuzz(func(t *testing.T, page, mark string) {
		clean := Source{Page: page, Ref: mark}.Clean()
		for _, s := range []string{clean.Page, clean.Ref} {
			if strings.Contains(s, "@") || strings.ContainsRune(s, 0) || !utf8.ValidString(s) || len(s) > maxURL {
				t.Errorf("%q, %q gives %q", page, mark, s)
			}
		}
		if ParseSource(clean.JSON()) != clean {
			t.Errorf("%q, %q does not come back", page, mark)
		}
	})
}
