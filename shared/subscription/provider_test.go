package subscription

import "testing"

func TestProvider(t *testing.T) {
	for domain, want := range map[string]string{
		"gmail.com": "google", "googlemail.com": "google", "outlook.com": "microsoft", "hotmail.co.uk": "microsoft",
		"live.de": "microsoft", "yahoo.com.br": "yahoo", "yahoo.co.jp": "yahoo", "icloud.com": "apple", "proton.me": "proton",
		"gmx.de": "gmx", "web.de": "gmx", "t-online.de": "telekom", "qq.com": "tencent", "example.org": "other",
		"yahoo.example.org": "other", "mail.gmail.com": "other", "hotmail.evil.com": "other", "live": "other", "": "other",
		"outlook.xn--p1ai": "other", "outlook.com.gr": "microsoft", "aol.de": "aol",
		// These belong to unrelated owners, so the domain limit counts them.
		"outlook.cc": "other", "live.me": "other", "yahoo.zz": "other", "aol.co.zz": "other", "hotmail.com.tk": "other", "google.com": "other",
	} {
		if got := providerOf(domain); got != want {
			t.Errorf("%s: %s, want %s", domain, got, want)
		}
	}
}
