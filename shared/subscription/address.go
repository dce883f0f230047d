package subscription

import (
	"cmp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

const (
	maxInput   = 1024 // bytes of a trimmed address; limits the work, far above any valid address
	maxAddress = 254  // RFC 3696 erratum 1690, from RFC 5321 §4.5.3.1.3
	maxLocal   = 64   // RFC 5321 §4.5.3.1.1
	maxDomain  = 253  // RFC 1035 §2.3.4 without the length bytes of the wire form
	maxLabel   = 63   // RFC 1035 §2.3.4
)

// Address is an email address that ParseAddress returned. The zero Address is no address.
type Address struct {
	// Display is for people: the local part as typed and the domain in its own script.
	Display string
	// Mailbox is for sending: the local part as typed and the domain in A-labels. ASCII, at most 254 bytes.
	Mailbox string
	// Normalized is the identity of a subscriber: Mailbox in lower case. RFC 5321 §2.4 allows a host to distinguish
	// case; no large provider does.
	Normalized string
	// MailboxKey is the canonical mailbox that budgets and suppressions apply to: one text for all spellings by which
	// the provider delivers to the same mailbox, by the rules of mailboxProviders. It is never used to send an email or
	// to find a subscriber.
	MailboxKey string
	// Domain is the domain in A-labels, lower case.
	Domain string
	// RegistrableDomain is the part of Domain that its owner registered, such as example.co.uk of lists.example.co.uk;
	// for a public suffix it is Domain.
	RegistrableDomain string
	// Provider is the mailbox provider, or otherProvider.
	Provider string
}

// LimitedDomain returns the registrable domain that limits of emails count an address by. It is empty for large
// providers, which unrelated people share, and for the zero Address.
func (a Address) LimitedDomain() string {
	if a.Provider != otherProvider {
		return ""
	}
	return a.RegistrableDomain
}

// AddressError is the error for a text that is not an acceptable address.
type AddressError struct {
	// Reason is a short identifier for logs and the ledger, such as "local-part".
	Reason string
	// Detail is a sentence for the visitor. It never repeats the address.
	Detail string
}

// Error returns the reason. It contains no part of the address.
func (e *AddressError) Error() string { return "invalid address: " + e.Reason }

// The errors of ParseAddress.
var (
	errEmpty      = &AddressError{"empty", "Enter an email address."}
	errCharacters = &AddressError{"characters", "The address contains characters that are not allowed in an email address."}
	errAt         = &AddressError{"at-sign", "An email address has exactly one @, with text before and after it."}
	errLong       = &AddressError{"too-long", "The address is too long for an email address."}
	errLocal      = &AddressError{"local-part", "The part before the @ may contain letters, digits and common symbols, with single dots between them."}
	errSMTPUTF8   = &AddressError{"local-part-not-ascii", "The part before the @ must contain only unaccented letters, digits and common symbols."}
	errDomain     = &AddressError{"domain", "The part after the @ is not a domain name that can receive email."}
	errReserved   = &AddressError{"reserved-domain", "Domains with this ending cannot receive email."}
)

// domains converts a domain to A-labels. Its profile is stricter than idna.Lookup, which accepts long labels.
var domains = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.StrictDomainName(true),
	idna.BidiRule(),
	idna.CheckHyphens(true),
	idna.CheckJoiners(true),
	idna.VerifyDNSLength(true),
)

// ParseAddress parses one address as a visitor types it. It removes white space and invisible characters around it
// (TrimAddress), and rejects them inside, as well as comments, quoted local parts, display names and address literals.
// The local part must be a dot-atom of RFC 5322 in ASCII. The domain must have at least two labels, may be in any script
// that IDNA allows, and must end in a name that can exist and receive email. ParseAddress does not check that the domain
// exists. The error is an *AddressError. The function is pure, and ParseAddress(a.Mailbox) returns a.
func ParseAddress(s string) (Address, error) {
	s = TrimAddress(s)
	if len(s) > maxInput {
		return Address{}, errLong
	}
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
	canonical := mailboxOf(lower, domain)
	registrable, _ := publicsuffix.EffectiveTLDPlusOne(domain) // fails for a public suffix
	return Address{
		Display:           local + "@" + shown,
		Mailbox:           local + "@" + domain,
		Normalized:        lower + "@" + domain,
		MailboxKey:        canonical.key(),
		Domain:            domain,
		RegistrableDomain: cmp.Or(registrable, domain),
		Provider:          canonical.provider,
	}, nil
}

// TrimAddress returns s without the white space, control characters and invisible characters around it, which keyboards
// and other programs add. Bytes that are not UTF-8 stay: in another encoding they may be letters.
func TrimAddress(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return r != utf8.RuneError && (isForbidden(r) || strings.ContainsRune(joiners, r)) })
}

// joiners have a meaning in some scripts; IDNA checks where they are.
const joiners = "\u200c\u200d"

// isForbidden reports whether r is not allowed in either part. It covers invisible characters, because IDNA's mapping
// drops some of them silently, so that two different texts become one address.
func isForbidden(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.IsSpace(r) ||
		unicode.Is(unicode.Variation_Selector, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) ||
		(unicode.Is(unicode.Cf, r) && !strings.ContainsRune(joiners, r))
}

// checkLocal checks for a dot-atom: atext of RFC 5322 §3.2.3 with single dots inside.
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
