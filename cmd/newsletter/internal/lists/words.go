package lists

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// joinWords returns the words of a heading or a value as one.
func joinWords(text string) string { return strings.Join(splitWords(text), "") }

// splitWords returns the words of a heading or a value in lower case, without accents. They are the same for
// "email_disabled", "emailDisabled" and "Email disabled".
func splitWords(text string) []string {
	var words []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
			word.Reset()
		}
	}
	small := false
	for _, r := range norm.NFD.String(text) {
		switch {
		case unicode.Is(unicode.Mn, r):
			continue
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
		case r == 'ß':
			word.WriteString("ss")
		default:
			if unicode.IsUpper(r) && small {
				end()
			}
			word.WriteRune(unicode.ToLower(r))
		}
		small = unicode.IsLower(r)
	}
	end()
	return words
}
