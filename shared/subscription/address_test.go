package subscription

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// emailCase is a line of testdata/email_cases.jsonl.
type emailCase struct {
	Suite  string  `json:"suite"`
	ID     string  `json:"id"`
	Input  *string `json:"input"`
	Policy string  `json:"policy"`
	Why    string  `json:"policy_why"`
}

func emailCases(t testing.TB) []emailCase {
	t.Helper()
	file, err := os.Open("testdata/email_cases.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var cases []emailCase
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var c emailCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if c.Input == nil {
			t.Fatalf("%s %s has no input", c.Suite, c.ID)
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

func TestPolicyOfPublicSuites(t *testing.T) {
	seen := map[string]int{}
	for _, c := range emailCases(t) {
		seen[c.Policy]++
		got, err := ParseAddress(*c.Input)
		switch c.Policy {
		case "accept":
			if err != nil {
				t.Errorf("%s %s: %q rejected: %v", c.Suite, c.ID, *c.Input, err)
			}
		case "trim-or-reject":
			checkRefusal(t, *c.Input, err)
			if trimmed, trimErr := ParseAddress(TrimAddress(*c.Input)); got != trimmed || (err == nil) != (trimErr == nil) {
				t.Errorf("%s %s: %q differs from its trimmed form", c.Suite, c.ID, *c.Input)
			}
		case "idn":
			checkRefusal(t, *c.Input, err)
			checkConsistent(t, got, err)
		case "reject":
			if err == nil {
				t.Errorf("%s %s: %q accepted (%s)", c.Suite, c.ID, *c.Input, c.Why)
			}
			checkRefusal(t, *c.Input, err)
		default:
			t.Errorf("unknown policy %q", c.Policy)
		}
	}
	if seen["accept"] < 50 || seen["reject"] < 350 || seen["idn"] < 2 || seen["trim-or-reject"] < 3 {
		t.Errorf("cases are missing: %v", seen)
	}
}

func TestParseAddress(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	for input, want := range map[string]Address{
		"Jane.Doe+news@Example.ORG":      {"Jane.Doe+news@example.org", "Jane.Doe+news@example.org", "jane.doe+news@example.org", "jane.doe@example.org", "example.org", "example.org", "other"},
		"  jane@example.org ":            {"jane@example.org", "jane@example.org", "jane@example.org", "jane@example.org", "example.org", "example.org", "other"},
		"J.A.N.E+x@GoogleMail.com":       {"J.A.N.E+x@googlemail.com", "J.A.N.E+x@googlemail.com", "j.a.n.e+x@googlemail.com", "jane@gmail.com", "googlemail.com", "googlemail.com", "google"},
		"+tag@gmail.com":                 {"+tag@gmail.com", "+tag@gmail.com", "+tag@gmail.com", "+tag@gmail.com", "gmail.com", "gmail.com", "google"},
		"jane@bücher.example.com":        {"jane@bücher.example.com", "jane@xn--bcher-kva.example.com", "jane@xn--bcher-kva.example.com", "jane@xn--bcher-kva.example.com", "xn--bcher-kva.example.com", "example.com", "other"},
		"jane@XN--BCHER-KVA.example.com": {"jane@bücher.example.com", "jane@xn--bcher-kva.example.com", "jane@xn--bcher-kva.example.com", "jane@xn--bcher-kva.example.com", "xn--bcher-kva.example.com", "example.com", "other"},
		"jane@BÜCHER.example.com":        {"jane@bücher.example.com", "jane@xn--bcher-kva.example.com", "jane@xn--bcher-kva.example.com", "jane@xn--bcher-kva.example.com", "xn--bcher-kva.example.com", "example.com", "other"},
		"jane@faß.de":                    {"jane@faß.de", "jane@xn--fa-hia.de", "jane@xn--fa-hia.de", "jane@xn--fa-hia.de", "xn--fa-hia.de", "xn--fa-hia.de", "other"},
		"jane@例え。jp":                     {"jane@例え.jp", "jane@xn--r8jz45g.jp", "jane@xn--r8jz45g.jp", "jane@xn--r8jz45g.jp", "xn--r8jz45g.jp", "xn--r8jz45g.jp", "other"},
		"jane@пример.рф":                 {"jane@пример.рф", "jane@xn--e1afmkfd.xn--p1ai", "jane@xn--e1afmkfd.xn--p1ai", "jane@xn--e1afmkfd.xn--p1ai", "xn--e1afmkfd.xn--p1ai", "xn--e1afmkfd.xn--p1ai", "other"},
		"a@" + label63 + ".com":          {"a@" + label63 + ".com", "a@" + label63 + ".com", "a@" + label63 + ".com", "a@" + label63 + ".com", label63 + ".com", label63 + ".com", "other"},
		"a@1.com":                        {"a@1.com", "a@1.com", "a@1.com", "a@1.com", "1.com", "1.com", "other"},
		"jane@نامه\u200cای.com":          {"jane@نامه\u200cای.com", "jane@xn--mgba3gch31f060k.com", "jane@xn--mgba3gch31f060k.com", "jane@xn--mgba3gch31f060k.com", "xn--mgba3gch31f060k.com", "xn--mgba3gch31f060k.com", "other"},
	} {
		got, err := ParseAddress(input)
		if err != nil || got != want {
			t.Errorf("%q: got\n%+v, %v, want\n%+v", input, got, err, want)
		}
		checkConsistent(t, got, err)
	}
}

func TestInvalidAddresses(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	for input, reason := range map[string]*AddressError{
		"":                                         errEmpty,
		"   ":                                      errEmpty,
		"jane":                                     errAt,
		"jane@":                                    errAt,
		"@example.org":                             errAt,
		"jane@doe@example.org":                     errAt,
		"jane@example.org\r\nBcc: x@y.org":         errCharacters,
		"\xa0jane@example.org":                     errCharacters, // in another encoding it may be a letter
		"jane\x00@example.org":                     errCharacters,
		"jane@exa\u00admple.org":                   errCharacters, // soft hyphen
		"jane@exa\u200bmple.org":                   errCharacters, // zero-width space
		"jane@\ufeffexample.org":                   errCharacters,
		"jane@exam\ufe0fple.org":                   errCharacters, // variation selector
		"jane@exam\u034fple.org":                   errCharacters, // combining grapheme joiner
		"jane\u202e@example.org":                   errCharacters, // direction override
		"jane@example\u3000.org":                   errCharacters,
		"jane\xff@example.org":                     errCharacters,
		"jane@\xc3\x28.org":                        errCharacters,
		"jané@example.org":                         errSMTPUTF8,
		"Ｊane@example.org":                         errSMTPUTF8,
		".jane@example.org":                        errLocal,
		"jane.@example.org":                        errLocal,
		"ja..ne@example.org":                       errLocal,
		`"jane"@example.org`:                       errLocal,
		"jane(comment)@example.org":                errLocal,
		"ja ne@example.org":                        errCharacters,
		"Jane <jane@example.org>":                  errCharacters,
		"<jane@example.org>":                       errLocal,
		strings.Repeat("a", 65) + "@a.org":         errLong,
		strings.Repeat("é", 1000) + "@a.org":       errLong,
		"jane@localhost":                           errDomain,
		"jane@example":                             errDomain,
		"jane@example.org.":                        errDomain,
		"jane@.example.org":                        errDomain,
		"jane@example..org":                        errDomain,
		"jane@-example.org":                        errDomain,
		"jane@example-.org":                        errDomain,
		"jane@ab--cd.org":                          errDomain,
		"jane@exam_ple.org":                        errDomain,
		"jane@exam!ple.org":                        errDomain,
		"jane@192.0.2.1":                           errDomain,
		"jane@[192.0.2.1]":                         errDomain,
		"jane@example.c":                           errDomain,
		"jane@example.o2":                          errDomain,
		"jane@xn--0.com":                           errDomain,
		"jane@xn--example.com":                     errDomain,
		"jane@xn--a-.com":                          errDomain,
		"jane@xn--.com":                            errDomain,
		"jane@xn--ls8h.la\u0301\u0301.x":           errDomain,
		"jane@XN--FA-HIA\u200d.de":                 errDomain, // a joiner where it has no meaning
		"jane@אa.com":                              errDomain, // two directions in one label
		"jane@" + label63 + "a.org":                errDomain,
		"jane@" + strings.Repeat("ü", 60) + ".org": errDomain, // too long in A-labels only
		"jane@" + strings.Repeat(label63+".", 4) + "org":   errDomain,
		"jane@" + strings.Repeat("abcdefghi.", 25) + "org": errLong, // 253 for the domain, 258 in all
		"jane@foo.test":      errReserved,
		"jane@foo.localhost": errReserved,
		"jane@foo.invalid":   errReserved,
		"jane@foo.EXAMPLE":   errReserved,
		"jane@printer.local": errReserved,
		"jane@foo.onion":     errReserved,
		"jane@foo.alt":       errReserved,
		"jane@nas.internal":  errReserved,
		"jane@home.arpa":     errReserved,
	} {
		got, err := ParseAddress(input)
		if err != reason || got != (Address{}) { //nolint:errorlint // the very value
			t.Errorf("%q: got %+v, %v, want %v", input, got, err, reason)
		}
		checkRefusal(t, input, err)
	}
}

// TestWhatSurroundsAnAddressIsRemoved surrounds an address by what keyboards, completions and copied text add.
func TestWhatSurroundsAnAddressIsRemoved(t *testing.T) {
	want, err := ParseAddress("jane@example.org")
	if err != nil {
		t.Fatal(err)
	}
	for _, around := range []string{" ", "\t", "\r\n", "\x00", "\u00a0", "\u00ad", "\u200b", "\u200c", "\u200e", "\u2028", "\u202a", "\u2060", "\u3000", "\ufeff", "\ufe0f", strings.Repeat(" ", 2000)} {
		for _, typed := range []string{around + "jane@example.org", "jane@example.org" + around, around + around + "jane@example.org" + around} {
			if got, err := ParseAddress(typed); got != want || err != nil {
				t.Errorf("%.30q: %+v, %v", typed, got, err)
			}
		}
	}
}

// TestEndingsOfDomains lists endings that exist, and what no registry can have.
func TestEndingsOfDomains(t *testing.T) {
	for ending, possible := range map[string]bool{
		"com": true, "xn--p1ai": true, "рф": true, "भारत": true, "xn--h2brj9c": true, "ストア": true, "சிங்கப்பூர்": true, "ｃｏｍ": true, "コム": true,
		"com·": false, "com®": false, "com©": false, "com™": false, "©": false, "xn--com-jka": false, "com2": false, "123": false, "c-m": false,
		"xn--i-7iq": false, "💩": false, "xn--ls8h": false, "ⓒⓞⓜ": false, "com\u30fb": false,
	} {
		got, err := ParseAddress("jane@example." + ending)
		if (err == nil) != possible || err != nil && !errors.Is(err, errDomain) {
			t.Errorf("%q: %+v, %v", ending, got, err)
		}
		checkConsistent(t, got, err)
	}
	if _, err := ParseAddress("jane@💩.com"); err != nil {
		t.Errorf("an emoji below the ending: %v", err)
	}
}

// checkConsistent checks the invariants of an accepted address.
func checkConsistent(t *testing.T, a Address, err error) {
	t.Helper()
	if err != nil {
		return
	}
	if len(a.Mailbox) > 254 || len(a.Normalized) > 254 {
		t.Errorf("longer than 254: %q", a.Mailbox)
	}
	for _, s := range []string{a.Mailbox, a.Normalized, a.MailboxKey, a.Domain, a.RegistrableDomain, a.Provider} {
		for i := range len(s) {
			if s[i] < 0x21 || s[i] >= 0x7f {
				t.Errorf("byte %#x in %q", s[i], s)
			}
		}
	}
	if strings.ContainsFunc(a.Display, isForbidden) || strings.Count(a.Display, "@") != 1 {
		t.Errorf("invalid display form: %q", a.Display)
	}
	if a.Normalized != strings.ToLower(a.Mailbox) {
		t.Errorf("normalized form %q of %q", a.Normalized, a.Mailbox)
	}
	for _, again := range []string{a.Mailbox, a.Display, a.Normalized, strings.ToUpper(a.Mailbox)} {
		b, err := ParseAddress(again)
		if again == a.Mailbox && b != a {
			t.Errorf("%q is parsed as %+v, want %+v", again, b, a)
		}
		if err != nil || b.Normalized != a.Normalized || b.MailboxKey != a.MailboxKey || b.Domain != a.Domain {
			t.Errorf("%q, from %+v: got %+v, %v", again, a, b, err)
		}
	}
}

// checkRefusal checks the invariants of an error.
func checkRefusal(t *testing.T, input string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var refused *AddressError
	if !errors.As(err, &refused) || refused.Reason == "" || !strings.HasSuffix(refused.Detail, ".") {
		t.Errorf("%q: %#v", input, err)
		return
	}
	if len(input) > 6 && (strings.Contains(refused.Detail, input) || strings.Contains(err.Error(), input)) {
		t.Errorf("%q is repeated: %v, %s", input, err, refused.Detail)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, c := range emailCases(f) {
		f.Add(*c.Input)
	}
	f.Add("jane@bücher.example.com")
	f.Add("jane@نامه\u200cای.com")
	f.Fuzz(func(t *testing.T, input string) {
		a, err := ParseAddress(input)
		checkConsistent(t, a, err)
		checkRefusal(t, input, err)
	})
}
