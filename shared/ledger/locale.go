package ledger

import (
	"errors"
	"strings"
)

// Locale is a language tag such as "de" or "pt-BR" (BCP 47); empty if the language is unknown.
type Locale string

var errLocale = errors.New("must be a language tag, such as de or pt-BR")

// ParseLocale returns s as a Locale if it has the form of a language tag or is empty. It does not check that the
// subtags are registered.
func ParseLocale(s string) (Locale, error) {
	const maxLength = 35 // BCP 47 §4.4.1
	if len(s) > maxLength {
		return "", errLocale
	}
	for i, subtag := range strings.Split(s, "-") {
		if s != "" && (!isName(subtag, 8, "") || i == 0 && len(subtag) < 2) {
			return "", errLocale
		}
	}
	return Locale(s), nil
}
