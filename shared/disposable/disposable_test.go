package disposable

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/publicsuffix"
)

func TestListed(t *testing.T) {
	const list = "b.example.net\nmailinator.com\nmy-box.dynv6.net\nspam.co.uk\nxn--bcher-kva.org\nzz.com\n"
	for domain, want := range map[string]bool{
		"mailinator.com": true, "a.mailinator.com": true, "x.y.mailinator.com": true,
		"notmailinator.com": false, "mailinator.com.evil.org": false, "mailinator.co": false, "mailinator": false, "com": false,
		"spam.co.uk": true, "mx.spam.co.uk": true, "co.uk": false, "ham.co.uk": false,
		"my-box.dynv6.net": true, "other.dynv6.net": false, "dynv6.net": false, // a public suffix: each name below has its own owner
		"b.example.net": true, "c.b.example.net": true, "example.net": false, // a listed subdomain does not list its parent
		"xn--bcher-kva.org": true, "zz.com": true, "zzz.com": false, "a.com": false, "": false, "\n": false, ".": false,
	} {
		if got := listed(list, domain, registrable(domain)); got != want {
			t.Errorf("%q: %v, want %v", domain, got, want)
		}
	}
	if listed("", "mailinator.com", "mailinator.com") {
		t.Error("an empty list contains a domain")
	}
}

func registrable(domain string) string {
	found, _ := publicsuffix.EffectiveTLDPlusOne(domain)
	return cmp.Or(found, domain)
}

// TestEveryEntryIsFound looks up every entry of the real list, the first and last included, and names between entries.
func TestEveryEntryIsFound(t *testing.T) {
	entries := strings.Split(strings.TrimSuffix(domains, "\n"), "\n")
	if len(entries) < minDomains || Count() != len(entries) {
		t.Fatalf("%d entries, Count returns %d", len(entries), Count())
	}
	for _, entry := range entries {
		if !Listed(entry, registrable(entry)) {
			t.Errorf("%s is not found", entry)
		}
		if between := entry + "-"; !slices.Contains(entries, between) && contains(domains, between) {
			t.Errorf("%s is found but not on the list", between)
		}
		if _, err := publicsuffix.EffectiveTLDPlusOne(entry); err == nil && !Listed("a.b."+entry, registrable("a.b."+entry)) {
			t.Errorf("a.b.%s is not found", entry)
		}
	}
}

// TestTheListIsNormalized checks that make disposable would not change the list.
func TestTheListIsNormalized(t *testing.T) {
	list, count, err := Normalize(strings.NewReader(domains))
	if err != nil || list != domains || count != Count() {
		t.Errorf("the embedded list is not normalized: %d domains, %v", count, err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil || !strings.Contains(string(readme), fmt.Sprintf("%d domains", count)) {
		t.Errorf("README.md does not name the count of %d domains: %v", count, err)
	}
}

func TestNormalize(t *testing.T) {
	var many strings.Builder
	for i := range minDomains {
		fmt.Fprintf(&many, "n%d.example.org\n", i)
	}
	good := many.String() + "# a comment\n\n  Bücher.ORG  \nMAILINATOR.com. # twice\nmailinator.com\n"
	list, count, err := Normalize(strings.NewReader(good))
	if err != nil || count != minDomains+2 || !contains(list, "xn--bcher-kva.org") || !contains(list, "mailinator.com") {
		t.Errorf("%d domains, %v", count, err)
	}
	for name, bad := range map[string]string{
		"HTML page":      "<html>\n" + many.String(),
		"no dot":         many.String() + "localhost\n",
		"address":        many.String() + "jane@example.org\n",
		"large provider": many.String() + "gmail.com\n",
		"partial list":   "mailinator.com\n",
		"empty list":     "",
		"very long line": many.String() + strings.Repeat("a", 1<<17) + "\n",
	} {
		if _, _, err := Normalize(strings.NewReader(bad)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func BenchmarkListed(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Listed("mail.a-domain-that-is-not-listed.co.uk", "a-domain-that-is-not-listed.co.uk")
	}
}
