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

// Dimensions of a vector. Some twenty traits of a sign-up share them: two traits of one sign-up meet in a dimension rarely,
// and then with random signs.
const Dimensions = 512

// SignUp is what is compared of a sign-up.
type SignUp struct {
	Mailbox   string // the address
	Network   netip.Addr
	UserAgent string
	Source    string // the page, or the campaign; empty for none, which is a trait as well
}

// Weights are how much of a similarity each group of traits is; together 1. What two sign-ups have of one network counts
// against them: a hall, an office, a carrier and a server that signs visitors up are one network each, which the rate limiter
// bounds, whereas a wave comes from many.
type Weights struct{ Shape, Grams, Domain, Network, Agent, Source float64 }

// Chosen returns the weights that were tuned on the first set of attacks (docs/burst-detection.md).
func Chosen() Weights {
	return Weights{Shape: 0.15, Grams: 0.27, Domain: 0.08, Network: 0.15, Agent: 0.11, Source: 0.24}
}

// Vectors returns a sign-up as two vectors of length 1: one to ask with and one to keep (signed feature hashing; Weinberger et
// al., ICML 2009). The cosine of what is asked and what was kept is how similar two sign-ups are. The numbers of the traits
// are keyed, so that nobody who has vectors alone can tell what they are made of.
func (w Weights) Vectors(key pseudonym.Key, s SignUp) (asked, kept []float32) {
	ask, keep := make([]float64, Dimensions), make([]float64, Dimensions)
	left := w.Shape + w.Grams + w.Domain + w.Network + w.Agent + w.Source
	add := func(group, trait string, weight, sign float64) {
		left -= weight
		number, v := key.Feature(group+"\x00"+trait), math.Sqrt(weight)
		if number>>63 == 1 {
			v = -v
		}
		ask[number%Dimensions] += sign * v
		keep[number%Dimensions] += v
	}
	local, domain := split(s.Mailbox)
	add("shape", shape(local), w.Shape, 1)
	grams := trigrams(local)
	for _, gram := range grams {
		add("gram", gram, w.Grams/float64(len(grams)), 1)
	}
	add("domain", domain, w.Domain*rarity(domain), 1)
	if network := network(s.Network); network.IsValid() {
		add("network", network.String(), w.Network, -1)
	}
	add("agent", s.UserAgent, w.Agent, 1)
	add("source", s.Source, w.Source, 1)
	add("own", s.Mailbox, max(0, left), 1) // what says nothing about likeness makes nobody's other traits say more
	return unit(ask), unit(keep)
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

// shape returns the local part by its kinds of letters, and its length in steps of four: "anna.meier84" is "a.ad2/3".
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

// trigrams returns the runs of three letters of the local part; digits count as one letter.
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

// large are the providers that so many people use that a common domain says little.
var large = map[string]bool{
	"gmail.com": true, "googlemail.com": true, "yahoo.com": true, "hotmail.com": true, "outlook.com": true, "live.com": true,
	"icloud.com": true, "gmx.de": true, "web.de": true, "gmx.net": true, "t-online.de": true, "aol.com": true, "orange.fr": true,
	"free.fr": true, "libero.it": true, "proton.me": true, "protonmail.com": true, "me.com": true, "msn.com": true,
}

// rarity returns how much of its weight a domain has.
func rarity(domain string) float64 {
	if large[domain] {
		return 0.5
	}
	return 1
}

// network returns the /24 or the /64 of a client.
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
