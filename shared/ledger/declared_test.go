package ledger

import (
	"encoding/json"
	"strings"
	"testing"

	"newsletter/shared/config"
)

func declarations(t testing.TB) Declarations {
	t.Helper()
	env := config.FromMap(map[string]string{"SIGNUP_SOURCES": "/blog/*,/,partner.example,*.shop.example,spring-*,toot"})
	cfg := config.Read[SourceConfig](env)
	if err := env.Err(); err != nil {
		t.Fatal(err)
	}
	return cfg.Declare("https://www.example.org/news", "", "https://api.example.net:8443")
}

func TestReduceKeepsOnlyDeclaredText(t *testing.T) {
	t.Parallel()
	d := declarations(t)
	for sent, want := range map[SentSource]Source{
		{}: {},
		{Page: "https://www.example.org/blog/2026/erika?x=1#y"}:                  {Page: "https://example.org/blog/*"},
		{Page: "http://API.example.net:8443/kunden/peter-meier-1961-03-04"}:      {Page: "http://api.example.net"},
		{Page: "https://example.org/"}:                                           {Page: "https://example.org/"},
		{Page: "/blog/x"}:                                                        {Page: "/blog/*"},
		{Page: "/erika"}:                                                         {Page: "other"},
		{Page: "https://erika.example/blog/x"}:                                   {Page: "other"},
		{Page: "https://example.org.erika.example/"}:                             {Page: "other"},
		{Page: "javascript:erika"}:                                               {Page: "other"},
		{Page: "%zz"}:                                                            {Page: "other"},
		{Referrer: "https://www.google.co.uk/search?q=erika"}:                    {Referrer: "google"},
		{Referrer: "https://mail.google.com/mail/u/erika"}:                       {Referrer: "gmail"},
		{Referrer: "android-app://com.google.android.gm/"}:                       {Referrer: "gmail"},
		{Referrer: "https://erika.substack.com/p/1"}:                             {Referrer: "substack"},
		{Referrer: "https://google.erika-mustermann.example/"}:                   {Referrer: "other"},
		{Referrer: "https://partner.example/erika"}:                              {Referrer: "partner.example"},
		{Referrer: "https://erika.shop.example/"}:                                {Referrer: "*.shop.example"},
		{Referrer: "https://notpartner.example/"}:                                {Referrer: "other"},
		{Campaign: "Spring-erika", Origin: "toot", Medium: "Email", Term: "HIV"}: {Campaign: "spring-*", Origin: "toot", Medium: "email", Term: "other"},
		{Ref: "Peter Meier DE89 3704 0044 0532 0130 00", Content: "+49 176 1"}:   {Ref: "other", Content: "other"},
	} {
		got := d.Reduce(sent)
		if got != want {
			t.Errorf("%+v: %+v, want %+v", sent, got, want)
		}
		if again := d.Reduce(SentSource(got)); again != got {
			t.Errorf("%+v becomes %+v", got, again)
		}
	}
}

// FuzzReduce checks that what is kept is one of the texts that are known beforehand.
func FuzzReduce(f *testing.F) {
	for _, seed := range []string{"https://www.example.org/blog/x", "http://google.com", "spring-x", "email", "//example.org/blog/y", "https://example.org:1/a", ":", "*"} {
		f.Add(seed)
	}
	d := declarations(f)
	known := map[string]bool{"": true, Undeclared: true}
	for _, word := range append(append([]string{}, wellKnownWords...), d.values...) {
		known[word] = true
	}
	for _, w := range wellKnownHosts {
		known[w.name] = true
	}
	for _, scheme := range []string{"http://", "https://"} {
		for _, host := range d.own {
			known[scheme+host] = true
			for _, page := range d.values {
				known[scheme+host+page] = true
			}
		}
	}
	f.Fuzz(func(t *testing.T, sent string) {
		for _, kept := range []string{d.url(sent), d.parameter(sent)} {
			if !known[kept] {
				t.Errorf("%q: the ledger keeps %q", sent, kept)
			}
		}
		if again := d.url(d.url(sent)); again != d.url(sent) {
			t.Errorf("%q: %q becomes %q", sent, d.url(sent), again)
		}
	})
}

func TestInvalidDeclarations(t *testing.T) {
	t.Parallel()
	for value, good := range map[string]bool{
		"": true, "/blog/*": true, "*": true, "jane@example.org": false, "%40": false, strings.Repeat("x", 81): false,
		strings.Repeat("x,", 500) + "x": false,
	} {
		env := config.FromMap(map[string]string{"SIGNUP_SOURCES": value})
		config.Read[SourceConfig](env)
		if err := env.Err(); (err == nil) != good {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func TestKeepsFindsWhatIsWorthDeclaring(t *testing.T) {
	t.Parallel()
	d := declarations(t)
	for field, values := range map[string]map[string]bool{
		"page":         {"https://example.org/blog/x": true, "https://example.org/shop": false, "https://example.org": true, "https://x.example": false},
		"referrer":     {"https://bing.com/": true, "https://x.example/": false},
		"utm_campaign": {"spring-1": true, "autumn": false},
	} {
		for value, want := range values {
			if d.Keeps(field, value) != want {
				t.Errorf("%s %s: %v", field, value, !want)
			}
		}
	}
}

func TestLocalesAreShort(t *testing.T) {
	t.Parallel()
	for locale, want := range map[Locale]Locale{
		"": "", "de": "de", "pt-BR": "pt-BR", "zh-Hant-TW": "zh-Hant-TW", "es-419": "es-419", "de-erika-muster": "de", "de-x-meier": "de", "erika": "",
		"en-US-erika": "en-US", "de-CH-1996": "de-CH",
	} {
		if got := locale.Short(); got != want {
			t.Errorf("%s: %s, want %s", locale, got, want)
		}
	}
	if encoded, _ := json.Marshal(Data{Locale: Locale("de-erika").Short()}); string(encoded) != `{"locale":"de"}` {
		t.Errorf("%s", encoded)
	}
}
