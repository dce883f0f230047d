package ledger

import (
	"strings"
	"testing"
)

func TestCleanLocale(t *testing.T) {
	for sent, want := range map[string]Locale{
		"": "", "de": "de", "pt-BR": "pt-BR", "en_US": "en-US", " de\n": "de", "de_AT.UTF-8@euro": "de-AT", "en-US@posix": "en-US",
		"de-AT,de;q=0.9": "de-AT", "C": "", "*": "", "POSIX": "POSIX", "../../etc": "", "deutsch, bitte": "deutsch", "\x00de": "", "d\xffe": "",
		"i-klingon-and-so-on-and-so-on-and-so-on": "",
	} {
		if got := CleanLocale(sent); got != want {
			t.Errorf("%q: %q, want %q", sent, got, want)
		}
	}
}

func TestParseLocale(t *testing.T) {
	for tag, valid := range map[string]bool{
		"": true, "de": true, "pt-BR": true, "zh-Hant-TW": true, "sl-rozaj-biske-1994": true, "de-CH-1996-x-private": true,
		"d": false, "de_DE": false, "de-": false, "-de": false, "de--at": false, "dé": false, "toolongtag": false,
		"de-" + strings.Repeat("abcdefgh-", 4) + "a": false, "en'; drop table": false, "de\n": false,
	} {
		want := Locale("")
		if valid {
			want = Locale(tag)
		}
		if got, err := ParseLocale(tag); got != want || (err == nil) != valid {
			t.Errorf("%q: %q, %v", tag, got, err)
		}
	}
}
