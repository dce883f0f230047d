package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"newsletter/shared/httpapi"
	"newsletter/shared/subscription"
)

// shot is one request of the attacker.
type shot struct {
	network    int
	path, body string
}

// focus is a victim who is targeted from everywhere at once, for a number of further requests.
type focus struct{ victim, left int }

// loud is the share of the networks that send a fifth of all requests, one in this many: more than the limits of a
// host allow.
const loud = 100

// shot chooses a network, a victim, a spelling of the address and a route.
func (a *attack) shot() shot {
	s := shot{network: a.random.IntN(a.networks)}
	if a.random.IntN(5) == 0 {
		s.network = a.random.IntN(1 + a.networks/loud)
	}
	victim := a.random.IntN(a.victims)
	if a.focus.left == 0 && a.random.IntN(200) == 0 {
		a.focus = focus{victim, 2 * side}
	}
	if a.focus.left > 0 {
		a.focus.left--
		victim = a.focus.victim
	}
	address := a.spell(victim)
	switch a.random.IntN(10) {
	case 0:
		s.path, s.body = httpapi.UnsubscribePath, fmt.Sprintf(`{"email":%q}`, address)
	case 1:
		s.path, s.body = httpapi.PrivacyPath, fmt.Sprintf(`{"email":%q,"request":%q}`, address, []string{"export", "erase"}[a.random.IntN(2)])
	default:
		s.path, s.body = httpapi.SubscribePath, fmt.Sprintf(`{"email":%q,"source":{"page":"/blog/spring"}}`, address)
	}
	return s
}

// mailbox returns a victim's address as they write it. Half are at Gmail, where dots do not count, the others at
// forty other domains. The addresses look like people's, because some victims sign up themselves.
func mailbox(victim int) string {
	name := given[victim%len(given)] + family[victim/len(given)%len(family)]
	if victim%2 == 0 {
		return fmt.Sprintf("%s%d@gmail.com", name, 1000+victim)
	}
	return fmt.Sprintf("%s%d@company-%d.org", name, victim, victim%40)
}

// mailboxes returns the canonical mailboxes of all victims, as the budgets count them, and whether they are subscribed.
func (p plan) mailboxes() map[string]bool {
	all := map[string]bool{}
	for victim := range p.victims {
		if address, err := subscription.ParseAddress(mailbox(victim)); err == nil {
			all[address.MailboxKey] = victim%subscribers < 2
		}
	}
	return all
}

// spell returns a spelling of an address that leads to the same mailbox.
func (a *attack) spell(victim int) string {
	local, domain, _ := strings.Cut(mailbox(victim), "@")
	if victim%2 == 0 {
		domain = []string{"gmail.com", "googlemail.com"}[a.random.IntN(2)]
		dot := a.random.IntN(len(local))
		local = strings.TrimPrefix(local[:dot]+"."+local[dot:], ".")
	}
	if a.random.IntN(2) == 0 {
		local += fmt.Sprintf("+tag%d", a.random.IntN(1000))
	}
	if a.random.IntN(3) == 0 {
		local = strings.ToUpper(local)
	}
	return local + "@" + domain
}

// visitor is a visitor of a network: all of 127.0.0.0/8 is this machine.
type visitor struct {
	base, agent string
	client      *http.Client
}

func newVisitor(base, ip, agent string) *visitor {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	return &visitor{base, agent, &http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 2}}}
}

// post returns the status of the answer; 0 if there was none.
func (v *visitor) post(ctx context.Context, path, body string) int {
	status, _ := v.exchange(ctx, path, body)
	return status
}

// exchange returns the status and the text of the answer.
func (v *visitor) exchange(ctx context.Context, path, body string) (int, string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, v.base+path, strings.NewReader(body))
	if err != nil {
		return 0, ""
	}
	request.Header.Set("User-Agent", v.agent)
	if strings.HasPrefix(body, "{") {
		request.Header.Set("Content-Type", "application/json")
	} else if body != "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := v.client.Do(request)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = response.Body.Close() }()
	answer, _ := io.ReadAll(response.Body) // to its end, so that the connection is reused
	return response.StatusCode, string(answer)
}
