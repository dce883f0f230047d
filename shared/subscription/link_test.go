package subscription

import (
	"fmt"
	"testing"
	"time"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

func (b *fixture) requestLink(typed string, p Email, want Outcome) {
	b.Helper()
	got, err := b.store.RequestLink(b.Context(), LinkRequest{Address: address(b, typed), Email: p, Visit: visit})
	if err != nil || got != want {
		b.Fatalf("%s for %s: %q, %v, want %q", p, typed, got, err, want)
	}
}

func TestLinksGoToKnownAddressesOnly(t *testing.T) {
	b := setup(t)
	b.requestLink(jane, UnsubscribeLinkEmail, LinkUnknown)
	b.requestLink(jane, ExportLinkEmail, LinkUnknown)
	if n := b.count("identities") + b.count("subscribers"); n != 0 {
		t.Errorf("%d traces of an unknown address", n)
	}
	b.request(jane, ConfirmationQueued)
	b.requestLink("JANE@example.org", UnsubscribeLinkEmail, LinkQueued)
	b.requestLink(jane, UnsubscribeLinkEmail, LinkQueued)
	b.requestLink(jane, ExportLinkEmail, LinkQueued)
	b.requestLink(jane, EraseLinkEmail, LinkQueued)
	b.expectEmails(ConfirmEmail.Kind(), UnsubscribeLinkEmail.Kind(), UnsubscribeLinkEmail.Kind(), ExportLinkEmail.Kind(), EraseLinkEmail.Kind())
	b.advance(24*time.Hour + time.Second)
	b.click(b.store.Confirm, b.link(jane), ConfirmedNow)
	b.click(b.store.Unsubscribe, b.unsubscribeLink(jane), UnsubscribedNow)
	b.requestLink(jane, UnsubscribeLinkEmail, LinkUnknown) // no subscription to end
	b.requestLink(jane, ExportLinkEmail, LinkQueued)       // but data to export
	b.suppress(Suppression{SubscriberID: b.row(jane).ID, Reason: Complaint, Actor: ledger.Provider}, SuppressedNow)
	b.requestLink(jane, ExportLinkEmail, LinkSuppressed)
	if n := b.count(`ledger_events where kind = 'link.requested'`); n != 9 {
		t.Errorf("%d events of 9", n)
	}
}

// TestALinkRequestChangesNoState; TestEveryStateLooksTheSame checks that it looks the same in every state.
func TestALinkRequestChangesNoState(t *testing.T) {
	b := setup(t)
	for name, prepare := range indistinguishableStates() {
		typed := fmt.Sprintf("link%d@example.org", b.count("ledger_events"))
		prepare(b, typed)
		before := b.row(typed)
		for _, p := range []Email{UnsubscribeLinkEmail, ExportLinkEmail, EraseLinkEmail} {
			if _, err := b.store.RequestLink(t.Context(), LinkRequest{Address: address(t, typed), Email: p, Visit: visit}); err != nil {
				t.Fatal(err)
			}
		}
		if after := b.row(typed); after.state() != before.state() || after.Epoch != before.Epoch {
			t.Errorf("%s: %+v became %+v", name, before, after)
		}
	}
}

// TestAHeldLinkIsReleased requests links whose emails are held: released, the email leaves; rejected, it ends, and the
// subscription stays.
func TestAHeldLinkIsReleased(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	b.deliver()
	hold := func() HeldEmail {
		t.Helper()
		r := LinkRequest{Address: address(t, jane), Email: UnsubscribeLinkEmail, Visit: visit, Hold: "honeypot", Reasons: []string{"honeypot"}}
		if got, err := b.store.RequestLink(t.Context(), r); err != nil || got != LinkQueued {
			t.Fatal(got, err)
		}
		return b.held()
	}
	if err := b.store.RejectHeld(t.Context(), hold().ID, operator); err != nil {
		t.Fatal(err)
	}
	b.expectRow(jane, Active, 1, false)
	h := hold()
	b.expectOutbox("email.confirm done - stale", "change done - none", "email.unsubscribe_link done - rejected", "email.unsubscribe_link held honeypot -")
	if err := b.store.ReleaseHeld(t.Context(), h.ID, operator); err != nil {
		t.Fatal(err)
	}
	if sent := b.deliver(); len(sent) != 1 || sent[0].email != UnsubscribeLinkEmail {
		t.Errorf("sent %+v", sent)
	}
}

func TestRecipients(t *testing.T) {
	b := setup(t)
	b.request(jane, ConfirmationQueued)
	c := b.link(jane)
	b.activate("john@example.org")
	john := b.row("john@example.org").ID
	read := func() map[string]Recipient {
		t.Helper()
		found, err := b.store.Recipients(t.Context(), c.SubscriberID, john)
		if err != nil {
			t.Fatal(err)
		}
		byMailbox := map[string]Recipient{}
		for id, r := range found {
			if id != r.SubscriberID {
				t.Errorf("%s under %s", r.SubscriberID, id)
			}
			byMailbox[r.Mailbox] = r
		}
		return byMailbox
	}
	found := read()
	if r := found["Jane@example.org"]; r.State != Pending || r.Epoch != 1 || r.Locale != "de-AT" || !r.Accepts(ConfirmEmail.Kind(), 1) ||
		r.Accepts(ConfirmEmail.Kind(), 2) || r.Accepts(AlreadySubscribedEmail.Kind(), 1) || !r.Accepts(UnsubscribeLinkEmail.Kind(), 1) {
		t.Errorf("%+v", r)
	}
	if r := found["john@example.org"]; r.Accepts(ConfirmEmail.Kind(), 1) || !r.Accepts(AlreadySubscribedEmail.Kind(), 1) || r.Accepts(outbox.None, 1) {
		t.Errorf("%+v", r)
	}
	b.click(b.decline, c, DeclinedNow)
	b.click(b.store.Unsubscribe, b.unsubscribeLink("john@example.org"), UnsubscribedNow)
	found = read()
	if len(found) != 1 {
		t.Errorf("%+v", found)
	}
	if r := found["john@example.org"]; r.Accepts(AlreadySubscribedEmail.Kind(), 1) || r.Accepts(UnsubscribeLinkEmail.Kind(), 1) || !r.Accepts(EraseLinkEmail.Kind(), 1) {
		t.Errorf("%+v", r)
	}

	// A decline concurrent with a request: there are both a row and a suppression.
	b.request("jim@example.org", ConfirmationQueued)
	if _, err := b.admin.Exec(t.Context(), `insert into suppressions (email_hmac, key_id, reason, created_at, until)
		values ($1, 'x', 'declined', now(), '2100-01-01')`, b.store.key.Address("jim@example.org")); err != nil {
		t.Fatal(err)
	}
	muted, err := b.store.Recipients(t.Context(), b.row("jim@example.org").ID)
	if err != nil || len(muted) != 1 {
		t.Fatal(muted, err)
	}
	for _, r := range muted {
		if !r.Suppressed || r.Accepts(ConfirmEmail.Kind(), 1) {
			t.Errorf("%+v", r)
		}
	}
	if (Recipient{}).Accepts(ExportLinkEmail.Kind(), 0) {
		t.Error("the zero Recipient accepts an email")
	}
}
