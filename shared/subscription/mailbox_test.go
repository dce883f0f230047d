package subscription

import (
	"testing"
	"time"

	"newsletter/shared/ledger"
)

const victim = "victim@gmail.com" // the mailbox of spelling

// TestADeclineCoversEverySpelling checks that no other spelling of the address brings email.
func TestADeclineCoversEverySpelling(t *testing.T) {
	b := setup(t)
	b.activate(spelling(99))
	b.advance(confirmRepeat)
	b.request(spelling(98), ConfirmationQueued)
	b.deliver()
	b.advance(oneDay)
	b.request(victim, ConfirmationQueued)
	b.deliver()
	b.advance(confirmRepeat)
	b.request(spelling(98), ConfirmationQueued) // it is due when the button is pressed
	b.click(b.decline, b.link(victim), DeclinedNow)
	if sent := b.deliver(); len(sent) != 0 {
		t.Errorf("sent %v", sent)
	}
	for i := range 20 {
		b.request(spelling(i), RequestSuppressed)
		b.request(spelling(99), RequestSuppressed) // no notice to the subscriber either
		b.requestLink(spelling(98), UnsubscribeLinkEmail, LinkSuppressed)
		b.requestLink(spelling(99), ExportLinkEmail, LinkSuppressed)
		b.advance(mutePeriod / 21)
		b.remind(time.Hour, 0)
		if sent := b.deliver(); len(sent) != 0 {
			t.Fatalf("sent %v", sent)
		}
	}
	if n := b.count("subscribers"); n != 2 {
		t.Errorf("%d rows: a suppressed request leaves one", n)
	}
	b.expectRow(spelling(99), Active, 1, false) // the subscription under another spelling continues
	b.request("vic.tim@example.org", ConfirmationQueued)
	b.advance(mutePeriod / 20)
	b.request(spelling(1), ConfirmationQueued)
}

// TestReasonsThatCoverTheMailbox: a complaint, an objection and the owner's decision do, a bounce does not.
func TestReasonsThatCoverTheMailbox(t *testing.T) {
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
		b.advance(oneDay)
		b.suppress(Suppression{SubscriberID: b.row(known).ID, Reason: c.reason, Actor: ledger.Provider}, SuppressedNow)
		b.request(other, c.want)
		b.removeSuppression(known, SuppressionRemoved)
		b.advance(oneDay)
		b.request(other, ConfirmationQueued)
		b.suppress(Suppression{Address: address(t, unknown), Reason: c.reason, Actor: ledger.Operator}, SuppressedNow)
		b.advance(oneDay)
		b.request(other, c.want)
	}
	b.activate("eve+x@example.org")
	b.erase(Erasure{Address: address(t, "eve+x@example.org"), Object: true}, ErasedNow)
	b.request("eve@example.org", RequestSuppressed)
	b.activate("fay+x@example.org")
	b.erase(Erasure{Address: address(t, "fay+x@example.org")}, ErasedNow)
	b.advance(oneDay)
	b.request("fay@example.org", ConfirmationQueued)
}

// TestRemovalForOneSpelling allows email to it and keeps the suppressions of other spellings.
func TestRemovalForOneSpelling(t *testing.T) {
	b := setup(t)
	b.suppress(Suppression{Address: address(t, spelling(1)), Reason: Objection, Actor: ledger.Operator}, SuppressedNow)
	b.request(victim, RequestSuppressed)
	b.removeSuppression(victim, SuppressionRemoved)
	if got := b.strings(`select data->>'reasons' from ledger_events order by id desc limit 1`); got[0] != `["objection"]` {
		t.Errorf("recorded %v", got)
	}
	b.removeSuppression(victim, Unchanged)
	b.request(victim, ConfirmationQueued)
	b.request(spelling(1), RequestSuppressed)
}

// TestAMutedMailboxKeepsItsSubscriber in the audience of Loops.
func TestAMutedMailboxKeepsItsSubscriber(t *testing.T) {
	b := setup(t)
	b.activate(victim)
	b.advance(confirmRepeat)
	b.request(spelling(1), ConfirmationQueued)
	b.click(b.decline, b.link(spelling(1)), DeclinedNow)
	id := b.row(victim).ID
	people, err := b.store.Recipients(t.Context(), id)
	if err != nil || !people[id].IsSubscribed() {
		t.Errorf("%+v %v", people, err)
	}
	b.click(b.store.Unsubscribe, b.unsubscribeLink(victim), UnsubscribedNow)
}

// TestReplayRestoresTheMailbox if the journal has its pseudonym, also for an address that is not in the backup.
func TestReplayRestoresTheMailbox(t *testing.T) {
	b := setup(t)
	hashes := newPseudonyms(b.store.key, address(t, spelling(1)))
	record := SuppressionRecord{Kind: ledger.Suppressed, At: b.now(), Reason: string(Complaint), EmailHMAC: hashes.email, MailboxHMAC: hashes.mailbox, KeyID: hashes.keyID}
	for _, c := range []struct {
		change func(*SuppressionRecord)
		want   Outcome
	}{
		{func(*SuppressionRecord) {}, RequestSuppressed},
		{func(s *SuppressionRecord) { s.Kind, s.Reason = ledger.Erased, string(Objection) }, RequestSuppressed},
		{func(s *SuppressionRecord) { s.Reason = string(Bounce) }, ConfirmationQueued},
		{func(s *SuppressionRecord) { s.MailboxHMAC = nil }, ConfirmationQueued}, // written before mailboxes were recorded
		{func(s *SuppressionRecord) {
			s.Kind, s.Reason, s.Until = ledger.Unsubscribed, "", b.now().Add(time.Hour)
		}, RequestSuppressed},
	} {
		b.exec(`delete from suppressions`)
		b.advance(oneDay)
		again := record
		c.change(&again)
		if _, err := b.eraser().Replay(t.Context(), again, operator); err != nil {
			t.Fatal(err)
		}
		b.request(spelling(1), RequestSuppressed)
		b.request(victim, c.want)
	}
	b.expectEmails(ConfirmEmail.Kind(), ConfirmEmail.Kind())
}

// TestReplayOfADecline ends the subscription and mutes the mailbox for the rest of the period.
func TestReplayOfADecline(t *testing.T) {
	b := setup(t)
	hashes := newPseudonyms(b.store.key, address(t, spelling(1)))
	b.activate(spelling(1))
	b.advance(oneDay)
	record := SuppressionRecord{Kind: ledger.Unsubscribed, At: b.now(), EmailHMAC: hashes.email, MailboxHMAC: hashes.mailbox, KeyID: hashes.keyID, Until: b.now().Add(mutePeriod)}
	b.advance(mutePeriod - oneDay)
	for _, want := range []Outcome{UnsubscribedNow, AlreadyEnded} { // the second replay changes nothing
		if got, err := b.eraser().Replay(t.Context(), record, operator); got != want || err != nil {
			t.Errorf("%s, want %s: %v", got, want, err)
		}
	}
	b.request(spelling(1), RequestSuppressed)
	b.request(victim, RequestSuppressed)
	b.advance(oneDay)
	if got, err := b.eraser().Replay(t.Context(), record, operator); got != AlreadyEnded || err != nil {
		t.Errorf("after the period: %s %v", got, err)
	}
	b.request(victim, ConfirmationQueued)
	b.expectLedger("requested:confirmation_queued", "confirmed:confirmed", "unsubscribed:unsubscribed",
		"requested:request_suppressed", "requested:request_suppressed", "requested:confirmation_queued")
}

// TestReplayOfTheSameDay checks that a record, which has only a day, does not end a subscription that began after it on
// that day, and ends one that began before it.
func TestReplayOfTheSameDay(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	hashes := newPseudonyms(b.store.key, address(t, jane))
	record := SuppressionRecord{Kind: ledger.Unsubscribed, At: day(b.now()), Epoch: 1, EmailHMAC: hashes.email, KeyID: hashes.keyID}
	replay := func(r SuppressionRecord, want Outcome) {
		t.Helper()
		if got, err := b.eraser().Replay(t.Context(), r, operator); got != want || err != nil {
			t.Errorf("%s, want %s: %v", got, want, err)
		}
	}
	replay(record, UnsubscribedNow) // the backup is from between the confirmation and the unsubscribe
	b.advance(20 * time.Minute)
	b.activate(jane)
	replay(record, Superseded)
	b.expectRow(jane, Active, 2, false)

	b.erase(Erasure{Address: address(t, jane)}, ErasedNow)
	b.advance(20 * time.Minute)
	b.activate(jane)
	record.Kind, record.Epoch = ledger.Erased, 2
	replay(record, Superseded) // the backup has the erasure
	b.exec(`delete from erasures`)
	replay(record, ErasedNow)
	b.advance(24 * time.Hour)
	b.activate(jane)
	replay(record, Superseded)
}
