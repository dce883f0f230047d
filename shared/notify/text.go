package notify

import (
	"strings"
	"unicode"
)

// clean returns m with one line for each text, without invisible characters and empty lines.
func (m Message) clean() Message {
	line := func(s string) string {
		return strings.TrimSpace(strings.Map(func(r rune) rune {
			switch {
			case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
				return ' '
			case r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069': // bidirectional formatting
				return -1
			}
			return r
		}, strings.ToValidUTF8(s, "�")))
	}
	lines := make([]string, 0, len(m.Lines))
	for _, text := range m.Lines {
		if text = line(text); text != "" {
			lines = append(lines, text)
		}
	}
	return Message{m.Level, line(m.Title), lines}
}

// fit returns a text with each character escaped, cut to a length with an ellipsis. Lengths are counted in UTF-16 code
// units, as the services may do.
func fit(text string, limit int, escape func(rune) string) string {
	var b strings.Builder
	used, safe := 0, 0 // safe is the length that may stay before an ellipsis
	for _, r := range text {
		escaped := escape(r)
		used += units(escaped)
		if used > limit {
			return b.String()[:safe] + "…"
		}
		b.WriteString(escaped)
		if used < limit {
			safe = b.Len()
		}
	}
	return b.String()
}

// units returns the length of s in UTF-16 code units.
func units(s string) (n int) {
	for _, r := range s {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}
