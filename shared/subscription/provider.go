package subscription

import (
	"slices"
	"strings"
)

// otherProvider is the Provider of companies and individuals with their own domain, even if a large provider hosts it.
const otherProvider = "other"

// providerOf returns the mailbox provider of a domain in lower-case A-labels, or otherProvider. It is coarse enough to
// be stored in rows that outlive the address.
func providerOf(domain string) string {
	for _, p := range []struct {
		bucket  string
		domains []string
	}{
		{"google", []string{"gmail.com", "googlemail.com"}},
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
	// Some providers use their name under many country codes. Under the others, the name belongs to unrelated owners.
	name, ending, _ := strings.Cut(domain, ".")
	for _, p := range []struct{ bucket, name, endings string }{
		{"microsoft", "hotmail", "be ca ch cl co.id co.il co.jp co.kr co.nz co.th co.uk co.za com.ar com.au com.br com.hk com.tr com.tw com.vn " +
			"cz de dk es fi fr gr hu it lt lv my nl no ph rs se sg sk"},
		{"microsoft", "outlook", "at be cl co.id co.il co.nz co.th com.ar com.au com.br com.gr com.pe com.tr com.vn cz de dk es fr hu id ie in " +
			"it jp kr lv my ph pt sa sg sk"},
		{"microsoft", "live", "at be ca cl cn co.kr co.uk co.za com.ar com.au com.mx com.my com.ph com.pt com.sg de dk fi fr hk ie in it jp nl " +
			"no ru se"},
		{"yahoo", "yahoo", "at be bg ca cl co.id co.il co.in co.jp co.kr co.nz co.th co.uk co.za com.ar com.au com.br com.co com.hk com.hr " +
			"com.mx com.my com.pe com.ph com.sg com.tr com.tw com.ua com.ve com.vn cz de dk ee es fi fr gr hr hu ie in it lt lv nl no pl pt " +
			"ro rs se si sk"},
		{"aol", "aol", "co.nz co.uk com.ar com.au com.br com.mx de es fr in it jp nl"},
	} {
		if name == p.name && slices.Contains(strings.Fields(p.endings), ending) {
			return p.bucket
		}
	}
	return otherProvider
}
