package subscription

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/token"
)

// privacyLink returns the claims of a privacy link that is sent now.
func (b *fixture) privacyLink(typed string) token.Link {
	b.Helper()
	r := b.row(typed)
	return token.Link{SubscriberID: r.ID, Epoch: r.Epoch}
}

// restrict restricts the processing of a subscriber's data.
func (b *fixture) restrictData(typed string) {
	b.Helper()
	b.click(b.store.Restrict, b.privacyLink(typed), RestrictedNow)
}

// TestRestriction keeps state and epoch, sends nothing to any spelling of the mailbox but the links that the subscriber asks
// for, and continues as before once it is ended.
func TestRestriction(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	b.deliver()
	b.advance(25 * time.Hour)
	b.request(jane, AlreadySubscribed) // waits
	b.restrictData(jane)
	b.click(b.store.Restrict, b.privacyLink(jane), Unchanged)
	b.expectRow(jane, Active, 1, false)
	if sent := b.deliver(); len(sent) != 0 || b.outcomes()[string(outbox.Stale)] == 0 {
		t.Errorf("sent %+v", sent)
	}
	to, err := b.store.Recipients(t.Context(), b.row(jane).ID)
	if r := to[b.row(jane).ID]; err != nil || r.IsSubscribed() || !r.Suppressed || !r.Restricted {
		t.Errorf("%+v %v", r, err)
	}
	b.request(jane, RequestSuppressed)
	b.request("jane+other@example.org", RequestSuppressed)
	b.requestLink(jane, ExportLinkEmail, LinkQueued)
	if sent := b.deliver(); len(sent) != 1 {
		t.Errorf("the link is not sent: %+v", sent)
	}
	if found, err := b.store.ListSuppressions(t.Context(), Restriction, 10); err != nil || len(found) != 1 || found[0].SubscriberID != b.row(jane).ID {
		t.Errorf("%+v %v", found, err)
	}
	copied, err := b.store.Export(t.Context(), b.privacyLink(jane), visit)
	if err != nil || len(copied.Suppressions) != 1 || len(copied.PrivacyRequests) != 2 {
		t.Errorf("%s %s %v", copied.Suppressions, copied.PrivacyRequests, err)
	}
	if restricted, err := b.store.IsRestricted(t.Context(), b.privacyLink(jane)); err != nil || !restricted {
		t.Error(restricted, err)
	}

	b.click(b.store.EndRestriction, b.privacyLink(jane), RestrictionEnded)
	b.click(b.store.EndRestriction, b.privacyLink(jane), Unchanged)
	b.expectRow(jane, Active, 1, false)
	b.advance(25 * time.Hour)
	b.request(jane, AlreadySubscribed)
	if sent := b.deliver(); len(sent) != 1 {
		t.Errorf("after the end: %+v", sent)
	}
	if restricted, err := b.store.IsRestricted(t.Context(), b.privacyLink(jane)); err != nil || restricted {
		t.Error(restricted, err)
	}
	if n := b.count(`outbox where kind = 'change'`); n != 3 { // confirmed, restricted, ended
		t.Errorf("%d changes", n)
	}
	for name, link := range map[string]token.Link{"another epoch": {SubscriberID: b.row(jane).ID, Epoch: 2}, "unknown": {SubscriberID: uuid.New(), Epoch: 1}} {
		if got, err := b.store.Restrict(t.Context(), link, visit); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
}

// TestWhatEndsARestriction checks that leaving, a complaint, an objection, an erasure and the operator work during one.
func TestWhatEndsARestriction(t *testing.T) {
	b := setup(t)
	restricted := func(typed string) string {
		b.activate(typed)
		b.restrictData(typed)
		return typed
	}
	left := restricted("left@example.org")
	b.click(b.store.Unsubscribe, b.unsubscribeLink(left), UnsubscribedNow)
	b.expectRow(left, Unsubscribed, 2, false)

	complained := restricted("complained@example.org")
	b.suppress(Suppression{SubscriberID: b.row(complained).ID, Reason: Complaint, Actor: ledger.Provider}, SuppressedNow)
	b.click(b.store.EndRestriction, b.privacyLink(complained), Unchanged)
	b.expectRow(complained, Suppressed, 2, false)

	erased := restricted("erased@example.org")
	b.erase(Erasure{Address: address(t, erased)}, ErasedNow)
	b.advance(25 * time.Hour)
	b.request(erased, ConfirmationQueued)

	objected := restricted("objected@example.org")
	b.erase(Erasure{Address: address(t, objected), Object: true}, ErasedNow)
	b.request(objected, RequestSuppressed)

	removed := restricted("removed@example.org")
	if got, err := b.store.RemoveSuppression(t.Context(), address(t, removed), operator); got != SuppressionRemoved || err != nil {
		t.Errorf("%q %v", got, err)
	}
	b.expectRow(removed, Active, 1, false)
	for reason, want := range map[SuppressionReason]int{Complaint: 1, Objection: 1, Restriction: 1} { // of who left
		if n := b.count("suppressions where reason = $1", string(reason)); n != want {
			t.Errorf("%d of %s", n, reason)
		}
	}
}

// TestARestrictionMovesToTheNewAddress checks that a change of address, which may be why the processing is restricted,
// does not end the restriction, also if the new address had a mute period.
func TestARestrictionMovesToTheNewAddress(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	b.restrictData(jane)
	b.rectify(jane, moved, LinkQueued)
	b.exec(`insert into suppressions (email_hmac, key_id, reason, created_at, until) values ($1, 'k', 'declined', $2::timestamptz, $2::timestamptz + interval '1 hour')`,
		b.store.key.Address(moved), b.now())
	b.click(b.store.Confirm, b.rectifyLink(moved), AddressChanged)
	b.advance(2 * time.Hour)
	if to, err := b.store.Recipients(t.Context(), b.row(moved).ID); err != nil || !to[b.row(moved).ID].Restricted {
		t.Errorf("%+v %v", to, err)
	}
	b.request(moved, RequestSuppressed)
	b.request(jane, ConfirmationQueued)
	b.click(b.store.EndRestriction, b.privacyLink(moved), RestrictionEnded)
	b.expectRow(moved, Active, 2, false)
}

// TestNothingExpiresDuringARestriction checks that a restriction keeps rows whose period is over, and that the journal
// brings it back into a restored backup, and its end too.
func TestNothingExpiresDuringARestriction(t *testing.T) {
	b := setup(t)
	b.request("pending@example.org", ConfirmationQueued)
	b.activate("left@example.org")
	b.click(b.store.Unsubscribe, b.unsubscribeLink("left@example.org"), UnsubscribedNow)
	b.restrictData("pending@example.org")
	b.restrictData("left@example.org")
	b.advance(pendingLifetime + time.Hour)
	long := func(want int) {
		t.Helper()
		if n, err := b.store.Expire(t.Context(), 10); err != nil || n != want {
			t.Errorf("expired %d, %v", n, err)
		}
		if list, err := b.store.ListLongUnsubscribed(t.Context(), b.now(), 10); err != nil || len(list) != want {
			t.Errorf("to be erased: %v %v", list, err)
		}
	}
	long(0)
	b.click(b.store.EndRestriction, b.privacyLink("pending@example.org"), RestrictionEnded)
	b.click(b.store.EndRestriction, b.privacyLink("left@example.org"), RestrictionEnded)
	long(1)

	b.activate(jane)
	hashes := newPseudonyms(b.store.key, address(t, jane))
	record := SuppressionRecord{
		Kind: ledger.Suppressed, Reason: "restriction", At: day(b.now()), Epoch: 1, EmailHMAC: hashes.email, MailboxHMAC: hashes.mailbox, KeyID: hashes.keyID,
	}
	for _, want := range []Outcome{RestrictedNow, Unchanged} {
		if got, err := b.eraser().Replay(t.Context(), record, operator); got != want || err != nil {
			t.Errorf("%q %v", got, err)
		}
	}
	b.expectRow(jane, Active, 1, false)
	b.request(jane, RequestSuppressed)
	record.Kind = ledger.SuppressionRemoved
	if got, err := b.eraser().Replay(t.Context(), record, operator); got != SuppressionRemoved || err != nil {
		t.Errorf("%q %v", got, err)
	}
	b.expectRow(jane, Active, 1, false)
}
