package bursts

import (
	"fmt"
	"strings"
	"time"
)

// Tuning contains the attacks used to choose weights and thresholds.
var Tuning = []Style{
	{"one network, names with digits", oneNetwork},
	{"many networks, one program, dictionary names", manyNetworks},
	{"random letters at one domain", oneDomain},
	{"plus tags of few mailboxes, many networks and programs", plusTags},
	{"slow drip from one network", slowDrip},
	{"many networks, a dozen programs, dictionary names", manyPrograms},
	{"a list of real people at one company, many networks", oneCompany},
}

// size is the number of sign-ups of an attack.
const size = 300

func oneNetwork(m *maker, from time.Duration) {
	network, agent := m.address(), m.agent()
	for range size {
		m.attack(m.within(from, 40*time.Minute), fmt.Sprintf("%s%s%d@gmail.com", pick(m, first), pick(m, last), m.IntN(10000)), m.in(network), agent, "/")
	}
}

func manyNetworks(m *maker, from time.Duration) {
	agent := m.agent()
	for range size {
		m.attack(m.within(from, 40*time.Minute), m.person(), m.address(), agent, "")
	}
}

func oneDomain(m *maker, from time.Duration) {
	domain := pick(m, words) + "-mail.example"
	for range size {
		m.attack(m.within(from, 40*time.Minute), m.letters(8+m.IntN(6))+"@"+domain, m.address(), m.agent(), "/")
	}
}

func plusTags(m *maker, from time.Duration) {
	victims := []string{m.person(), m.person(), m.person()}
	for i := range size {
		local, domain, _ := strings.Cut(pick(m, victims), "@")
		m.attack(m.within(from, 40*time.Minute), fmt.Sprintf("%s+%d@%s", local, i, domain), m.address(), m.agent(), "/newsletter")
	}
}

func slowDrip(m *maker, from time.Duration) {
	network := m.address()
	for range size / 3 {
		m.attack(m.within(from, 100*time.Minute), m.person(), m.in(network), m.agent(), "/")
	}
}

func manyPrograms(m *maker, from time.Duration) {
	agents := make([]string, 12)
	for i := range agents {
		agents[i] = m.agent()
	}
	for range size {
		m.attack(m.within(from, 40*time.Minute), fmt.Sprintf("%s.%s%d@%s", pick(m, first), pick(m, last), m.IntN(100), "gmail.com"), m.address(), pick(m, agents), "/")
	}
}

func oneCompany(m *maker, from time.Duration) {
	domain, agent := pick(m, last)+"-group.example", m.agent()
	for range size {
		m.attack(m.within(from, 40*time.Minute), fmt.Sprintf("%s.%s@%s", pick(m, first), pick(m, last), domain), m.address(), agent, "/")
	}
}

func (m *maker) letters(n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(byte('a' + m.IntN(26)))
	}
	return b.String()
}
