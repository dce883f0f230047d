package main

import (
	"net/http"
	"strings"
	"testing"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/token"
)

// TestTheSamePageEndsARestriction restricts the processing by the page of a privacy link, in every language, and ends that
// on the same page, which offers one of the two.
func TestTheSamePageEndsARestriction(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	link := privacyLink(b, token.Export)
	api := b.Open(open).HTTP
	for language, texts := range map[string][2]string{
		"en": {"The use of your data is restricted", "The restriction has ended"},
		"de": {"Die Verwendung Ihrer Daten ist eingeschränkt", "Die Einschränkung ist aufgehoben"},
		"fr": {"L’utilisation de vos données est limitée", "La limitation a pris fin"},
	} {
		for i, sample := range []string{"restrict-form", "unrestrict-form"} {
			show, press := functiontest.SampleHTTP(t, "privacy", "show", link), functiontest.SampleHTTP(t, "privacy", sample, link)
			show.Headers["accept-language"], press.Headers["accept-language"] = language, language
			offered, other := `value="restrict"`, `value="unrestrict"`
			if i == 1 {
				offered, other = other, offered
			}
			if got := functiontest.Serve(t, api, show); !strings.Contains(got.Response.Body, offered) || strings.Contains(got.Response.Body, other) {
				t.Errorf("%s: the page before %s: %s", language, sample, got.Response.Body)
			}
			if got := functiontest.Serve(t, api, press); got.Response.StatusCode != http.StatusOK || !strings.Contains(got.Response.Body, texts[i]) {
				t.Errorf("%s %s: %d %s", language, sample, got.Response.StatusCode, got.Response.Body)
			}
		}
	}
	if got := b.Strings(`select status || ' ' || epoch || ' ' || (select count(*) from suppressions) from subscribers`); len(got) != 1 || got[0] != "active 1 0" {
		t.Errorf("%q", got)
	}
}
