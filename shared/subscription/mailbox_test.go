package subscription

import (
	"testing"
	"time"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

const victim = "victim@gmail.com" // as spelling spells it

// TestNotMeHoldsForEverySpelling: who says so reads the mailbox, and no other way of writing its address brings mail.
func TestNotMeHoldsForEverySpelling(t *testing.T) {
	b := setup(t)
	b.activate(spelling(99))
	b.advance(confirmPause)
	b.request(spelling(98), ConfirmationQueued)
	b.deliver()
	b.advance(budgetWindow)
	b.request(victim, ConfirmationQueued)
	b.deliver()
	b.advance(confirmPause)
	b.request(spelling(98), ConfirmationQueued) // it is due when the button is pressed
	b.click(b.store.Decline, b.link(victim), DeclinedNow)
	if sent := b.deliver(); len(sent) != 0 {
		t.Errorf("sent %v", sent)
	}
	for i := range 20 {
		b.request(spelling(i), RequestSuppressed)
		b.request(spelling(99), RequestSuppressed) // nor a notice to who subscribes there
		b.ask(spelling(98), UnsubscribeLinkEmail, LinkSuppressed)
		b.ask(spelling(99), ExportLinkEmail, LinkSuppressed)
		b.advance(MutePeriod / 21)
		b.remind(time.Hour, 0)
		if sent := b.deliver(); len(sent) != 0 {
			t.Fatalf("sent %v", sent)
		}
	}
	if n := b.count("subscribers"); n != 2 {
		t.Errorf("%d rows: what is silenced leaves none", n)
	}
	b.expectRow(spelling(99), Active, 1, false) // who subscribes under another spelling still does
	b.request("vic.tim@example.org", ConfirmationQueued)
	b.advance(MutePeriod / 20)
	b.request(spelling(1), ConfirmationQueued)
}

// TestWhatHoldsForTheMailbox: a complaint, an objection and the owner's word do, a bounce does not.
func TestWhatHoldsForTheMailbox(t *testing.T) {
	b := setup(t)
	for _, c := range []struct {
		reason SuppressionReason
		name   string
		want   Outcome
	}{
		{Complaint, "ann", RequestSuppressed}, {Objection, "bob", RequestSuppressed}, {ByOwner, "cid", RequestSuppressed}, {Bounce, "dan", ConfirmationQueued},
	} {
		known, unknown, other := c.name+"+known@example.org", c.name+"+unknown@example.org", c.name+"@example.org"
		b.activate(known)
		b.advance(budgetWindow)
		b.suppress(Suppression{SubscriberID: b.row(known).ID, Reason: c.reason, Actor: ledger.Provider}, SuppressedNow)
		b.request(other, c.want)
		b.lift(known, SuppressionRemoved)
		b.advance(budgetWindow)
		b.request(other, ConfirmationQueued)
		b.suppress(Suppression{Address: address(t, unknown), Reason: c.reason, Actor: ledger.Operator}, SuppressedNow)
		b.advance(budgetWindow)
		b.request(other, c.want)
	}
	b.activate("eve+x@example.org")
	b.erase(Erasure{Address: address(t, "eve+x@example.org"), Object: true}, ErasedNow)
	b.request("eve@example.org", RequestSuppressed)
	b.activate("fay+x@example.org")
	b.erase(Erasure{Address: address(t, "fay+x@example.org")}, ErasedNow)
	b.advance(budgetWindow)
	b.request("fay@example.org", ConfirmationQueued)
}

// TestLiftOfOneSpelling lets it get mail, and leaves to the others what is theirs.
func TestLiftOfOneSpelling(t *testing.T) {
	b := setup(t)
	b.suppress(Suppression{Address: address(t, spelling(1)), Reason: Objection, Actor: ledger.Operator}, SuppressedNow)
	b.request(victim, RequestSuppressed)
	b.lift(victim, SuppressionRemoved)
	if got := b.strings(`select data->>'reasons' from ledger_events order by id desc limit 1`); got[0] != `["objection"]` {
		t.Errorf("recorded %v", got)
	}
	b.lift(victim, Unchanged)
	b.request(victim, ConfirmationQueued)
	b.request(spelling(1), RequestSuppressed)
}

// TestASilencedMailboxKeepsItsSubscriber: the audience still counts them in, and their next mail of ours waits for nobody.
func TestASilencedMailboxKeepsItsSubscriber(t *testing.T) {
	b := setup(t)
	b.activate(victim)
	b.advance(confirmPause)
	b.request(spelling(1), ConfirmationQueued)
	b.click(b.store.Decline, b.link(spelling(1)), DeclinedNow)
	id := b.row(victim).ID
	people, err := b.store.Recipients(t.Context(), id)
	if err != nil || !people[id].IsSubscribed() {
		t.Errorf("%+v %v", people, err)
	}
	b.click(b.store.Unsubscribe, b.unsubscribeLink(victim), UnsubscribedNow)
}

// TestReplayRestoresTheMailbox as far as the journal knows it, also of somebody whom the backup does not have.
func TestReplayRestoresTheMailbox(t *testing.T) {
	b := setup(t)
	names := newPseudonyms(b.store.key, address(t, spelling(1)))
	stop := SuppressionRecord{Kind: ledger.Suppressed, At: b.now(), Reason: string(Complaint), EmailHMAC: names.email, MailboxHMAC: names.mailbox, KeyID: names.keyID}
	for _, c := range []struct {
		change func(*SuppressionRecord)
		want   Outcome
	}{
		{func(*SuppressionRecord) {}, RequestSuppressed},
		{func(s *SuppressionRecord) { s.Kind, s.Reason = ledger.Erased, string(Objection) }, RequestSuppressed},
		{func(s *SuppressionRecord) { s.Reason = string(Bounce) }, ConfirmationQueued},
		{func(s *SuppressionRecord) { s.MailboxHMAC = nil }, ConfirmationQueued}, // written before mailboxes were
		{func(s *SuppressionRecord) {
			s.Kind, s.Reason, s.Until = ledger.Unsubscribed, "", b.now().Add(time.Hour)
		}, RequestSuppressed},
	} {
		b.exec(`delete from suppressions`)
		b.advance(budgetWindow)
		again := stop
		c.change(&again)
		if _, err := b.eraser().Replay(t.Context(), again, operator); err != nil {
			t.Fatal(err)
		}
		b.request(spelling(1), RequestSuppressed)
		b.request(victim, c.want)
	}
	b.expectMails(outbox.EmailConfirm, outbox.EmailConfirm)
}

// TestReplayOfNotMe: the subscription ends, and the mailbox gets no email for what is left of the period.
func TestReplayOfNotMe(t *testing.T) {
	b := setup(t)
	names := newPseudonyms(b.store.key, address(t, spelling(1)))
	b.activate(spelling(1))
	b.advance(budgetWindow)
	stop := SuppressionRecord{Kind: ledger.Unsubscribed, At: b.now(), EmailHMAC: names.email, MailboxHMAC: names.mailbox, KeyID: names.keyID, Until: b.now().Add(MutePeriod)}
	b.advance(MutePeriod - budgetWindow)
	for _, want := range []Outcome{UnsubscribedNow, AlreadyEnded} { // the second time nothing happens
		if got, err := b.eraser().Replay(t.Context(), stop, operator); got != want || err != nil {
			t.Errorf("%s, want %s: %v", got, want, err)
		}
	}
	b.request(spelling(1), RequestSuppressed)
	b.request(victim, RequestSuppressed)
	b.advance(budgetWindow)
	if got, err := b.eraser().Replay(t.Context(), stop, operator); got != AlreadyEnded || err != nil {
		t.Errorf("after the period: %s %v", got, err)
	}
	b.request(victim, ConfirmationQueued)
	b.expectLedger("requested:confirmation_queued", "confirmed:confirmed", "unsubscribed:unsubscribed",
		"requested:request_suppressed", "requested:silenced", "requested:confirmation_queued")
}
