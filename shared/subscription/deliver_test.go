package subscription

import (
	"fmt"
	"time"

	"newsletter/shared/outbox"
)

// A sentEmail is an email that was sent.
type sentEmail struct {
	to, mailbox string
	confirmed   bool
	email       Email
	at          time.Time
}

// deliver empties the outbox as the function does for an owner who exempts example.org from slots, with an email service that accepts everything, and returns the sent
// emails.
func (b *fixture) deliver() (sent []sentEmail) {
	b.Helper()
	queue := outbox.NewWorker(b.db, b.now)
	if err := b.store.ReleaseSlots(b.Context(), Exemptions{"example.org"}); err != nil {
		b.Fatal(err)
	}
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
			d, to, c, err := b.store.CheckSend(b.Context(), d)
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
				confirmed := b.count(`identities i join subscribers s on s.id = i.subscriber_id where s.status = 'active' and i.mailbox_hmac = $1`,
					b.store.key.Mailbox(a.MailboxKey)) > 0
				sent = append(sent, sentEmail{to.Mailbox, a.MailboxKey, confirmed, EmailOf(d.Kind), b.now()})
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

// expectSendings checks the sent emails against the budget of each mailbox, in each window.
func (b *fixture) expectSendings(sent []sentEmail) {
	b.Helper()
	for _, one := range sent {
		budget := one.email.row().budget
		limits := budget.unconfirmed
		if one.confirmed {
			limits = budget.confirmed
		}
		for _, l := range limits {
			n := 0
			for _, other := range sent {
				if other.mailbox == one.mailbox && other.email.row().budget == budget && !other.at.After(one.at) && one.at.Sub(other.at) < l.within {
					n++
				}
			}
			if n > l.emails {
				b.Errorf("%s: %d emails to %s within %s", one.email, n, one.mailbox, l.within)
			}
		}
	}
}

// spelling returns one of many addresses of one mailbox.
func spelling(i int) string { return fmt.Sprintf("vic.tim+t%d@gmail.com", i) }
