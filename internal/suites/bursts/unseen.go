package bursts

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Unseen contains the attacks used for a single evaluation. They were written after the weights and thresholds were
// committed.
var Unseen = []Style{
	{"words and numbers at one small provider, one old browser", smallProvider},
	{"hexadecimal mailboxes at large providers, browsers as people have them", hexadecimal},
	{"dots put into a few Gmail mailboxes, many networks", dotted},
	{"a stolen list of real people, many networks, browsers as people have them", stolenList},
	{"two data centres, initials and years, one library", twoDataCentres},
	{"a name of its own below one domain for each, many networks", subdomains},
	{"bursts of sixty, each with a program and a form of name of its own", bursts},
}

func smallProvider(m *maker, from time.Duration) {
	domain := pick(m, words) + "post.example"
	for range size {
		mailbox := fmt.Sprintf("%s%s%d@%s", pick(m, words), pick(m, words), m.IntN(100000), domain)
		m.attack(m.within(from, 50*time.Minute), mailbox, m.address(), fmt.Sprintf(windowsChrome, 109), "/about")
	}
}

func hexadecimal(m *maker, from time.Duration) {
	for range size {
		mailbox := fmt.Sprintf("%010x@%s", m.Uint64N(1<<40), pick(m, []string{"gmail.com", "outlook.com", "yahoo.com"}))
		m.attack(m.within(from, 40*time.Minute), mailbox, m.address(), m.agent(), "/")
	}
}

func dotted(m *maker, from time.Duration) {
	victims := []string{pick(m, first) + pick(m, last), pick(m, words) + pick(m, last)}
	for range size {
		var b strings.Builder
		for i, r := range pick(m, victims) {
			if i > 0 && m.IntN(3) == 0 {
				b.WriteByte('.')
			}
			b.WriteRune(r)
		}
		m.attack(m.within(from, 40*time.Minute), b.String()+"@gmail.com", m.address(), m.agent(), "/newsletter")
	}
}

func stolenList(m *maker, from time.Duration) {
	for range size {
		m.attack(m.within(from, 40*time.Minute), m.person(), m.address(), m.agent(), "/")
	}
}

func twoDataCentres(m *maker, from time.Duration) {
	centres := [][4]byte{m.address().As4(), m.address().As4()}
	for range size {
		network := pick(m, centres)
		network[2] = byte(m.IntN(8)) // eight networks in each
		mailbox := fmt.Sprintf("%c%s%d@hotmail.com", 'a'+rune(m.IntN(26)), pick(m, last), 1960+m.IntN(50))
		m.attack(m.within(from, 30*time.Minute), mailbox, m.in(netip.AddrFrom4(network)), "python-requests/2.32.3", "")
	}
}

func subdomains(m *maker, from time.Duration) {
	for i := range size {
		mailbox := fmt.Sprintf("%s@%s%d.catchall.example", pick(m, []string{"info", "mail", "contact", "hello"}), pick(m, words), i)
		m.attack(m.within(from, 40*time.Minute), mailbox, m.address(), m.agent(), "/blog/tools")
	}
}

func bursts(m *maker, from time.Duration) {
	forms := []func() string{
		func() string { return pick(m, first) + "." + pick(m, last) + fmt.Sprint(m.IntN(1000)) },
		func() string { return pick(m, words) + "_" + pick(m, words) + fmt.Sprint(m.IntN(10)) },
		func() string { return m.letters(12) },
		func() string { return fmt.Sprint(m.IntN(1000)) + pick(m, first) },
		func() string { return pick(m, last) + "-" + pick(m, first) },
	}
	for i, form := range forms {
		agent := m.agent()
		for range size / len(forms) {
			m.attack(m.within(from+time.Duration(i)*20*time.Minute, 10*time.Minute), form()+"@gmail.com", m.address(), agent, "/newsletter")
		}
	}
}
