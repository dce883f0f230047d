package subscription

import (
	"fmt"
	"time"

	"newsletter/shared/outbox"
)

// A sentEmail is an email that was sent.
type sentEmail struct {
	to, mailbox, domain string
	email               Email
	at                  time.Time
}

// deliver empties the outbox as the function does, with an email service that accepts everything, and returns the sent
// emails.
func (b *fixture) deliver() (sent []sentEmail) {
	b.Helper()
	queue := outbox.NewWorker(b.db, b.now)
	for {
		claimed, err := queue.Claim(b.Context(), outbox.Limits{Due: 50}, time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		if len(claimed) == 0 {
			return sent
		}
		for _, d := range claimed {
			if !d.Kind.IsEmail() {
				b.complete(queue, d, "none")
				continue
			}
			to, c, err := b.store.CheckSend(b.Context(), d)
			switch {
			case err != nil:
				b.Fatal(err)
			case c.DropReason != "":
				b.complete(queue, d, c.DropReason)
			case c.DeferFor > 0:
				if err := queue.Release(b.Context(), c.DeferFor, d); err != nil {
					b.Fatal(err)
				}
			default:
				b.complete(queue, d, "sent")
				a := address(b, to.Mailbox)
				sent = append(sent, sentEmail{to.Mailbox, a.MailboxKey, a.LimitedDomain(), EmailOf(d.Kind), b.now()})
			}
		}
	}
}

func (b *fixture) complete(queue *outbox.Worker, d outbox.Delivery, outcome outbox.Outcome) {
	b.Helper()
	if err := queue.Complete(b.Context(), d, outcome); err != nil {
		b.Fatal(err)
	}
}

// deliverFor delivers once a minute for d.
func (b *fixture) deliverFor(d time.Duration) (sent []sentEmail) {
	b.Helper()
	for end := b.now().Add(d); b.now().Before(end); b.advance(time.Minute) {
		sent = append(sent, b.deliver()...)
	}
	return sent
}

// outcomes counts the emails in the outbox by outcome, or by state while they wait.
func (b *fixture) outcomes() map[string]int {
	b.Helper()
	counts := map[string]int{}
	for _, outcome := range b.strings(`select case when state = 'done' then outcome else state end from outbox where kind like 'email.%'`) {
		counts[outcome]++
	}
	return counts
}

// expectSendings checks the sent emails against the budget of each mailbox and the limit of each domain, in each
// window.
func (b *fixture) expectSendings(sent []sentEmail) {
	b.Helper()
	within := func(one sentEmail, window time.Duration, same func(sentEmail) bool) (n int) {
		for _, other := range sent {
			if same(other) && !other.at.After(one.at) && one.at.Sub(other.at) < window {
				n++
			}
		}
		return n
	}
	for _, one := range sent {
		email := one.email.row()
		budget := email.budget
		mailbox := func(other sentEmail) bool {
			return other.mailbox == one.mailbox && other.email.row().budget == budget
		}
		if n := within(one, budgetWindow, mailbox); n > budget.limit {
			b.Errorf("%s: %d emails to %s in a day", one.email, n, one.mailbox)
		}
		if n := within(one, budget.pause, mailbox); n > 1 {
			b.Errorf("%s: %d emails to %s within the pause", one.email, n, one.mailbox)
		}
		if limit := b.store.domainLimit.Limit; limit > 0 && email.anyAddress && one.domain != "" {
			if n := within(one, domainWindow, func(other sentEmail) bool {
				return other.domain == one.domain && other.email.row().anyAddress
			}); n > limit {
				b.Errorf("%d emails to %s in an hour", n, one.domain)
			}
		}
	}
}

// spelling returns one of many addresses of one mailbox.
func spelling(i int) string { return fmt.Sprintf("vic.tim+t%d@gmail.com", i) }
