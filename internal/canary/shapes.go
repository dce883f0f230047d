package canary

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Shape is a kind of value that can be recognized by its form.
type Shape string

// The shapes.
const (
	Address Shape = "mail address"
	Network Shape = "network address"
	Token   Shape = "token"
	Key     Shape = "key"
)

var (
	// The domain must end in a name, because module paths ("pgx/v5@v5.12.0") end in a version.
	addressPattern = regexp.MustCompile(`[^\s"'<>()=,;:@\\]+@(?:[\pL\pN-]+\.)+\pL[\pL\pN-]+`)
	ipv4Pattern    = regexp.MustCompile(`\d{1,3}(?:\.\d{1,3}){3}`)
	ipv6Pattern    = regexp.MustCompile(`(?i)[0-9a-f:]*:[0-9a-f]*:[0-9a-f:.]*`)
	runPattern     = regexp.MustCompile(`[A-Za-z0-9_+/-]{24,}=*`)
)

// match is the position of a value of a shape in a text.
type match struct {
	shape      Shape
	start, end int
}

// shapes finds all values of a shape in a text, in order.
func shapes(text string) (found []match) {
	note := func(shape Shape, pattern *regexp.Regexp, is func(s string, before, after byte) bool) {
		for _, at := range pattern.FindAllStringIndex(text, -1) {
			if is(text[at[0]:at[1]], byteAt(text, at[0]-1), byteAt(text, at[1])) {
				found = append(found, match{shape, at[0], at[1]})
			}
		}
	}
	if strings.Contains(text, "@") {
		note(Address, addressPattern, func(string, byte, byte) bool { return true })
	}
	if strings.Count(text, ".") >= 3 {
		note(Network, ipv4Pattern, isIPv4)
	}
	if strings.Contains(text, ":") {
		note(Network, ipv6Pattern, isIPv6)
	}
	note(Token, runPattern, func(s string, _, _ byte) bool { return isToken(s) })
	note(Key, runPattern, func(s string, _, _ byte) bool { return !isToken(s) && isKey(s) })
	slices.SortFunc(found, func(a, b match) int { return a.start - b.start })
	return found
}

func byteAt(text string, i int) byte {
	if i < 0 || i >= len(text) {
		return ' '
	}
	return text[i]
}

func isWord(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= utf8.RuneSelf
}

// isIPv4 separates addresses from longer sequences of numbers and from versions ("v1.2.3.4").
func isIPv4(s string, before, after byte) bool {
	addr, err := netip.ParseAddr(s)
	return err == nil && !addr.IsUnspecified() && !isWord(before) && before != '.' && !isWord(after)
}

// isIPv6 separates addresses from times and casts ("$1::text").
func isIPv6(s string, before, after byte) bool {
	addr, err := netip.ParseAddr(strings.TrimRight(s, ".:"))
	if err != nil {
		addr, err = netip.ParseAddr(s)
	}
	return err == nil && addr.Is6() && !addr.IsUnspecified() && !isWord(before) && !isWord(after)
}

// isToken matches the layout of our links (shared/token), whatever key signed them: version, purpose, length of the key
// id, the id, two UUIDs, epoch, expiry and the HMAC. Half a token also counts.
func isToken(s string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(s[:len(s)/4*4])
	return err == nil && len(raw) >= 40 && raw[0] == 1 && raw[1] >= 1 && raw[1] <= 4 && raw[2] >= 1 && raw[2] <= 16
}

// isKey finds 32 or more random bytes in hexadecimal or base64. About one base64 key in a hundred looks like words
// and is missed; paths and names have fewer capitals and digits.
func isKey(s string) bool {
	if raw, err := hex.DecodeString(s); err == nil {
		return len(raw) >= 32 && strings.ContainsFunc(s, unicode.IsLetter) && strings.ContainsFunc(s, unicode.IsDigit)
	}
	var upper, lower, digits int
	for _, r := range s {
		switch {
		case unicode.IsUpper(r):
			upper++
		case unicode.IsLower(r):
			lower++
		case unicode.IsDigit(r):
			digits++
		}
	}
	return upper+lower+digits >= 40 && upper >= 8 && lower >= 8 && digits >= 2
}

// redact removes all values of a shape from a text.
func redact(text string) string {
	var b strings.Builder
	done := 0
	for _, at := range shapes(text) {
		if at.start >= done {
			b.WriteString(text[done:at.start] + "[" + string(at.shape) + "]")
			done = at.end
		}
	}
	return b.String() + text[done:]
}

var (
	unicodeEscape = regexp.MustCompile(`(?i)\\+u00[2-7][0-9a-f]`)
	percentEscape = regexp.MustCompile(`(?i)%(25)*[2-7][0-9a-f]`)
)

// standardAlphabet converts base64url to base64.
var standardAlphabet = strings.NewReplacer("-", "+", "_", "/")

// views returns a text and what a reader can derive from it: without escapes, and with its base64 decoded.
func views(text string) []string {
	all := []string{text}
	if plain := unescape(text); plain != text {
		all = append(all, plain)
	}
	for _, run := range runPattern.FindAllString(text, -1) {
		raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(standardAlphabet.Replace(run), "="))
		if err == nil && utf8.Valid(raw) && !strings.ContainsFunc(string(raw), unicode.IsControl) {
			all = append(all, string(raw))
		}
	}
	return all
}

// unescape removes the escapes of JSON, Markdown and URLs, however often nested, and those of HTML.
func unescape(text string) string {
	last := func(escape string) string {
		code, err := strconv.ParseUint(escape[len(escape)-2:], 16, 8)
		if err != nil {
			return escape
		}
		return string(rune(code))
	}
	if strings.Contains(text, `\`) {
		text = strings.ReplaceAll(unicodeEscape.ReplaceAllStringFunc(text, last), `\n`, "\n")
		text = strings.ReplaceAll(text, `\`, "")
	}
	if strings.Contains(text, "%") {
		text = percentEscape.ReplaceAllStringFunc(text, last)
	}
	if strings.Contains(text, "&") {
		text = html.UnescapeString(text)
	}
	return text
}
