package subscription

import (
	"slices"
	"strings"
)

// Provider is the bucket of a mailbox provider by the domain of an address, in A-labels and lower case: coarse enough
// to stand in rows that outlive the address. Domains of companies and people are "other", also where a large provider
// serves them.
func Provider(domain string) string {
	for _, p := range []struct {
		bucket  string
		domains []string
	}{
		{"google", []string{"gmail.com", "googlemail.com", "google.com"}},
		{"microsoft", []string{"outlook.com", "hotmail.com", "live.com", "msn.com", "passport.com"}},
		{"yahoo", []string{"yahoo.com", "ymail.com", "rocketmail.com", "myyahoo.com"}},
		{"aol", []string{"aol.com", "aim.com", "verizon.net"}},
		{"apple", []string{"icloud.com", "me.com", "mac.com"}},
		{"proton", []string{"proton.me", "protonmail.com", "protonmail.ch", "pm.me"}},
		{"gmx", []string{"gmx.de", "gmx.net", "gmx.com", "gmx.at", "gmx.ch", "web.de", "mail.com", "1und1.de", "online.de"}},
		{"telekom", []string{"t-online.de", "magenta.de"}},
		{"fastmail", []string{"fastmail.com", "fastmail.fm"}},
		{"zoho", []string{"zoho.com", "zohomail.com", "zoho.eu", "zohomail.eu"}},
		{"yandex", []string{"yandex.ru", "yandex.com", "ya.ru"}},
		{"mailru", []string{"mail.ru", "bk.ru", "inbox.ru", "list.ru", "internet.ru"}},
		{"tencent", []string{"qq.com", "foxmail.com"}},
		{"netease", []string{"163.com", "126.com", "yeah.net"}},
		{"orange", []string{"orange.fr", "wanadoo.fr"}},
		{"laposte", []string{"laposte.net"}},
		{"comcast", []string{"comcast.net", "xfinity.com"}},
	} {
		if slices.Contains(p.domains, domain) {
			return p.bucket
		}
	}
	// Some providers own their name under many countries: hotmail.co.uk, yahoo.com.br, outlook.fr.
	name, ending, _ := strings.Cut(domain, ".")
	if !isCountryEnding(ending) {
		return "other"
	}
	switch name {
	case "hotmail", "outlook", "live":
		return "microsoft"
	case "yahoo":
		return "yahoo"
	case "aol":
		return "aol"
	}
	return "other"
}

// isCountryEnding takes "de", "co.uk" and "com.br".
func isCountryEnding(ending string) bool {
	ending = strings.TrimPrefix(strings.TrimPrefix(ending, "com."), "co.")
	return len(ending) == 2 && !strings.Contains(ending, ".")
}
