package subscription

import (
	"testing"
	"time"

	"newsletter/shared/audit"
	"newsletter/shared/outbox"
)

func TestRemind(t *testing.T) {
	b := setup(t)
	after := 48 * time.Hour
	remind := func(want int) {
		t.Helper()
		if got, err := b.store.Remind(t.Context(), after, 100); err != nil || got != want {
			t.Fatalf("%d reminders, %v, want %d", got, err, want)
		}
	}
	b.request(jane, ConfirmationQueued)
	b.activate("active@example.org")
	b.request("silent@example.org", ConfirmationQueued)
	b.advance(after - time.Second)
	remind(0)
	b.suppress(Suppression{Address: address(t, "silent@example.org"), Reason: Objection, Actor: audit.Operator}, SuppressedNow)
	b.advance(time.Second)
	remind(1)
	remind(0) // once
	b.expectMails(outbox.MailConfirm, outbox.MailConfirm, outbox.MailConfirm, outbox.MailReminder)
	b.click(b.store.Confirm, b.link(jane), ConfirmedNow) // the link of the first mail, as that of the reminder

	// A later request of the same person may be reminded of again, but never above the caps.
	b.click(b.store.Unsubscribe, b.unsubscribeLink(jane), UnsubscribedNow)
	b.advance(time.Hour)
	for range 2 { // with the reminder that makes three mails
		b.request(jane, ConfirmationQueued)
		b.advance(confirmPause)
	}
	after = time.Hour
	b.advance(after)
	remind(0)
	b.advance(capWindow)
	remind(1)
	if n := b.count("audit_events where kind = 'subscription.reminded'"); n != 2 {
		t.Errorf("%d events", n)
	}
}
