package subscription

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestProvider(t *testing.T) {
	for domain, want := range map[string]string{
		"gmail.com": "google", "googlemail.com": "google", "outlook.com": "microsoft", "hotmail.co.uk": "microsoft",
		"live.de": "microsoft", "yahoo.com.br": "yahoo", "yahoo.co.jp": "yahoo", "icloud.com": "apple", "proton.me": "proton",
		"gmx.de": "gmx", "web.de": "gmx", "t-online.de": "telekom", "qq.com": "tencent", "example.org": "other",
		"yahoo.example.org": "other", "mail.gmail.com": "other", "hotmail.evil.com": "other", "live": "other", "": "other",
		"outlook.xn--p1ai": "other", "outlook.com.gr": "microsoft", "aol.de": "aol", "yandex.kz": "yandex",
		"sent.com": "fastmail", "jane.fastmail.com": "fastmail", "jane.doe.fastmail.com": "other", "jane.proton.me": "other",
		// These belong to unrelated owners, so they have slots.
		"outlook.cc": "other", "live.me": "other", "yahoo.zz": "other", "aol.co.zz": "other", "hotmail.com.tk": "other", "google.com": "other",
		"yandex.": "other", "fastmail": "other", "com": "other",
	} {
		if got := mailboxOf("jane", domain).provider; got != want {
			t.Errorf("%s: %s, want %s", domain, got, want)
		}
	}
}

// sameMailbox has the spellings of one mailbox in each line, by the providers' documentation. The last lines are cases
// of email-normalize for Python and Gabrola's email-normalizer for PHP.
var sameMailbox = [][]string{
	{"jane.doe@gmail.com", "janedoe@gmail.com", "j.a.n.e.d.o.e+x@googlemail.com", "JaneDoe@GoogleMail.com"},
	{"jane@icloud.com", "jane@me.com", "jane@mac.com", "jane+x@me.com"},
	{"janedoe@proton.me", "jane.doe@protonmail.com", "jane-doe@protonmail.ch", "j_a_n_e.doe+a.b-c@pm.me", "janedoe_@proton.me"},
	{"jane-doe@yandex.ru", "jane.doe@ya.ru", "jane.doe@yandex.com", "jane-doe+x@yandex.by", "jane.doe@yandex.kz", "jane-doe@yandex.com.tr"},
	{"jane@fastmail.com", "shop@jane.fastmail.com", "a+b@jane.fastmail.com", "jane+shop@fastmail.com"},
	{"jane_doe@sent.com", "shop@jane-doe.sent.com"},
	{"base-shop@yahoo.com", "base-other@yahoo.com", "base-a-b@yahoo.com", "base@yahoo.com"},
	{"jane.doe@outlook.com", "jane.doe+x@outlook.com", "jane.doe+x+y@outlook.com"},
	{"jane@example.org", "jane+@example.org", "jane+a+b@example.org"},
	{"f.o.o+bar@googlemail.com", "foo@gmail.com"},
	{"sample+bar@me.com", "sample@icloud.com"},
	{"te.st+random@hotmail.com", "te.st@hotmail.com"},
	{"whatever+random@test.fastmail.com", "test@fastmail.com"},
}

// otherMailboxes has addresses of different people in each line.
var otherMailboxes = [][]string{
	{"jane.doe@example.org", "janedoe@example.org", "jane-doe@example.org", "jane_doe@example.org", "janedoe@example.com"},
	{"jane@gmail.com", "jane@icloud.com", "jane@proton.me", "jane@yandex.ru", "jane@fastmail.com", "jane@yahoo.com", "jane@outlook.com"},
	{"jane@fastmail.com", "jane@fastmail.fm", "jane@sent.com", "jane@doe.fastmail.com", "jane@invalid.jane.fastmail.com"},
	{"jane_doe@gmail.com", "janedoe@gmail.com", "jane-doe@gmail.com"},
	{"jane.doe@icloud.com", "janedoe@icloud.com"},
	{"janedoe@yandex.ru", "jane.doe@yandex.ru", "jane_doe@yandex.ru"},
	{"jane.doe@outlook.com", "janedoe@outlook.com", "jane.doe@hotmail.com", "jane.doe@live.com", "jane-doe@outlook.com"},
	{"base@yahoo.com", "base@yahoo.de", "base@ymail.com", "ba.se@yahoo.com"},
	{"base-shop@yahoo.co.jp", "base@yahoo.co.jp"},
	{"jane@mail.ru", "jane@bk.ru", "jane@list.ru"},
	{"jane@jane.example.org", "jane@example.org"},
	{"jane@jane.proton.me", "jane@proton.me"},
	{"+tag@example.org", "+other@example.org"},
}

func TestSpellingsMeetAndPeopleDoNot(t *testing.T) {
	for _, spellings := range sameMailbox {
		for _, s := range spellings {
			if got, want := address(t, s).MailboxKey, address(t, spellings[0]).MailboxKey; got != want {
				t.Errorf("%s is %s, and %s is %s", s, got, spellings[0], want)
			}
		}
	}
	for _, people := range otherMailboxes {
		seen := map[string]string{}
		for _, p := range people {
			key := address(t, p).MailboxKey
			if seen[key] != "" {
				t.Errorf("%s and %s are both %s", seen[key], p, key)
			}
			seen[key] = p
		}
	}
}

// TestAnySpellingMeets draws names, and spells each in every way that its provider ignores.
func TestAnySpellingMeets(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range mailboxProviders {
		p := &mailboxProviders[i]
		var domains []string
		for domain, other := range providersByDomain {
			if other == p {
				domains = append(domains, domain)
			}
		}
		slices.Sort(domains)
		for range 200 {
			name := randomName(random)
			first := mailboxOf(name, domains[0])
			spelled := name[:1]
			for _, c := range name[1:] {
				if p.ignored != "" && random.IntN(2) == 0 {
					spelled += string(p.ignored[random.IntN(len(p.ignored))])
				}
				spelled += string(c)
			}
			domain := domains[0]
			if p.oneDomain != "" {
				domain = domains[random.IntN(len(domains))]
			}
			separators := "+" + p.tagged
			tag := string(separators[random.IntN(len(separators))]) + randomName(random)
			if got := mailboxOf(spelled+tag, domain); got != first {
				t.Fatalf("%s@%s is %v, and %s%s@%s is %v", name, domains[0], first, spelled, tag, domain, got)
			}
			if p.subdomains {
				if got := mailboxOf(randomName(random), name+"."+domain); got != first {
					t.Fatalf("a subdomain of %s@%s is %v, not %v", name, domain, got, first)
				}
			}
			if other := mailboxOf(name+"x", domain); other == first {
				t.Fatalf("another name is also %v", first)
			}
		}
	}
}

func randomName(random *rand.Rand) string {
	name := make([]byte, 1+random.IntN(12))
	for i := range name {
		name[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[random.IntN(36)]
	}
	return string(name)
}

// TestACanonicalMailboxIsItsOwn checks it for every accepted address of the public suites and for odd local parts, and
// that the address to send to stays as typed.
func TestACanonicalMailboxIsItsOwn(t *testing.T) {
	var typed []string
	for _, c := range emailCases(t) {
		typed = append(typed, *c.Input)
	}
	for domain := range providersByDomain {
		for _, local := range []string{"-", "_", "_-+x", "-+x+y", "+", "+a+b", "-a-b", "a.+b", "a-.b", "a", "a.b-c_d+e-f"} {
			typed = append(typed, local+"@"+domain, local+"@sub."+domain)
		}
	}
	for _, s := range typed {
		a, err := ParseAddress(s)
		if err != nil {
			continue
		}
		local, domain, _ := strings.Cut(a.MailboxKey, "@")
		if again := mailboxOf(local, domain).key(); again != a.MailboxKey || local == "" || domain == "" {
			t.Errorf("%s is %s, which is %s", s, a.MailboxKey, again)
		}
		if typedLocal, _, _ := strings.Cut(TrimAddress(s), "@"); !strings.HasPrefix(a.Mailbox, typedLocal+"@") {
			t.Errorf("%s is emailed at %s", s, a.Mailbox)
		}
	}
}

func TestEveryDomainHasOneProvider(t *testing.T) {
	domains := 0
	for _, p := range mailboxProviders {
		for domain := range strings.FieldsSeq(p.domains) {
			if strings.HasSuffix(domain, ".") {
				domains += len(strings.Fields(p.endings))
			} else {
				domains++
			}
		}
		if p.oneDomain != "" && providersByDomain[p.oneDomain].name != p.name {
			t.Errorf("%s is no domain of %s", p.oneDomain, p.name)
		}
	}
	if domains != len(providersByDomain) {
		t.Errorf("%d domains in the table, %d without repetition", domains, len(providersByDomain))
	}
}

// TestEverySpellingHasOneBudget signs up one mailbox of each provider under all its spellings, and declines one.
func TestEverySpellingHasOneBudget(t *testing.T) {
	b := setup(t)
	for _, spellings := range sameMailbox[:9] {
		for _, s := range spellings {
			if got, err := b.store.Request(t.Context(), Request{Address: address(t, s), Visit: visit}); err != nil {
				t.Fatal(s, got, err)
			}
		}
		sent := b.deliver()
		if len(sent) != 1 {
			t.Fatalf("to the mailbox of %v: %v", spellings, sent)
		}
		b.click(b.decline, b.link(sent[0].to), DeclinedNow)
		b.advance(2 * time.Hour)
		for _, s := range spellings {
			b.request(s, RequestSuppressed)
		}
		if sent := b.deliver(); len(sent) != 0 {
			t.Errorf("after the decline of %v: %v", spellings, sent)
		}
	}
}
