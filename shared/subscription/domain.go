package subscription

import (
	"slices"
	"strings"
)

// reservedTopLevel lists the top-level names without email: RFC 6761 (test, localhost, invalid, example), RFC 6762
// (local), RFC 7686 (onion), RFC 3172 (arpa).
var reservedTopLevel = []string{"test", "localhost", "invalid", "example", "local", "onion", "arpa"}

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
	if len(top) < 2 || top[len(top)-1] < 'a' || top[len(top)-1] > 'z' {
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
