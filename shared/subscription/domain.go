package subscription

import (
	"slices"
	"strings"
	"unicode"
)

// reservedTopLevel lists the top-level names without email: RFC 6761 (test, localhost, invalid, example), RFC 6762
// (local), RFC 7686 (onion), RFC 9476 (alt), RFC 3172 (arpa), and ICANN's resolution 2024.07.29.06 (internal).
var reservedTopLevel = []string{"test", "localhost", "invalid", "example", "local", "onion", "alt", "arpa", "internal"}

// parseDomain returns a domain in lower-case A-labels.
func parseDomain(typed string) (string, error) {
	domain, err := domains.ToASCII(typed)
	if err != nil {
		return "", errDomain
	}
	labels := strings.Split(domain, ".")
	if len(domain) > maxDomain || len(labels) < 2 {
		return "", errDomain
	}
	for _, label := range labels {
		if !isHostLabel(label) || !isCanonical(label) {
			return "", errDomain
		}
	}
	top := labels[len(labels)-1]
	if len(top) < 2 || !isPossibleEnding(typed, top) {
		return "", errDomain
	}
	if slices.Contains(reservedTopLevel, top) {
		return "", errReserved
	}
	return domain, nil
}

// isHostLabel checks the letter-digit-hyphen rule of RFC 1123 §2.1 and the length. It runs after the conversion to
// A-labels, which makes labels longer.
func isHostLabel(label string) bool {
	if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		if c := label[i]; !isAlphanumeric(c) && c != '-' {
			return false
		}
	}
	return true
}

// isCanonical reports whether an A-label represents a label in another script and is its only A-label (RFC 5891
// §4.2.1), so that two spellings of one domain cannot become two subscribers.
func isCanonical(label string) bool {
	if !strings.HasPrefix(label, "xn--") {
		return true
	}
	native, err := domains.ToUnicode(label)
	if err != nil || native == label {
		return false
	}
	back, err := domains.ToASCII(native)
	return err == nil && back == label
}

// isPossibleEnding reports whether a top-level domain can exist: letters only (RFC 1123 §2.1), or an A-label of letters
// and marks (ICANN's Applicant Guidebook, module 2, §2.2.1.3.2). It also checks the domain as typed, because the mapping
// makes letters of symbols: with "™" behind it, "gmail.com" would end in "comtm".
func isPossibleEnding(typed, top string) bool {
	labels := strings.FieldsFunc(typed, func(r rune) bool { return strings.ContainsRune(dots, r) })
	return isWord(labels[len(labels)-1]) && isWord(top)
}

// dots are what IDNA maps to a dot.
const dots = ".\u3002\uff0e\uff61"

// isWord reports whether a label has only letters and marks, as an A-label or not.
func isWord(label string) bool {
	if label = strings.ToLower(label); strings.HasPrefix(label, "xn--") {
		label, _ = domains.ToUnicode(label) // an invalid one fails elsewhere
	}
	return !strings.ContainsFunc(label, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) })
}
