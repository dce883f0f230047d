package ledger

import (
	"net/netip"
	"strings"
	"unicode"
)

// identifiesPerson reports whether s contains what rows that are never deleted must not: an email address, a network
// address, or random characters, which may be a token, a key or a user id. If in doubt, it returns true.
func identifiesPerson(s string) bool {
	return containsAddress(s) || containsNetwork(s) || containsSecret(s)
}

// containsAddress reports whether s contains an @, plain or percent-encoded once or more often.
func containsAddress(s string) bool {
	lower := strings.ToLower(s)
	return strings.Contains(lower, "@") || strings.Contains(lower, "%40") || strings.Contains(lower, "%2540")
}

func containsNetwork(s string) bool {
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return !isHex(r) && r != '.' && r != ':' }) {
		if a, err := netip.ParseAddr(strings.Trim(word, ".")); err == nil && !a.IsUnspecified() { // "::" is punctuation
			return true
		}
	}
	return false
}

const (
	// minSecret is the length of the shortest text that may be a secret: our tokens have 107 characters, a key 43. An
	// MD5 of an address, as other services publish it, has 32.
	minSecret = 32
	// minChanges is the share of neighboring characters of different kinds from which on a text counts as random. In
	// base64 it is 0.63 on average, and below 0.3 in one key of 30,000. In names of one part it is about 0.25; in
	// names of many parts, like "The-10-Best-Letters", up to 0.4. Keys rarely have many parts.
	minChanges, minChangesOfMany = 0.3, 0.5
	// minPart is the average length of parts below which a text has many parts.
	minPart = 6
)

// containsSecret reports whether s contains random characters: hexadecimal, or mixing upper and lower case.
func containsSecret(s string) bool {
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return !isHex(r) }) {
		if len(word) >= minSecret && strings.ContainsFunc(word, unicode.IsDigit) { // UUIDs have no such run
			return true
		}
	}
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("_-+/=", r) }) {
		if isRandom(word) {
			return true
		}
	}
	return false
}

func isRandom(word string) bool {
	var capitals, small, length, parts, changes int
	last := ' '
	for _, r := range word {
		kind := '0'
		switch {
		case !isAlphanumeric(r):
			parts++
			continue
		case unicode.IsUpper(r):
			kind = 'A'
			capitals++
		case unicode.IsLower(r):
			kind = 'a'
			small++
		}
		if length > 0 && last != kind {
			changes++
		}
		last = kind
		length++
	}
	least := minChanges
	if length < minPart*parts {
		least = minChangesOfMany
	}
	return length >= minSecret && capitals > 0 && small > 0 && float64(changes) >= least*float64(length-1)
}

func isHex(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F'
}

func isAlphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}
