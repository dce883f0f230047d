package main

import (
	"context"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/httpapi"
	"newsletter/shared/token"
)

// link is a link from an email.
type link struct {
	Path     string // with its query
	Claims   token.Claims
	Delivery string
	To       string // the normalized address
}

// purposes are the pages of the links of each purpose.
var purposes = map[token.Purpose]string{
	token.Confirm: httpapi.ConfirmPath, token.Unsubscribe: httpapi.UnsubscribePath, token.Export: httpapi.PrivacyPath, token.Erase: httpapi.PrivacyPath,
}

// mailbox collects the email of all people. It is safe for concurrent use.
type mailbox struct {
	ses   *devstack.SES
	rings map[token.Purpose]*token.Ring

	mu    sync.Mutex
	seen  int
	links map[token.Purpose]map[string][]link // by address, oldest first
}

func newMailbox(s *system) *mailbox {
	m := &mailbox{ses: s.Fakes.SES, rings: s.rings, links: map[token.Purpose]map[string][]link{}}
	for purpose := range purposes {
		m.links[purpose] = map[string][]link{}
	}
	return m
}

// open reads the new emails.
func (m *mailbox) open(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh := m.ses.Since(m.seen)
	m.seen += len(fresh)
	for _, mail := range fresh {
		for _, text := range append(mail.Links, strings.Trim(mail.Headers["List-Unsubscribe"], "<>")) {
			m.keep(ctx, mail, text)
		}
	}
}

func (m *mailbox) keep(ctx context.Context, mail devstack.Email, text string) {
	at, err := url.Parse(text)
	if err != nil {
		return
	}
	for purpose, path := range purposes {
		if at.Path != path {
			continue
		}
		claims, err := m.rings[purpose].Verify(ctx, at.Query().Get("token"), time.Now())
		if err != nil {
			continue // of the other purpose of the same page
		}
		to := known(mail.To)
		m.links[purpose][to] = append(m.links[purpose][to], link{at.RequestURI(), claims, mail.Tags["delivery"], to})
	}
}

// pick returns a link that an address received: mostly the newest, sometimes an older one; false if there is none.
func (m *mailbox) pick(random *rand.Rand, purpose token.Purpose, address string) (link, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	links := m.links[purpose][address]
	if len(links) == 0 {
		return link{}, false
	}
	if random.IntN(4) == 0 {
		return links[random.IntN(len(links))], true
	}
	return links[len(links)-1], true
}

// known returns the normalized form of an address.
func known(typed string) string { return strings.ToLower(strings.TrimSpace(typed)) }
