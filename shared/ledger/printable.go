package ledger

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns s fit for a PostgreSQL text column and for its readers. It drops invalid UTF-8 and what cannot be
// seen: control characters, such as the NUL that PostgreSQL refuses, characters that reorder text, and those without a
// width. It cuts the rest to at most limit bytes at a character boundary.
func Printable(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsGraphic(r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) {
			return -1
		}
		return r
	}, s)
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
