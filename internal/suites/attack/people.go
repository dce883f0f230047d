package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"newsletter/shared/alert"
	"newsletter/shared/httpapi"
)

// patience is how long people check their inbox.
const patience = 4 * time.Minute

// agents are browsers in common use; the bots claim to be one of them.
var agents = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
}

var robotAgent = agents[0]

// subscribers is the share of victims who are already subscribed: two in this many, one of them at Gmail.
const subscribers = 10

// subscribeVictims subscribes some victims before the attack, by their own choice. The owner's alert and the day's
// budgets count these sign-ups like all others.
func (a *attack) subscribeVictims(ctx context.Context) error {
	var all sync.WaitGroup
	missing := make(chan string, a.victims)
	for victim := range a.victims {
		if victim%subscribers >= 2 {
			continue
		}
		all.Go(func() {
			v := newVisitor(a.base, fmt.Sprintf("127.220.%d.%d", victim/200, victim%200+1), agents[victim%len(agents)])
			if !a.signUp(ctx, v, mailbox(victim), "/blog/spring") {
				missing <- mailbox(victim)
			}
		})
	}
	all.Wait()
	close(missing)
	for address := range missing {
		return fmt.Errorf("%s could not subscribe before the attack", address)
	}
	return nil
}

// person signs up as people do, during the attack.
func (a *attack) person(ctx context.Context, i int, wait time.Duration) {
	pause(ctx, wait)
	address := fmt.Sprintf("%s.%s%d@home-%d.org", given[i%len(given)], family[i/len(given)%len(family)], i, i)
	if i%2 == 0 {
		address = fmt.Sprintf("%s%s%d@gmail.com", given[i%len(given)], family[i%len(family)], 1950+i)
	}
	v := newVisitor(a.base, fmt.Sprintf("127.%d.%d.%d", 200+i/200, i%200+1, 9), agents[i%len(agents)])
	if a.signUp(ctx, v, address, []string{"/", "/blog/spring", "/about"}[i%3]) {
		a.confirmed.Add(1)
	}
}

var (
	given  = []string{"anna", "ben", "clara", "david", "emma", "felix", "greta", "ivan", "julia", "karl", "lena"}
	family = []string{"mueller", "smith", "martin", "rossi", "novak", "kim", "garcia"}
)

// signUp requests the newsletter, waits for the email and confirms.
func (a *attack) signUp(ctx context.Context, v *visitor, address, page string) bool {
	a.note(v.post(ctx, httpapi.SubscribePath, fmt.Sprintf(`{"email":%q,"source":{"page":%q}}`, address, page)))
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for ctx.Err() == nil {
		if link := a.confirmLink(address); link != "" {
			status := v.post(ctx, link, "agree=yes")
			a.note(status)
			return status == 200
		}
		pause(ctx, time.Second)
	}
	return false
}

// confirmLink returns the path and query of the link in an address's email; empty if there is none yet.
func (a *attack) confirmLink(address string) string {
	for _, m := range a.stack.Fakes.SES.Emails() {
		if m.To != address {
			continue
		}
		for _, link := range m.Links {
			if u, err := url.Parse(link); err == nil && u.Path == httpapi.ConfirmPath {
				return u.RequestURI()
			}
		}
	}
	return ""
}

// owner checks Slack until it reports abuse of the form.
func (a *attack) owner(ctx context.Context) {
	began, title := time.Now(), alert.Alert{Rule: alert.Bombing}.Title(alert.Firing)
	ctx, cancel := context.WithTimeout(ctx, a.alert)
	defer cancel()
	for ctx.Err() == nil {
		for _, m := range a.stack.Fakes.Slack.Messages() {
			if strings.HasSuffix(m.Title, title) {
				a.notified.Store(int64(time.Since(began)))
				fmt.Fprintln(a.log, "the owner reads:", m.Title)
				return
			}
		}
		pause(ctx, time.Second)
	}
}
