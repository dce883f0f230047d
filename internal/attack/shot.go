package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"newsletter/internal/devstack"
)

const (
	subscribePath   = "/api/newsletter/subscribe"
	unsubscribePath = "/api/newsletter/unsubscribe"
	privacyPath     = "/api/newsletter/privacy"
	confirmPath     = "/api/newsletter/confirm"
)

// shot is one request of the attacker.
type shot struct {
	network    int
	path, body string
}

// shot chooses a network, a victim, a spelling of the address and a route.
func (a *attack) shot() shot {
	s := shot{network: a.random.IntN(a.networks)}
	address := a.spell(a.random.IntN(a.victims))
	switch a.random.IntN(10) {
	case 0:
		s.path, s.body = unsubscribePath, fmt.Sprintf(`{"email":%q}`, address)
	case 1:
		s.path, s.body = privacyPath, fmt.Sprintf(`{"email":%q,"request":%q}`, address, []string{"export", "erase"}[a.random.IntN(2)])
	default:
		s.path, s.body = subscribePath, fmt.Sprintf(`{"email":%q}`, address)
	}
	return s
}

// spell writes a victim's address in one of the ways that lead to the same mailbox: half of them are at Gmail, where dots
// do not count, the others at forty domains of their own.
func (a *attack) spell(victim int) string {
	local, domain := fmt.Sprintf("victim%03dsmith", victim), fmt.Sprintf("company-%d.org", victim%40)
	if victim%2 == 0 {
		domain = []string{"gmail.com", "googlemail.com"}[a.random.IntN(2)]
		dot := 1 + a.random.IntN(len(local)-1)
		local = local[:dot] + "." + local[dot:]
	}
	if a.random.IntN(2) == 0 {
		local += fmt.Sprintf("+tag%d", a.random.IntN(1000))
	}
	if a.random.IntN(3) == 0 {
		local = strings.ToUpper(local)
	}
	return local + "@" + domain
}

// visitor is somebody in a network: the whole of 127.0.0.0/8 is this machine.
type visitor struct {
	base   string
	client *http.Client
}

func newVisitor(base, ip string) *visitor {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	return &visitor{base, &http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 2}}}
}

// post gives the status of the answer; 0 if there was none.
func (v *visitor) post(ctx context.Context, path, body string) int {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, v.base+path, strings.NewReader(body))
	if err != nil {
		return 0
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := v.client.Do(request)
	if err != nil {
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body) // so that the connection is used again
	return response.StatusCode
}

// confirmLink is the path and query of the link in the mail to an address; empty if there is none yet.
func confirmLink(stack *devstack.Stack, address string) string {
	for _, m := range stack.Doubles.SES.Mails() {
		if m.To != address {
			continue
		}
		for _, link := range m.Links {
			if u, err := url.Parse(link); err == nil && u.Path == confirmPath {
				return u.RequestURI()
			}
		}
	}
	return ""
}
