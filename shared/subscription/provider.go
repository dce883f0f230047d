package subscription

import (
	"cmp"
	"strings"
)

// otherProvider is the Provider of companies and individuals with their own domain, even if a large provider hosts it.
const otherProvider = "other"

// A mailboxProvider is a company with domains of its own, under which unrelated people have mailboxes, and the
// spellings by which one such mailbox receives email. Two rows may share a name.
type mailboxProvider struct {
	// name is the Provider of its addresses. It is coarse enough to be stored in rows that outlive the address.
	name string
	// domains are its domains, in lower-case A-labels. One that ends in a dot is completed by each of endings.
	domains string
	// endings complete a domain that the provider has under many country codes. Under others, the name belongs to
	// unrelated owners.
	endings string
	// oneDomain is the domain of the canonical mailbox if all domains lead to the same mailboxes.
	oneDomain string
	// tagged are characters that begin a tag, in addition to the plus sign.
	tagged string
	// ignored are characters that do not distinguish two local parts.
	ignored string
	// dotIsDash means that a dot and a dash are the same character.
	dotIsDash bool
	// subdomains means that anything@user.domain is a spelling of user@domain.
	subdomains bool
}

// Each rule comes from the provider's own documentation, so that the mailboxes of unrelated people never meet:
//
//   - Gmail: https://support.google.com/mail/answer/7436150 (dots), https://support.google.com/mail/answer/10313
//     (googlemail.com). Dots count at the other domains that Google hosts.
//   - Apple: https://support.apple.com/en-us/118230 (icloud.com, me.com and mac.com are one account)
//   - Proton: https://proton.me/support/change-username (".", "_" and "-" are transparent),
//     https://proton.me/support/addresses-and-aliases (its domains; a name belongs to one account in all of them)
//   - Yandex: https://yandex.com/support/domain/additional/mailbox-alias.xml (each mailbox has an address in every
//     domain), https://yandex.com/support/passport/authorization/registration.html (a dot in a login equals a dash)
//   - Fastmail: https://www.fastmail.help/hc/en-us/articles/360060591053 (subdomains),
//     https://fastmail.com/blog/two-address-resolving-additions (a subdomain has a dash in place of an underscore). Its
//     domains are separate: a name belongs to different people in them.
//   - Yahoo: https://help.yahoo.com/kb/SLN28815.html (disposable addresses are nickname-keyword; nicknames and account
//     names are unique together and have no dash). Yahoo Japan is another company.
//
// A plus sign begins a tag everywhere (RFC 5233 §1), also where a provider might deliver "a+b" to a person other than
// "a": such names are rare, and those people only share a budget.
var mailboxProviders = []mailboxProvider{
	{name: "google", domains: "gmail.com googlemail.com", oneDomain: "gmail.com", ignored: "."},
	{name: "apple", domains: "icloud.com me.com mac.com", oneDomain: "icloud.com"},
	{name: "proton", domains: "proton.me protonmail.com protonmail.ch pm.me", oneDomain: "proton.me", ignored: "._-"},
	{
		name: "yandex", domains: "yandex. ya.ru narod.ru", oneDomain: "yandex.ru", dotIsDash: true,
		endings: "ru com by kz ua uz az kg md tj tm ee lt lv fr co.il com.am com.ge com.tr",
	},
	{
		name: "fastmail", subdomains: true,
		domains: "fastmail. 123mail.org 150mail.com 150ml.com 16mail.com 2-mail.com 4email.net 50mail.com airpost.net allmail.net bestmail.us " +
			"cluemail.com elitemail.org emailcorner.net emailengine.net emailengine.org emailgroups.net emailplus.org emailuser.net eml.cc " +
			"f-m.fm fast-email.com fast-mail.org fastem.com fastemail.us fastemailer.com fastest.cc fastimap.com fastmailbox.net " +
			"fastmessaging.com fea.st fmail.co.uk fmailbox.com fmgirl.com fmguy.com ftml.net h-mail.us hailmail.net imap-mail.com imap.cc " +
			"imapmail.org inoutbox.com internet-e\x2dmail.com internet-mail.org internetemails.net internetmailing.net jetemail.net " +
			"justemail.net letterboxes.org mail-central.com mail-page.com mailandftp.com mailas.com mailbolt.com mailc.net mailcan.com " +
			"mailforce.net mailftp.com mailhaven.com mailingaddress.org mailite.com mailmight.com mailnew.com mailsent.net mailservice.ms " +
			"mailup.net mailworks.org ml1.net mm.st myfastmail.com mymacmail.com nospammail.net ownmail.net petml.com postinbox.com " +
			"postpro.net proinbox.com promessage.com realemail.net reallyfast.biz reallyfast.info rushpost.com sent.as sent.at sent.com " +
			"speedpost.net speedymail.org ssl-mail.com swift-mail.com the-fastest.net the-quickest.com theinternetemail.com veryfast.biz " +
			"veryspeedy.net warpmail.net xsmail.com yepmail.net your-mail.com",
		endings: "com fm cn co.uk com.au de es fr im in jp mx net nl org se to tw uk us",
	},
	{
		name: "yahoo", domains: "yahoo. ymail.com rocketmail.com myyahoo.com", tagged: "-",
		endings: "com at be bg ca cl co.id co.il co.in co.kr co.nz co.th co.uk co.za com.ar com.au com.br com.co com.hk com.hr com.mx com.my " +
			"com.pe com.ph com.sg com.tr com.tw com.ua com.ve com.vn cz de dk ee es fi fr gr hr hu ie in it lt lv nl no pl pt ro rs se si sk",
	},
	{name: "yahoo", domains: "yahoo.co.jp"},
	{name: "microsoft", domains: "outlook.com hotmail.com live.com msn.com passport.com"},
	{
		name: "microsoft", domains: "hotmail.",
		endings: "be ca ch cl co.id co.il co.jp co.kr co.nz co.th co.uk co.za com.ar com.au com.br com.hk com.tr com.tw com.vn cz de dk es fi " +
			"fr gr hu it lt lv my nl no ph rs se sg sk",
	},
	{
		name: "microsoft", domains: "outlook.",
		endings: "at be cl co.id co.il co.nz co.th com.ar com.au com.br com.gr com.pe com.tr com.vn cz de dk es fr hu id ie in it jp kr lv my " +
			"ph pt sa sg sk",
	},
	{
		name: "microsoft", domains: "live.",
		endings: "at be ca cl cn co.kr co.uk co.za com.ar com.au com.mx com.my com.ph com.pt com.sg de dk fi fr hk ie in it jp nl no ru se",
	},
	{name: "aol", domains: "aol. aim.com verizon.net", endings: "com co.nz co.uk com.ar com.au com.br com.mx de es fr in it jp nl"},
	{name: "gmx", domains: "gmx. web.de mail.com 1und1.de online.de", endings: "de net com at ch"},
	{name: "telekom", domains: "t-online.de magenta.de"},
	{name: "zoho", domains: "zoho.com zohomail.com zoho.eu zohomail.eu"},
	{name: "mailru", domains: "mail.ru bk.ru inbox.ru list.ru internet.ru"},
	{name: "tencent", domains: "qq.com foxmail.com"},
	{name: "netease", domains: "163.com 126.com yeah.net"},
	{name: "orange", domains: "orange.fr wanadoo.fr"},
	{name: "laposte", domains: "laposte.net"},
	{name: "comcast", domains: "comcast.net xfinity.com"},
}

var providersByDomain = indexProviders()

func indexProviders() map[string]*mailboxProvider {
	index := make(map[string]*mailboxProvider)
	for i := range mailboxProviders {
		p := &mailboxProviders[i]
		for domain := range strings.FieldsSeq(p.domains) {
			if !strings.HasSuffix(domain, ".") {
				index[domain] = p
				continue
			}
			for ending := range strings.FieldsSeq(p.endings) {
				index[domain+ending] = p
			}
		}
	}
	return index
}

// A mailbox is the parts of an address that its provider distinguishes.
type mailbox struct {
	provider, local, domain string
}

// key returns the canonical mailbox as a text.
func (m mailbox) key() string { return m.local + "@" + m.domain }

// mailboxOf returns the canonical mailbox of a lower-case local part and a domain in lower-case A-labels.
func mailboxOf(local, domain string) mailbox {
	p := providersByDomain[domain]
	if user, parent, _ := strings.Cut(domain, "."); p == nil {
		p = providersByDomain[parent]
		if p == nil || !p.subdomains {
			return mailbox{otherProvider, withoutTag(local, "+"), domain}
		}
		local, domain = strings.ReplaceAll(user, "-", "_"), parent
	}
	local = withoutTag(local, "+"+p.tagged)
	if distinct := strings.Map(p.distinct, local); distinct != "" {
		local = distinct
	}
	return mailbox{p.name, local, cmp.Or(p.oneDomain, domain)}
}

// withoutTag removes what follows the first of the separators. A local part does not begin with its tag.
func withoutTag(local, separators string) string {
	if local == "" {
		return local
	}
	if tag := strings.IndexAny(local[1:], separators); tag >= 0 {
		return local[:tag+1]
	}
	return local
}

// distinct returns the character that replaces c in the canonical mailbox; -1 to remove it.
func (p *mailboxProvider) distinct(c rune) rune {
	switch {
	case strings.ContainsRune(p.ignored, c):
		return -1
	case p.dotIsDash && c == '.':
		return '-'
	}
	return c
}
