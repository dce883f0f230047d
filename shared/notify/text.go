package notify

import (
	"strings"
	"unicode"
)

// clean is m without anything that does not show: each text in one line, and no empty ones.
func (m Message) clean() Message {
	line := func(s string) string {
		return strings.TrimSpace(strings.Map(func(r rune) rune {
			switch {
			case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
				return ' '
			case r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069': // they turn the direction of what follows
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

// fit writes a text by the spelling of each of its letters, up to a length; what is cut ends with an ellipsis. Lengths
// are counted in UTF-16, as the services may do.
func fit(text string, limit int, spell func(rune) string) string {
	var b strings.Builder
	used, safe := 0, 0 // safe is how much may stay if an ellipsis has to follow
	for _, r := range text {
		spelt := spell(r)
		used += units(spelt)
		if used > limit {
			return b.String()[:safe] + "…"
		}
		b.WriteString(spelt)
		if used < limit {
			safe = b.Len()
		}
	}
	return b.String()
}

func units(s string) (n int) {
	for _, r := range s {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}
