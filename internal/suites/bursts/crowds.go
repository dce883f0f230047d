package bursts

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"newsletter/shared/burst"
)

// site is a site and its visitors.
type site struct {
	browsers  []shared[string]
	mailboxes []shared[string]
	carriers  []netip.Addr // networks, most common first
	server    *netip.Addr  // signs up visitors on their behalf; nil if browsers do
}

// natural adds six hours of traffic of a popular site. Every second site opens with a launch; the others are
// mentioned elsewhere. Every third has a server that calls the API for its visitors, who then share a user agent, a
// network and a page.
func (m *maker) natural(seed uint64) {
	m.site.browsers, m.site.mailboxes = pick(m, [][]shared[string]{worldwide, affluent, phones}), consumers
	if m.IntN(2) == 0 {
		m.site.mailboxes = professionals
	}
	for range 8 + m.IntN(16) {
		m.site.carriers = append(m.site.carriers, m.address())
	}
	if seed%3 == 0 {
		server := m.address()
		m.site.server = &server
	}
	m.everyday()
	if seed%2 == 0 {
		m.readers("launch", 0, "/")
	} else {
		m.readers("mention", m.sometime(time.Hour), "/blog/tools")
	}
	m.conference()
	m.company()
	m.university()
}

// visitor adds a natural sign-up.
func (m *maker) visitor(crowd string, at time.Duration, mailbox string, from netip.Addr, agent, page string) {
	if m.site.server != nil {
		crowd, from, agent, page = "through a server", *m.site.server, "Go-http-client/2.0", ""
	}
	m.all = append(m.all, SignUp{at, crowd, burst.SignUp{Mailbox: mailbox, Network: from, UserAgent: agent, Source: page}})
}

// sometime returns the start of something that takes a while.
func (m *maker) sometime(while time.Duration) time.Duration { return m.within(0, length-while) }

// everyday adds the usual traffic: two to sixty-four sign-ups an hour, two thirds of them from the form on the front
// page.
func (m *maker) everyday() {
	pages := []shared[string]{{65, "/"}, {15, "/newsletter"}, {12, "/blog/tools"}, {8, "/about"}}
	for range int(length.Hours() * math.Exp2(1+5*m.Float64())) {
		m.visitor("everyday", m.within(0, length), m.person(), m.home(), m.agent(), draw(m, pages))
	}
}

// readers adds two to five hundred visitors within an hour, all on one page.
func (m *maker) readers(crowd string, from time.Duration, page string) {
	for range 200 + m.IntN(301) {
		m.visitor(crowd, m.within(from, time.Hour), m.person(), m.home(), m.agent(), page)
	}
}

// conference adds a hall behind one address, after a talk that ended with a link.
func (m *maker) conference() {
	hall, talk := m.address(), m.sometime(15*time.Minute)
	for range 60 + m.IntN(90) {
		m.visitor("conference", m.within(talk, 15*time.Minute), m.person(), hall, m.phone(), "/newsletter")
	}
}

// company adds an office whose people have the same computers and addresses of one form.
func (m *maker) company() {
	office, start, agent := m.address(), m.sometime(40*time.Minute), fmt.Sprintf(windowsEdge, 142)
	for range 40 {
		m.visitor("company", m.within(start, 40*time.Minute), pick(m, first)+"."+pick(m, last)+"@company.example", office, agent, "/")
	}
}

// university adds a hundred students who follow an email: one domain, half of them on its network.
func (m *maker) university() {
	campus, start := m.address(), m.sometime(2*time.Hour)
	for range 100 {
		from := m.home()
		if m.IntN(2) == 0 {
			from = m.in(campus)
		}
		m.visitor("university", m.within(start, 2*time.Hour), m.local()+"@uni.example", from, m.agent(), "/newsletter")
	}
}
