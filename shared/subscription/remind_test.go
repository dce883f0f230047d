package subscription

import (
	"fmt"
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

	// A later request may have a reminder too, but never above the budget.
	b.click(b.store.Unsubscribe, b.unsubscribeLink(jane), UnsubscribedNow)
	b.advance(time.Hour)
	for range 2 { // three emails with the reminder
		b.request(jane, ConfirmationQueued)
		b.deliver()
		b.advance(confirmPause)
	}
	after = time.Hour
	b.advance(after)
	b.remind(after, 0)
	b.advance(budgetWindow)
	b.remind(after, 1)
	if n := b.count("ledger_events where kind = 'subscription.reminded'"); n != 2 {
		t.Errorf("%d events", n)
	}
}

// TestAMailboxGetsOneReminder for an emailed request, and none for requests above the budget, which also leave a row.
func TestAMailboxGetsOneReminder(t *testing.T) {
	b := setup(t)
	var sent []sentEmail
	for i := range 20 {
		outcome := ConfirmationOverBudget
		if i == 0 {
			outcome = ConfirmationQueued
		}
		b.request(spelling(i), outcome)
		sent = append(sent, b.deliver()...)
	}
	for i := range 2 { // two more spellings that were emailed
		b.advance(confirmPause)
		b.request(spelling(20+i), ConfirmationQueued)
		sent = append(sent, b.deliver()...)
	}
	b.advance(49 * time.Hour)
	b.remind(48*time.Hour, 1)
	sent = append(sent, b.deliverFor(time.Hour)...)
	b.remind(48*time.Hour, 1) // the next run, and the other spellings
	sent = append(sent, b.deliverFor(time.Hour)...)
	b.expectSendings(sent)
	if len(sent) != 5 {
		t.Errorf("%d emails", len(sent))
	}
}

// TestRemindersKeepTheDomainLimit and count towards it.
func TestRemindersKeepTheDomainLimit(t *testing.T) {
	b := setup(t)
	var sent []sentEmail
	for i := range 40 {
		b.request(fmt.Sprintf("jane%d@example.org", i), ConfirmationQueued)
	}
	sent = append(sent, b.deliver()...)
	b.store.domainLimit.Limit = 3
	b.advance(49 * time.Hour)
	b.remind(48*time.Hour, 3)
	b.request("late@example.org", ConfirmationOverBudget)
	now := b.deliverFor(time.Hour)
	b.expectSendings(now)
	if len(sent) != 40 || len(now) != 3 {
		t.Errorf("%d emails, then %d", len(sent), len(now))
	}
	b.remind(48*time.Hour, 3) // the next run continues with the others
}
