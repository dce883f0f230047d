package canary

import (
	"crypto/md5"  //nolint:gosec // what others publish of an address is looked for, not made
	"crypto/sha1" //nolint:gosec // likewise
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/netip"
	"net/url"
	"strings"
)

// Value is something that a test planted, and every way in which it may come out again.
type Value struct {
	Name  string
	Shape Shape // sinks that may hold the shape may hold the value

	spellings []spelling
}

// spelling is a way to write a value, in lower case.
type spelling struct{ how, text string }

// minSpelling is the shortest text that is looked for: less stands anywhere by chance.
const minSpelling = 7

// Plant makes a Value. Names of values say in a finding what was found, so they must not hold it.
func Plant(name string, shape Shape, value string) Value {
	v := Value{Name: name, Shape: shape}
	v.add("it is", value)
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
	if shape == Address {
		lower := []byte(strings.ToLower(strings.TrimSpace(value)))
		md, sha, long := md5.Sum(lower), sha1.Sum(lower), sha256.Sum256(lower) //nolint:gosec // as above
		v.add("its MD5", hex.EncodeToString(md[:]))
		v.add("its SHA-1", hex.EncodeToString(sha[:]))
		v.add("its SHA-256", hex.EncodeToString(long[:]))
		v.addBase64(long[:])
	}
	if addr, err := netip.ParseAddr(value); err == nil {
		v.addNetwork(addr)
	}
	return v
}

func (v *Value) add(how, text string) {
	text = strings.ToLower(text)
	for _, s := range v.spellings {
		if s.text == text {
			return
		}
	}
	if len(text) >= minSpelling {
		v.spellings = append(v.spellings, spelling{how, text})
	}
}

// addBase64 adds what is left of the bytes in the base64 of a longer text, wherever they begin in it.
func (v *Value) addBase64(raw []byte) {
	for shift := range 3 {
		whole := append(make([]byte, shift), raw...)
		whole = whole[:len(whole)/3*3] // the last group depends on what follows
		skip := []int{0, 2, 3}[shift]  // and the first letters on what stands before
		for how, encoding := range map[string]*base64.Encoding{"in base64": base64.StdEncoding, "in base64 for URLs": base64.URLEncoding} {
			if text := encoding.EncodeToString(whole); len(text) >= skip+12 {
				v.add(how, text[skip:])
			}
		}
	}
}

// addNetwork adds the spellings of a network address.
func (v *Value) addNetwork(addr netip.Addr) {
	v.add("an address of its own spelling", addr.String())
	v.add("an IPv6 address in full", addr.StringExpanded())
	if addr.Is4() {
		b := addr.As4()
		v.add("an IPv4 address in IPv6", netip.AddrFrom16(addr.As16()).String())
		v.add("a number", fmt.Sprint(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3])))
		v.add("a number in hexadecimal", hex.EncodeToString(b[:]))
		v.add("numbers with dashes", fmt.Sprintf("%d-%d-%d-%d", b[0], b[1], b[2], b[3]))
		return
	}
	v.add("an IPv6 address without colons", strings.ReplaceAll(addr.StringExpanded(), ":", ""))
}

func escapeAll(format, value string) string {
	var b strings.Builder
	for _, c := range []byte(value) {
		fmt.Fprintf(&b, format, c)
	}
	return b.String()
}

// in gives the spelling in which the value stands in a text in lower case, and where; -1 if it does not.
func (v Value) in(lower string) (s spelling, at int) {
	for _, s := range v.spellings {
		if at := strings.Index(lower, s.text); at >= 0 {
			return s, at
		}
	}
	return spelling{}, -1
}
