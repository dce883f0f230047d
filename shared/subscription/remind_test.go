package subscription

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/ledger"
)

// remind sends reminders for all requests that have waited that long, as maintain does, in pages of two.
func (b *fixture) remind(after time.Duration, want int) {
	b.Helper()
	reminded := 0
	for last := uuid.Nil; ; {
		list, err := b.store.ListUnconfirmed(b.Context(), after, last, 2)
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range list {
			queued, err := b.store.Remind(b.Context(), f)
			if err != nil {
				b.Fatal(err)
			}
			if queued {
				reminded++
			}
			last = f.SubscriberID
		}
		if len(list) < 2 {
			break
		}
	}
	if reminded != want {
		b.Fatalf("%d reminders, want %d", reminded, want)
	}
}

func TestRemind(t *testing.T) {
	b := setup(t)
	after := 48 * time.Hour
	b.request(jane, ConfirmationQueued)
	b.activate("active@example.org")
	b.request("silent@example.org", ConfirmationQueued)
	b.deliver()
	b.advance(after - time.Second)
	b.remind(after, 0)
	b.suppress(Suppression{Address: address(t, "silent@example.org"), Reason: Objection, Actor: ledger.Operator}, SuppressedNow)
	b.advance(time.Second)
	b.remind(after, 1)
	b.remind(after, 0) // once
	b.expectEmails(ConfirmEmail.Kind(), ConfirmEmail.Kind(), ConfirmEmail.Kind(), ReminderEmail.Kind())
	if sent := b.deliver(); len(sent) != 1 {
		t.Errorf("sent %v", sent)
	}
	b.click(b.store.Confirm, b.link(jane), ConfirmedNow) // the link in the first email, as in the reminder

	// A later request may have a reminder, too.
	b.click(b.store.Unsubscribe, b.unsubscribeLink(jane), UnsubscribedNow)
	b.advance(30 * oneDay)
	b.request(jane, ConfirmationQueued)
	b.deliver()
	b.advance(after)
	b.remind(after, 1)
	if n := b.count("ledger_events where kind = 'subscription.reminded'"); n != 2 {
		t.Errorf("%d events", n)
	}
}

// TestRemindersCountInTheMailboxBudget also checks that requests whose email did not leave have none.
func TestRemindersCountInTheMailboxBudget(t *testing.T) {
	b := setup(t)
	var sent []sentEmail
	for i := range 5 {
		b.request(spelling(i), ConfirmationQueued)
		sent = append(sent, b.deliver()...)
		b.advance(confirmRepeat)
	}
	if len(sent) != 2 {
		t.Fatalf("sent %v", sent)
	}
	sent = append(sent, b.deliverFor(2*oneDay)...)
	b.remind(oneDay, 3)
	sent = append(sent, b.deliverFor(4*oneDay)...)
	b.expectSendings(sent)
}
