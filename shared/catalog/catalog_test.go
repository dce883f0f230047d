package catalog

import (
	"slices"
	"strings"
	"testing"

	"newsletter/shared/config"
)

func TestEveryLanguageIsComplete(t *testing.T) {
	catalog := newCatalog(Owner{Name: "The Jane Letter"})
	for language := range catalog.languages {
		p := catalog.For(language)
		if p.Lang != language {
			t.Errorf("%s: lang is %s", language, p.Lang)
		}
		if !strings.Contains(p.Emails["confirm"].Subject, "The Jane Letter") {
			t.Errorf("%s: subject %q does not name the owner", language, p.Emails["confirm"].Subject)
		}
		for name, button := range map[string]string{
			"emails.confirm": p.Emails["confirm"].Button, "emails.unsubscribe_link": p.Emails["unsubscribe_link"].Button,
			"pages.confirm": p.Pages.Confirm.Button, "pages.confirm.secondary": p.Pages.Confirm.Secondary,
			"pages.unsubscribe": p.Pages.Unsubscribe.Button, "pages.unsubscribed": p.Pages.Unsubscribed.Button,
			"pages.unsubscribed.label":     p.Pages.Unsubscribed.Label,
			"pages.unsubscribe_by_address": p.Pages.UnsubscribeByAddress.Button, "pages.unsubscribe_by_address.label": p.Pages.UnsubscribeByAddress.Label,
		} {
			if button == "" {
				t.Errorf("%s: %s is missing", language, name)
			}
		}
	}
}

func TestForReturnsTheBestLanguage(t *testing.T) {
	catalog := newCatalog(Owner{Name: "x"})
	for wanted, language := range map[string]string{
		"": "en", "de": "de", "de-AT": "de", "DE": "de", "fr-CA,en;q=0.5": "fr", "xx, fr;q=0.1": "fr", "nonsense;;,": "en",
	} {
		if got := catalog.For(wanted).Lang; got != language {
			t.Errorf("%q: %s, want %s", wanted, got, language)
		}
	}
}

func TestMistakesInAFileAreReported(t *testing.T) {
	valid, err := locales.ReadFile("locales/en.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ from, to, want string }{
		"missing":     {`"subject": "Please confirm: {site}",`, ``, "Emails.confirm.Subject is missing"},
		"placeholder": {"Please confirm: {site}", "Please confirm: {name}", "placeholder"},
		"unknown":     {`"lang": "en",`, `"lang": "en", "more": 1,`, "more"},
	} {
		broken := strings.Replace(string(valid), test.from, test.to, 1)
		if _, err := parse([]byte(broken), "x"); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMistakesInTheSettingsAreReported(t *testing.T) {
	for name, test := range map[string]struct{ site, url, want string }{
		"no name":      {"", "", "SITE_NAME"},
		"two lines":    {"The\nLetter", "", "SITE_NAME"},
		"control":      {"The\x00Letter", "", "SITE_NAME"},
		"no scheme":    {"x", "www.example.org", "SITE_URL"},
		"other scheme": {"x", "javascript:alert(1)", "SITE_URL"},
	} {
		env := config.FromMap(map[string]string{"SITE_NAME": test.site, "SITE_URL": test.url})
		Read(env)
		if err := env.Err(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFooter(t *testing.T) {
	env := config.FromMap(map[string]string{"SITE_NAME": "x", "SITE_URL": "https://example.org", "SITE_POSTAL_ADDRESS": `1 Main St\n12345 Town`})
	catalog := Read(env)
	if want := []string{"x", "https://example.org", "1 Main St", "12345 Town"}; env.Err() != nil || !slices.Equal(catalog.Footer, want) {
		t.Errorf("%q, %v", catalog.Footer, env.Err())
	}
}

func TestANameMayContainBraces(t *testing.T) {
	if got := newCatalog(Owner{Name: "{The} Letter"}).For("en").Emails["confirm"].Subject; !strings.Contains(got, "{The} Letter") {
		t.Error(got)
	}
}
