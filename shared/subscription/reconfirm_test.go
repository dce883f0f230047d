package subscription

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/token"
)

// The email that asks once more: one for a mailbox, ten a minute, in no budget, longer than 72 hours if need be, and
// never to who left or is suppressed since.
func TestReconfirm(t *testing.T) {
	b := setup(t)
	lines := []string{"jane.doe@gmail.com waiting", "janedoe@gmail.com waiting", "gone@example.org waiting", "spam@example.org waiting"}
	for i := range 20 {
		lines = append(lines, fmt.Sprintf("w%02d@example.org waiting", i))
	}
	texts, err := ledger.ConsentTexts(t.Context(), b.db)
	if err != nil {
		t.Fatal(err)
	}
	list := ListImport{Entries: entries(lines...), Reconfirm: true, Texts: texts}
	if got := b.importList(list); !strings.HasPrefix(got, "1 pending, 2 other_spelling, 3 pending, 4 pending, 5 pending") {
		t.Fatal(got)
	}
	if again := b.importList(list); strings.Contains(again, "pending") || b.count("outbox where kind = 'email.reconfirm'") != 23 {
		t.Errorf("again: %s", again)
	}
	if got := b.importList(ListImport{Entries: entries("later@example.org waiting"), Reconfirm: true, Texts: texts}); got != "1 pending" {
		t.Error(got)
	}
	b.erase(Erasure{Address: address(t, "gone@example.org")}, ErasedNow)
	b.suppress(Suppression{Address: address(t, "spam@example.org"), Reason: Complaint, Actor: ledger.Provider}, SuppressedNow)

	if sent := b.deliver(); len(sent) != 1 {
		t.Errorf("at once: %d", len(sent))
	}
	sent := b.deliverFor(time.Minute)
	if len(sent) != 0 {
		t.Errorf("%d in the same minute", len(sent))
	}
	b.advance(100 * time.Hour) // as after a pause: longer than any sign-up may wait
	if ended, err := outbox.NewWorker(b.db, b.now).EndOverdue(t.Context()); err != nil || ended != 0 {
		t.Errorf("%d ended, %v", ended, err)
	}
	sent = b.deliver()
	if len(sent) != 21 {
		t.Errorf("%d sent: %v %v", len(sent), sent, b.outcomes())
	}
	for _, one := range sent {
		if one.email != ReconfirmEmail || one.to == "gone@example.org" || one.to == "spam@example.org" {
			t.Errorf("%+v", one)
		}
	}
	if n := b.count("email_log"); n != 0 {
		t.Errorf("%d entries in the budgets", n)
	}
	link := b.reconfirmLink("w00@example.org")
	text, err := b.store.ConsentText(t.Context(), link)
	if err != nil || text.Body == "" {
		t.Errorf("no text on the page: %+v %v", text, err)
	}
	b.click(b.store.Confirm, link, ConfirmedNow)
	r := b.expectRow("w00@example.org", Active, 1, false)
	if proven := b.count(`ledger_events where kind = 'subscription.confirmed' and subscriber_id = $1 and consent_text_id is not null and data->>'workflow' = 'double-opt-in/1'`, r.ID); proven != 1 {
		t.Error("the confirmation names no text")
	}
	b.click(b.decline, b.reconfirmLink("w01@example.org"), DeclinedNow)
	if r := b.row("w01@example.org"); r.exists {
		t.Errorf("%+v", r)
	}
	b.advance(pendingLifetime)
	if _, err := b.store.Expire(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	if n := b.count("subscribers where status = 'pending'"); n != 0 {
		t.Errorf("%d wait for ever", n)
	}
}

// While the sending circuit breaker is open, nobody is asked, for as long as it takes; and no subscriber's restriction is
// overridden.
func TestReconfirmWaitsForTheBreaker(t *testing.T) {
	b := setup(t)
	queue := outbox.NewWorker(b.db, b.now)
	b.importList(ListImport{Entries: entries("w1@example.org waiting", "w2@example.org waiting"), Reconfirm: true})
	b.exec(`insert into sending_breakers (id, reason, opened_at, half_open_at, openings, next_at) values (gen_random_uuid(), 'bounces', $1, $2, 1, $2)`,
		b.now(), b.now().Add(200*time.Hour))
	for _, wait := range []time.Duration{time.Minute, 80 * time.Hour, 80 * time.Hour} {
		b.advance(wait)
		if _, err := queue.QueueSignUps(t.Context(), SignUpKinds()); err != nil {
			t.Fatal(err)
		}
		if ended, err := queue.EndOverdue(t.Context()); err != nil || ended != 0 {
			t.Errorf("%d ended, %v", ended, err)
		}
		if sent := b.deliver(); len(sent) != 0 {
			t.Fatalf("sent while the breaker is open: %v", sent)
		}
	}
	b.advance(41 * time.Hour) // half open, and then the trickle
	sent := b.deliver()
	b.advance(time.Hour)
	if sent = append(sent, b.deliver()...); len(sent) != 2 {
		t.Errorf("%v %v", sent, b.outcomes())
	}
}

// reconfirmLink returns the claims of the link in an email that asks once more.
func (b *fixture) reconfirmLink(typed string) (link token.Link) {
	b.Helper()
	r := b.row(typed)
	return token.Link{SubscriberID: r.ID, EventID: r.RequestEventID, Epoch: r.Epoch}
}
