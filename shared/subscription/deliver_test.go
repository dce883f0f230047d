package subscription

import (
	"fmt"
	"slices"
	"time"

	"newsletter/shared/outbox"
)

// sending is an email that left.
type sending struct {
	to, mailbox, domain string
	purpose             Purpose
	at                  time.Time
}

// deliver empties the outbox as the function does, with an email service that takes everything, and gives what left.
func (b *bundle) deliver() (sent []sending) {
	b.Helper()
	queue := outbox.NewWorker(b.db, b.now)
	for {
		claimed, err := queue.Claim(b.Context(), 50, time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		if len(claimed) == 0 {
			return sent
		}
		for _, d := range claimed {
			if !d.Kind.IsEmail() {
				b.done(queue, d, "none")
				continue
			}
			to, c, err := b.store.CheckSend(b.Context(), d)
			switch {
			case err != nil:
				b.Fatal(err)
			case c.DropReason != "":
				b.done(queue, d, c.DropReason)
			case c.DeferFor > 0:
				if err := queue.Release(b.Context(), c.DeferFor, d); err != nil {
					b.Fatal(err)
				}
			default:
				b.done(queue, d, "sent")
				a := address(b, to.Mailbox)
				sent = append(sent, sending{to.Mailbox, a.MailboxKey, RegistrableDomain(a.Domain), purposeOf(d.Kind), b.now()})
			}
		}
	}
}

func (b *bundle) done(queue *outbox.Worker, d outbox.Delivery, outcome string) {
	b.Helper()
	if err := queue.Complete(b.Context(), d, outcome); err != nil {
		b.Fatal(err)
	}
}

// deliverFor delivers every minute for a time.
func (b *bundle) deliverFor(d time.Duration) (sent []sending) {
	b.Helper()
	for end := b.now().Add(d); b.now().Before(end); b.advance(time.Minute) {
		sent = append(sent, b.deliver()...)
	}
	return sent
}

// outcomes counts how the emails of the outbox ended, or that they wait.
func (b *bundle) outcomes() map[string]int {
	b.Helper()
	counts := map[string]int{}
	for _, outcome := range b.strings(`select case when state = 'done' then outcome else state end from outbox where kind like 'email.%'`) {
		counts[outcome]++
	}
	return counts
}

// expectSendings holds what left to the caps: of every mailbox in every stretch of time, and of every domain.
func (b *bundle) expectSendings(sent []sending) {
	b.Helper()
	within := func(one sending, window time.Duration, same func(sending) bool) (n int) {
		for _, other := range sent {
			if same(other) && !other.at.After(one.at) && one.at.Sub(other.at) < window {
				n++
			}
		}
		return n
	}
	for _, one := range sent {
		bound, _ := budgetOf(one.purpose)
		mailbox := func(other sending) bool {
			return other.mailbox == one.mailbox && slices.Contains(bound.purposes, other.purpose)
		}
		if n := within(one, budgetWindow, mailbox); n > bound.limit {
			b.Errorf("%s: %d mails to %s in a day", one.purpose, n, one.mailbox)
		}
		if n := within(one, bound.pause, mailbox); n > 1 {
			b.Errorf("%s: %d emails to %s within the pause", one.purpose, n, one.mailbox)
		}
		if limit := b.store.domainLimit.Limit; limit > 0 && slices.Contains(formPurposes, string(one.purpose)) && Provider(one.domain) == "other" {
			if n := within(one, domainWindow, func(other sending) bool {
				return other.domain == one.domain && slices.Contains(formPurposes, string(other.purpose))
			}); n > limit {
				b.Errorf("%d emails to %s in an hour", n, one.domain)
			}
		}
	}
}

// spelling is one of many addresses of one mailbox.
func spelling(i int) string { return fmt.Sprintf("vic.tim+t%d@gmail.com", i) }
