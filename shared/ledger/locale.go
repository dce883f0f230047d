package ledger

import (
	"errors"
	"slices"
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

// CleanLocale returns the language of what a page, a browser or a program's settings call one, such as "de_AT.UTF-8@euro"
// or the first of "de-AT,de;q=0.9"; empty if there is none.
func CleanLocale(s string) Locale {
	s = strings.TrimSpace(s)
	if end := strings.IndexAny(s, ",;.@ "); end >= 0 {
		s = s[:end]
	}
	locale, err := ParseLocale(strings.ReplaceAll(s, "_", "-"))
	if err != nil {
		return ""
	}
	return locale
}

// scripts are those that distinguish translations of a language (CLDR, "likelySubtags.xml"). Any other subtag of four
// letters may be a name.
var scripts = []string{"arab", "cyrl", "deva", "guru", "hans", "hant", "latn", "tfng"}

// Short returns the language, script and region of l, without subtags that may be any word; empty without a language of
// two or three letters.
func (l Locale) Short() Locale {
	subtags := strings.Split(string(l), "-")
	if len(subtags[0]) > 3 {
		return ""
	}
	kept := subtags[:1]
	for _, subtag := range subtags[1:] {
		isScript, isRegion := len(kept) == 1 && slices.Contains(scripts, strings.ToLower(subtag)), len(subtag) == 2 && isLetters(subtag) || len(subtag) == 3 && isDigits(subtag)
		if !isScript && !isRegion {
			break
		}
		kept = append(kept, subtag)
		if isRegion {
			break
		}
	}
	return Locale(strings.Join(kept, "-"))
}

func isLetters(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !isAlphanumeric(r) || r >= '0' && r <= '9' })
}

func isDigits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}
