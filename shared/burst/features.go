package burst

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"newsletter/shared/pseudonym"
)

// dimensions is the length of a vector. A sign-up has about twenty features; two of them rarely share a dimension, and
// then have random signs.
const dimensions = 512

// SignUp is the data of a sign-up that is compared.
type SignUp struct {
	Mailbox   string // the address
	Network   netip.Addr
	UserAgent string
	Source    string // the page, or the campaign; empty for none, which is a feature too
}

// Weights are the shares of the groups of features in the similarity; their sum is 1. A common network counts against
// similarity: a conference, an office, a carrier and a server that signs visitors up have one network each, which the
// rate limiter bounds, whereas a burst comes from many.
type Weights struct{ Shape, Trigrams, Domain, Network, Agent, Source float64 }

// Tuned returns the weights that were tuned on the first set of attacks (docs/burst-detection.md).
func Tuned() Weights {
	return Weights{Shape: 0.15, Trigrams: 0.27, Domain: 0.08, Network: 0.15, Agent: 0.11, Source: 0.24}
}

// Vectors returns the two unit vectors of a sign-up: one to query with and one to store (signed feature hashing;
// Weinberger et al., ICML 2009). The similarity of two sign-ups is the cosine of one's query vector and the other's
// stored vector. The hashes are keyed, so that features cannot be derived from a vector.
func (w Weights) Vectors(key pseudonym.Key, s SignUp) (query, stored []float32) {
	querySum, storedSum := make([]float64, dimensions), make([]float64, dimensions)
	left := w.Shape + w.Trigrams + w.Domain + w.Network + w.Agent + w.Source
	add := func(group, feature string, weight, sign float64) {
		left -= weight
		hash, v := key.Feature(group+"\x00"+feature), math.Sqrt(weight)
		if hash>>63 == 1 {
			v = -v
		}
		querySum[hash%dimensions] += sign * v
		storedSum[hash%dimensions] += v
	}
	local, domain := split(s.Mailbox)
	add("shape", shape(local), w.Shape, 1)
	grams := trigrams(local)
	for _, gram := range grams {
		add("gram", gram, w.Trigrams/float64(len(grams)), 1)
	}
	add("domain", domain, w.Domain*rarity(domain), 1)
	if network := network(s.Network); network.IsValid() {
		add("network", network.String(), w.Network, -1)
	}
	add("agent", s.UserAgent, w.Agent, 1)
	add("source", s.Source, w.Source, 1)
	add("own", s.Mailbox, max(0, left), 1) // unused weight must not raise the shares of the other features
	return unit(querySum), unit(storedSum)
}

func unit(sum []float64) []float32 {
	square := 0.0
	for _, v := range sum {
		square += v * v
	}
	vector := make([]float32, len(sum))
	if square == 0 {
		return vector
	}
	for i, v := range sum {
		vector[i] = float32(v / math.Sqrt(square))
	}
	return vector
}

func split(mailbox string) (local, domain string) {
	at := strings.LastIndexByte(mailbox, '@')
	if at < 0 {
		return strings.ToLower(mailbox), ""
	}
	return strings.ToLower(mailbox[:at]), strings.ToLower(mailbox[at+1:])
}

// shape returns the character classes of the local part and its length in steps of four: "anna.meier84" is "a.ad2/3".
func shape(local string) string {
	var b strings.Builder
	var kind rune
	digits := 0
	flush := func() {
		if digits > 0 {
			b.WriteString(strconv.Itoa(min(digits, 9)))
		}
		digits = 0
	}
	for _, r := range local {
		switch {
		case unicode.IsLetter(r):
			r = 'a'
		case unicode.IsDigit(r):
			r = 'd'
		case r >= 128:
			r = 'x'
		}
		if r != kind {
			flush()
			b.WriteRune(r)
		}
		if kind = r; kind == 'd' {
			digits++
		}
	}
	flush()
	return fmt.Sprintf("%s/%d", b.String(), len(local)/4)
}

// trigrams returns all sequences of three characters of the local part, with every digit replaced by 0.
func trigrams(local string) []string {
	runes := []rune("^" + strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return '0'
		}
		return r
	}, local) + "$")
	var all []string
	for i := range max(0, len(runes)-2) {
		all = append(all, string(runes[i:i+3]))
	}
	return all
}

// largeProviders are so widely used that a common domain means little.
var largeProviders = map[string]bool{
	"gmail.com": true, "googlemail.com": true, "yahoo.com": true, "hotmail.com": true, "outlook.com": true, "live.com": true,
	"icloud.com": true, "gmx.de": true, "web.de": true, "gmx.net": true, "t-online.de": true, "aol.com": true, "orange.fr": true,
	"free.fr": true, "libero.it": true, "proton.me": true, "protonmail.com": true, "me.com": true, "msn.com": true,
}

// rarity returns the factor of a domain's weight.
func rarity(domain string) float64 {
	if largeProviders[domain] {
		return 0.5
	}
	return 1
}

// network returns the /24 or /64 network of a client.
func network(a netip.Addr) netip.Prefix {
	bits := 24
	if a = a.Unmap(); a.Is6() {
		bits = 64
	}
	prefix, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
