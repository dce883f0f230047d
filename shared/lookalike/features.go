package lookalike

import (
	"math"
	"net/netip"
	"strings"
	"unicode"

	"newsletter/shared/pseudonym"
)

// Dimensions of a vector. Some forty traits of a sign-up share them: two traits of one sign-up meet in a dimension rarely,
// and then with random signs.
const Dimensions = 256

// SignUp is what is compared of a sign-up.
type SignUp struct {
	Mailbox   string // the address
	Network   netip.Addr
	UserAgent string
	Source    string // the page, or the campaign; empty for none
}

// Weights are how much each group of traits counts. Their squares are the groups' parts of a similarity.
type Weights struct{ Shape, Grams, Domain, Network, Agent, Source float64 }

// Chosen are the weights that were tuned on the first set of attacks (docs/lookalike.md).
func Chosen() Weights {
	return Weights{Shape: 0.1, Grams: 0.6, Domain: 1.3, Network: 0, Agent: 1.1, Source: 0.9}
}

// Vector is a sign-up as a vector of length 1 (signed feature hashing; Weinberger et al., ICML 2009). The numbers of the
// traits are keyed, so that nobody who has vectors alone can tell what they are made of.
func (w Weights) Vector(key pseudonym.Key, s SignUp) []float32 {
	sum := make([]float64, Dimensions)
	add := func(group, trait string, weight float64) {
		if trait == "" || weight == 0 {
			return
		}
		number := key.Feature(group + "\x00" + trait)
		if number>>63 == 1 {
			weight = -weight
		}
		sum[number%Dimensions] += weight
	}
	local, domain := split(s.Mailbox)
	add("shape", shape(local), w.Shape)
	grams := trigrams(local)
	for _, gram := range grams {
		add("gram", gram, w.Grams/math.Sqrt(float64(len(grams))))
	}
	add("domain", domain, w.Domain*rarity(domain))
	if network := network(s.Network); network.IsValid() {
		add("network", network.String(), w.Network)
	}
	add("agent", s.UserAgent, w.Agent)
	add("source", s.Source, w.Source)
	return unit(sum)
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

// shape writes the local part by kinds of letters: "anna.meier84" is "a4.a5d2", with lengths above nine as nine.
func shape(local string) string {
	var b strings.Builder
	var kind byte
	run := 0
	flush := func() {
		if run > 0 {
			b.WriteByte(kind)
			b.WriteByte(byte('0' + min(run, 9)))
		}
		run = 0
	}
	for _, r := range local {
		next := byte('x')
		switch {
		case unicode.IsLetter(r):
			next = 'a'
		case unicode.IsDigit(r):
			next = 'd'
		case r < 128:
			next = byte(r)
		}
		if next != kind {
			flush()
		}
		kind, run = next, run+1
	}
	flush()
	return b.String()
}

// trigrams are the runs of three letters of the local part; digits count as one letter.
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

// rarity is how much a domain says.
func rarity(domain string) float64 {
	if large[domain] {
		return 0.3
	}
	return 1
}

// network is the /24 or the /64 of a client.
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
