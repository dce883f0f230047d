// Package waves makes sign-up waves hidden in natural traffic, to measure how well they are found.
//
// Everything follows from a seed. The natural traffic has what misleads detectors: mobile carriers that put thousands
// behind one address, a conference, a mention elsewhere that brings five hundred people in an hour, a company whose people
// all sign up after an announcement.
package waves

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"newsletter/shared/lookalike"
)

// SignUp is a sign-up of a history.
type SignUp struct {
	At     time.Duration // since the history's beginning
	Attack bool
	lookalike.SignUp
}

// maker makes sign-ups.
type maker struct {
	*rand.Rand
	all []SignUp
}

// Style is a way to attack: it adds its sign-ups to a history.
type Style struct {
	Name string
	run  func(m *maker, from time.Duration)
}

// Length is how long a history is. Its attack begins in its middle third.
const Length = 6 * time.Hour

// History is the traffic of a site in which an attack of a style hides.
func History(style Style, seed uint64) []SignUp {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 0x77617665))} //nolint:gosec // repeatable
	m.natural()
	style.run(m, Length/3+time.Duration(m.Float64()*float64(Length/3)))
	slices.SortStableFunc(m.all, func(a, b SignUp) int { return cmp.Compare(a.At, b.At) })
	return m.all
}

func (m *maker) add(at time.Duration, attack bool, mailbox string, from netip.Addr, agent, source string) {
	m.all = append(m.all, SignUp{at, attack, lookalike.SignUp{Mailbox: mailbox, Network: from, UserAgent: agent, Source: source}})
}

func pick[T any](m *maker, of []T) T { return of[m.IntN(len(of))] }

// address is an address of a home or a data centre.
func (m *maker) address() netip.Addr {
	return netip.AddrFrom4([4]byte{byte(20 + m.IntN(180)), byte(m.IntN(256)), byte(m.IntN(256)), byte(1 + m.IntN(254))})
}

// in is an address of the same /24.
func (m *maker) in(network netip.Addr) netip.Addr {
	four := network.As4()
	four[3] = byte(1 + m.IntN(254))
	return netip.AddrFrom4(four)
}

var (
	first = []string{"anna", "ben", "clara", "david", "emma", "felix", "greta", "hannah", "ivan", "julia", "karl", "lena", "max", "nina", "oskar", "paul",
		"rosa", "sofia", "tom", "ute", "victor", "wanda", "xenia", "yusuf", "zoe", "marie", "peter", "john", "sarah", "michael", "laura", "jan"}
	last = []string{"mueller", "schmidt", "smith", "jones", "martin", "bernard", "rossi", "novak", "kim", "garcia", "weber", "wagner", "becker", "hoffmann",
		"brown", "wilson", "taylor", "dubois", "moreau", "ricci", "silva", "jensen", "larsen", "ivanova", "yilmaz", "meier", "huber", "lopez"}
	words = []string{"blue", "cat", "star", "moon", "dev", "photo", "garden", "music", "fox", "river", "happy", "coffee", "bike", "stone", "wind", "paper"}
	// mailboxes by their share among subscribers.
	providers = []string{"gmail.com", "gmail.com", "gmail.com", "gmail.com", "gmail.com", "gmail.com", "gmail.com", "gmail.com", "outlook.com", "hotmail.com",
		"yahoo.com", "icloud.com", "icloud.com", "gmx.de", "web.de", "t-online.de", "proton.me"}
	pages = []string{"/", "/blog/spring", "/about", "/blog/tools", "/newsletter", "/archive"}
)

// person is a natural address: names, initials, years, nicknames, at a provider or a domain of one's own.
func (m *maker) person() string {
	a, b := pick(m, first), pick(m, last)
	local := a
	switch m.IntN(8) {
	case 0, 1:
		local = a + "." + b
	case 2:
		local = a + b
	case 3:
		local = a[:1] + "." + b
	case 4:
		local = a + fmt.Sprint(1950+m.IntN(60))
	case 5:
		local = pick(m, words) + pick(m, words)
	case 6:
		local = a + "_" + b + fmt.Sprint(m.IntN(100))
	}
	domain := pick(m, providers)
	if m.IntN(5) == 0 {
		domain = fmt.Sprintf("%s-%s.example", pick(m, words), pick(m, last))
	}
	return local + "@" + domain
}

// agent is a browser as they are spread: a few are very common.
func (m *maker) agent() string {
	switch n := m.IntN(10); {
	case n < 3:
		return fmt.Sprintf("Mozilla/5.0 (iPhone; CPU iPhone OS 1%d_%d like Mac OS X) Safari/60%d", 6+m.IntN(4), m.IntN(7), 4+m.IntN(2))
	case n < 6:
		return fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/1%d.0.0.0", 30+m.IntN(8))
	case n < 8:
		return fmt.Sprintf("Mozilla/5.0 (Linux; Android 1%d; K) Chrome/1%d.0.0.0 Mobile", m.IntN(6), 30+m.IntN(8))
	case n < 9:
		return fmt.Sprintf("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/1%d.%d Safari", 6+m.IntN(4), m.IntN(6))
	}
	return fmt.Sprintf("Mozilla/5.0 (X11; Linux x86_64; rv:1%d.0) Gecko Firefox", 30+m.IntN(16))
}

// natural is the day of a site that is doing well.
func (m *maker) natural() {
	carriers := make([]netip.Addr, 12) // half of the phones leave through a few networks
	for i := range carriers {
		carriers[i] = m.address()
	}
	home := func() netip.Addr {
		if m.IntN(3) == 0 {
			return m.in(pick(m, carriers))
		}
		return m.address()
	}
	for range 240 { // forty an hour
		m.add(m.within(0, Length), false, m.person(), home(), m.agent(), pick(m, pages))
	}
	mention := m.within(0, Length-time.Hour) // somebody with many readers links to an article
	for range 500 {
		m.add(mention+m.within(0, time.Hour), false, m.person(), home(), m.agent(), "/blog/tools")
	}
	hall, talk := m.address(), m.within(0, Length-time.Hour) // a talk ends with "sign up now"
	for range 60 {
		m.add(talk+m.within(0, 10*time.Minute), false, m.person(), hall, m.agent(), "/newsletter")
	}
	office, told, agent := m.address(), m.within(0, Length-time.Hour), m.agent() // colleagues on the same computers
	for range 40 {
		m.add(told+m.within(0, 40*time.Minute), false, fmt.Sprintf("%s.%s@%s.example", pick(m, first), pick(m, last), "company"), office, agent, "/")
	}
}

func (m *maker) within(from, length time.Duration) time.Duration {
	return from + time.Duration(m.Float64()*float64(length))
}
