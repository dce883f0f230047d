// Package bursts generates sign-up bursts hidden in natural traffic, to measure how well they are detected.
//
// Everything is determined by a seed. The natural traffic consists of honest crowds, whose sign-ups resemble each
// other too; see crowds.go.
package bursts

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"newsletter/shared/burst"
)

// SignUp is a sign-up of a history.
type SignUp struct {
	At    time.Duration // since the start of the history
	Crowd string        // the natural crowd, such as a launch; empty for an attack
	burst.SignUp
}

// maker generates sign-ups.
type maker struct {
	*rand.Rand
	site site
	all  []SignUp
}

// Style is a kind of attack. It adds its sign-ups to a history.
type Style struct {
	Name string
	run  func(m *maker, from time.Duration)
}

// length is the duration of a history. Its attack begins in the middle third.
const length = 6 * time.Hour

// History returns the traffic of a site with a hidden attack of a style.
func History(style Style, seed uint64) []SignUp {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 0x77617665))}
	m.natural(seed)
	style.run(m, length/3+time.Duration(m.Float64()*float64(length/3)))
	slices.SortStableFunc(m.all, func(a, b SignUp) int { return cmp.Compare(a.At, b.At) })
	return m.all
}

// attack adds a sign-up of an attack.
func (m *maker) attack(at time.Duration, mailbox string, from netip.Addr, agent, source string) {
	m.all = append(m.all, SignUp{at, "", burst.SignUp{Mailbox: mailbox, Network: from, UserAgent: agent, Source: source}})
}

func pick[T any](m *maker, of []T) T { return of[m.IntN(len(of))] }

// shared is a value with the percentage of people who have it.
type shared[T any] struct {
	percent int
	of      T
}

// draw selects a value by percentages that add up to 100.
func draw[T any](m *maker, from []shared[T]) T {
	n := m.IntN(100)
	for _, s := range from {
		if n -= s.percent; n < 0 {
			return s.of
		}
	}
	panic("percentages that do not add up to a hundred")
}

// address returns an address of a home or a data center.
func (m *maker) address() netip.Addr {
	return netip.AddrFrom4([4]byte{byte(20 + m.IntN(180)), byte(m.IntN(256)), byte(m.IntN(256)), byte(1 + m.IntN(254))})
}

// in returns an address of the same /24.
func (m *maker) in(network netip.Addr) netip.Addr {
	four := network.As4()
	four[3] = byte(1 + m.IntN(254))
	return netip.AddrFrom4(four)
}

func (m *maker) within(from, length time.Duration) time.Duration {
	return from + time.Duration(m.Float64()*float64(length))
}
