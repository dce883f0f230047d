package ledger

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable makes a client's text fit for a PostgreSQL text column: invalid UTF-8 and control characters (NUL among
// them, which PostgreSQL refuses) are dropped, and the rest is cut to at most limit bytes between two characters.
func Printable(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
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
