package ledger

import (
	"strings"
	"testing"
)

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
