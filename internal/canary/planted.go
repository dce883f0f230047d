package canary

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
)

// Value is a value that a test planted, with all of its spellings.
type Value struct {
	Name  string
	Shape Shape // sinks that may contain the shape may contain the value

	spellings []spelling
}

// spelling is one way to write a value, in lower case.
type spelling struct{ how, text string }

// minSpelling is the length of the shortest text to search for; shorter texts occur by chance.
const minSpelling = 7

// Plant returns a Value. Findings show its name, so the name must not contain the value.
func Plant(name string, shape Shape, value string) Value {
	v := Value{Name: name, Shape: shape}
	v.add("as it is", value)
	v.add("in a URL", url.QueryEscape(value))
	v.add("in a URL, everything escaped", escapeAll("%%%02x", value))
	v.add("in a URL, escaped twice", url.QueryEscape(url.QueryEscape(value)))
	v.add("in quoted-printable", strings.ReplaceAll(value, "@", "=40"))
	v.add("in HTML", html.EscapeString(value))
	v.add("in JSON", strings.ReplaceAll(value, "@", `\u0040`))
	if quoted, err := json.Marshal(value); err == nil {
		v.add("in JSON, quoted", strings.Trim(string(quoted), `"`))
	}
	v.add("in hexadecimal", hex.EncodeToString([]byte(value)))
	v.addBase64([]byte(value))
	if shape == Address { // other services publish hashes of addresses
		lower := []byte(strings.ToLower(strings.TrimSpace(value)))
		md, sha, long := md5.Sum(lower), sha1.Sum(lower), sha256.Sum256(lower)
		v.add("as its MD5", hex.EncodeToString(md[:]))
		v.add("as its SHA-1", hex.EncodeToString(sha[:]))
		v.add("as its SHA-256", hex.EncodeToString(long[:]))
		v.addBase64(long[:])
		v.add("as its letters and digits", strings.Map(func(r rune) rune {
			if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				return -1
			}
			return r
		}, value))
	}
	if addr, err := netip.ParseAddr(value); err == nil {
		v.addNetwork(addr)
	}
	return v
}

func (v *Value) add(how, text string) {
	text = lowered(text)
	for _, s := range v.spellings {
		if s.text == text {
			return
		}
	}
	if len(text) >= minSpelling {
		v.spellings = append(v.spellings, spelling{how, text})
	}
}

// addBase64 adds the parts of the bytes' base64 that do not depend on their offset in a longer text.
func (v *Value) addBase64(raw []byte) {
	for shift := range 3 {
		whole := append(make([]byte, shift), raw...)
		whole = whole[:len(whole)/3*3] // the last group depends on what follows
		skip := []int{0, 2, 3}[shift]  // and the first letters on what precedes
		for how, encoding := range map[string]*base64.Encoding{"in base64": base64.StdEncoding, "in base64 for URLs": base64.URLEncoding} {
			if text := encoding.EncodeToString(whole); len(text) >= skip+12 {
				v.add(how, text[skip:])
			}
		}
	}
}

// addNetwork adds the spellings of a network address.
func (v *Value) addNetwork(addr netip.Addr) {
	v.add("in its usual spelling", addr.String())
	v.add("in full", addr.StringExpanded())
	if addr.Is4() {
		b := addr.As4()
		v.add("as an IPv6 address", netip.AddrFrom16(addr.As16()).String())
		v.add("as a number", fmt.Sprint(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3])))
		v.add("as a number in hexadecimal", hex.EncodeToString(b[:]))
		v.add("with dashes", fmt.Sprintf("%d-%d-%d-%d", b[0], b[1], b[2], b[3]))
		return
	}
	v.add("without colons", strings.ReplaceAll(addr.StringExpanded(), ":", ""))
}

func escapeAll(format, value string) string {
	var b strings.Builder
	for _, c := range []byte(value) {
		fmt.Fprintf(&b, format, c)
	}
	return b.String()
}

// lowered returns a text with its ASCII letters in lower case. Offsets do not change.
func lowered(text string) string {
	b := []byte(text)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// in returns the spelling of the value in a lower-case text and its offset; -1 if there is none.
func (v Value) in(lower string) (s spelling, at int) {
	for _, s := range v.spellings {
		if at := strings.Index(lower, s.text); at >= 0 {
			return s, at
		}
	}
	return spelling{}, -1
}
