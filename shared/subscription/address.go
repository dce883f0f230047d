package subscription

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	maxInput   = 1024 // bytes of a typed address; a bound on work, far above any address that can pass
	maxAddress = 254  // RFC 3696 erratum 1690, from RFC 5321 §4.5.3.1.3
	maxLocal   = 64   // RFC 5321 §4.5.3.1.1
	maxDomain  = 253  // RFC 1035 §2.3.4 without the length bytes of the wire form
	maxLabel   = 63   // RFC 1035 §2.3.4
)

// Address is an email address that passed ParseAddress. The zero Address is none.
type Address struct {
	// Display is for showing: the local part as typed and the domain in its own script.
	Display string
	// Mailbox is where mail goes: the local part as typed and the domain in A-labels. ASCII, at most 254 bytes.
	Mailbox string
	// Norm is the identity: Mailbox in lower case. Two addresses are one person's if their Norm is equal. RFC 5321
	// §2.4 lets a host distinguish case; no large provider does.
	Normalized string
	// Fold is what the caps on mail count under: Norm without a plus tag, and for Gmail without dots and with one
	// domain. It is never used to write to somebody or to find them.
	MailboxKey string
	// Domain is the domain in A-labels, lower case.
	Domain string
}

// AddressError says why a text is not an address that we take.
type AddressError struct {
	// Reason is one word for logs and the ledger, such as "local-part".
	Reason string
	// Detail is for the person who typed it, a whole sentence; it never repeats the address.
	Detail string
}

// Error names the reason; it holds nothing of the address.
func (e *AddressError) Error() string { return "address refused: " + e.Reason }

// The reasons for which an address is refused.
var (
	errEmpty      = &AddressError{"empty", "Enter an e-mail address."}
	errCharacters = &AddressError{"characters", "The address contains characters that cannot be in an e-mail address."}
	errAt         = &AddressError{"at-sign", "An e-mail address has exactly one @, with something before and after it."}
	errLong       = &AddressError{"too-long", "The address is longer than e-mail allows."}
	errLocal      = &AddressError{"local-part", "The part before the @ may hold letters, digits and the usual signs, with single dots between them."}
	errSMTPUTF8   = &AddressError{"local-part-not-ascii", "The part before the @ must consist of plain letters, digits and signs; most mail systems cannot deliver to others."}
	errDomain     = &AddressError{"domain", "The part after the @ is not a domain name that can receive mail."}
	errReserved   = &AddressError{"reserved-domain", "Domains with this ending never receive mail."}
)

// domains turns a domain into A-labels. The profile is stricter than idna.Lookup, which lets long labels through.
var domains = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.StrictDomainName(true),
	idna.BidiRule(),
	idna.CheckHyphens(true),
	idna.CheckJoiners(true),
	idna.VerifyDNSLength(true),
)

// ParseAddress takes one address as a person types it. Outer spaces (U+0020) are removed, because people paste them;
// nothing else is mended: any other white space, control character, comment, quoted local part, display name or address
// literal is refused. The local part is a dot-atom of RFC 5322 in ASCII; the domain has at least two labels, may be in
// any script that IDNA allows, and its ending is not reserved (RFC 6761, RFC 7686). Whether the domain exists is not
// asked. The error is an *AddressError. It is pure, and ParseAddress(a.Mailbox) gives the same Norm, Fold and Domain.
func ParseAddress(s string) (Address, error) {
	if len(s) > maxInput {
		return Address{}, errLong
	}
	s = strings.Trim(s, " ")
	if s == "" {
		return Address{}, errEmpty
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, isForbidden) {
		return Address{}, errCharacters
	}
	local, typed, found := strings.Cut(s, "@")
	if !found || local == "" || typed == "" || strings.Contains(typed, "@") {
		return Address{}, errAt
	}
	if err := checkLocal(local); err != nil {
		return Address{}, err
	}
	domain, err := parseDomain(typed)
	if err != nil {
		return Address{}, err
	}
	if len(local)+1+len(domain) > maxAddress {
		return Address{}, errLong
	}
	shown, showErr := domains.ToUnicode(domain)
	if showErr != nil {
		return Address{}, errDomain
	}
	lower := strings.ToLower(local)
	return Address{
		Display:    local + "@" + shown,
		Mailbox:    local + "@" + domain,
		Normalized: lower + "@" + domain,
		MailboxKey: fold(lower, domain),
		Domain:     domain,
	}, nil
}

// isForbidden finds what has no place in either part. Invisible characters are named, because IDNA's mapping would drop
// some of them silently and so make two texts that look alike one address; the joiners U+200C and U+200D have a meaning
// in some scripts and their place is checked by IDNA.
func isForbidden(r rune) bool {
	const joiners = "\u200c\u200d"
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.IsSpace(r) ||
		unicode.Is(unicode.Variation_Selector, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) ||
		(unicode.Is(unicode.Cf, r) && !strings.ContainsRune(joiners, r))
}

// checkLocal wants a dot-atom: atext of RFC 5322 §3.2.3 with single dots inside.
func checkLocal(local string) error {
	if len(local) > maxLocal {
		return errLong
	}
	previous := byte('.')
	for i := range len(local) {
		c := local[i]
		switch {
		case c >= utf8.RuneSelf:
			return errSMTPUTF8
		case c == '.' && previous == '.':
			return errLocal
		case c != '.' && !isAlphanumeric(c) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", rune(c)):
			return errLocal
		}
		previous = c
	}
	if previous == '.' {
		return errLocal
	}
	return nil
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
