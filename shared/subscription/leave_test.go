package subscription

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/ledger"
	"newsletter/shared/token"
)

func TestUnsubscribe(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	c := b.unsubscribeLink(jane)
	b.advance(time.Hour)
	b.click(b.store.Unsubscribe, c, UnsubscribedNow)
	if r := b.expectRow(jane, Unsubscribed, 2, false); !r.EndedAt.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v", r)
	}
	b.click(b.store.Unsubscribe, c, AlreadyEnded)
	b.expectLedger("requested:confirmation_queued", "confirmed:confirmed", "unsubscribed:unsubscribed")
	b.click(b.store.Unsubscribe, token.Link{SubscriberID: uuid.New()}, AlreadyEnded)
}

func TestAnOldLinkEndsTheRenewedSubscription(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	old := b.unsubscribeLink(jane)
	b.click(b.store.Unsubscribe, old, UnsubscribedNow)
	b.advance(time.Hour)
	b.activate(jane)
	b.expectRow(jane, Active, 2, false)
	b.click(b.store.Unsubscribe, old, UnsubscribedNow)
	b.expectRow(jane, Unsubscribed, 3, false)
}

func TestUnsubscribeEndsARequest(t *testing.T) {
	b := setup(t)
	b.request(jane, ConfirmationQueued)
	first := b.unsubscribeLink(jane)
	b.click(b.store.Unsubscribe, first, DeclinedNow)
	b.expectRow(jane, None, 0, false)
	b.expectLedger("requested:confirmation_queued", "declined:declined")
	if n := b.count("identities where until = $1", now.Add(identityGrace)); n != 1 {
		t.Errorf("%d pseudonyms with an end", n)
	}

	// A second sign-up gets another id. The link in the first email still ends it.
	b.advance(time.Hour)
	b.activate(jane)
	if b.row(jane).ID == first.SubscriberID {
		t.Fatal("the id is the same; the test is void")
	}
	b.click(b.store.Unsubscribe, first, UnsubscribedNow)
	b.expectRow(jane, Unsubscribed, 2, false)
	b.advance(time.Hour)
	b.request(jane, ConfirmationQueued)
	b.click(b.store.Unsubscribe, first, DeclinedNow)
	b.expectRow(jane, Unsubscribed, 3, false) // a row that was confirmed once is kept
}

func TestDecline(t *testing.T) {
	b := setup(t)
	b.request(jane, ConfirmationQueued)
	c := b.link(jane)
	b.click(b.decline, c, DeclinedNow)
	b.expectRow(jane, None, 0, false)
	b.click(b.decline, c, AlreadyEnded)
	b.advance(mutePeriod - time.Second)
	b.request(jane, RequestSuppressed)
	b.expectRow(jane, None, 0, false)
	b.expectEmails(ConfirmEmail.Kind())
	b.advance(time.Second)
	b.request(jane, ConfirmationQueued)
	b.expectLedger("requested:confirmation_queued", "declined:declined", "requested:request_suppressed", "requested:confirmation_queued")

	// A decline also ends a subscription that another visitor confirmed.
	c = b.link(jane)
	b.click(b.store.Confirm, c, ConfirmedNow)
	b.click(b.decline, c, UnsubscribedNow)
	b.expectRow(jane, Unsubscribed, 2, false)
	b.request(jane, RequestSuppressed)
	b.expectRow(jane, Unsubscribed, 2, false)

	// A decline mutes the mailbox even after the request has ended.
	b.request("john@example.org", ConfirmationQueued)
	c = b.link("john@example.org")
	b.click(b.store.Unsubscribe, c, DeclinedNow)
	b.click(b.decline, c, MutedNow)
	b.request("john@example.org", RequestSuppressed)
}

func TestADeclineDoesNotShortenASuppression(t *testing.T) {
	b := setup(t)
	b.request(jane, ConfirmationQueued)
	c := b.link(jane)
	b.suppress(Suppression{SubscriberID: c.SubscriberID, Reason: Complaint, Actor: ledger.Provider}, SuppressedNow)
	b.click(b.decline, c, AlreadyEnded)
	b.advance(mutePeriod + time.Hour)
	b.request(jane, RequestSuppressed)
	if got := b.strings("select reason from suppressions where until is null"); len(got) != 1 || got[0] != "complaint" {
		t.Errorf("%v", got)
	}
}

func TestSuppress(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	id := b.row(jane).ID
	b.suppress(Suppression{SubscriberID: id, Reason: Bounce, Actor: ledger.Provider}, SuppressedNow)
	b.suppress(Suppression{SubscriberID: id, Reason: Bounce, Actor: ledger.Provider}, AlreadySuppressed)
	b.expectRow(jane, Suppressed, 2, false)
	b.request(jane, RequestSuppressed)
	b.click(b.store.Unsubscribe, token.Link{SubscriberID: id, Epoch: 1}, AlreadyEnded)
	b.expectRow(jane, Suppressed, 2, false)
	b.expectLedger("requested:confirmation_queued", "confirmed:confirmed", "suppressed:suppressed", "requested:request_suppressed")

	// A complaint about an email whose request was declined: only the identity is left.
	b.request("john@example.org", ConfirmationQueued)
	c := b.link("john@example.org")
	b.click(b.decline, c, DeclinedNow)
	b.suppress(Suppression{SubscriberID: c.SubscriberID, Reason: Complaint, Actor: ledger.Provider}, SuppressedNow)
	b.advance(mutePeriod + time.Hour)
	b.request("john@example.org", RequestSuppressed)

	// An unknown subscriber: nothing is stored, and no event is recorded.
	events := b.count("ledger_events")
	b.suppress(Suppression{SubscriberID: uuid.New(), Reason: Complaint, Actor: ledger.Provider}, Unchanged)
	b.click(b.decline, token.Link{SubscriberID: uuid.New()}, AlreadyEnded)
	if b.count("ledger_events") != events {
		t.Error("an event about an unknown subscriber")
	}

	// By address, of an unknown and of a known address.
	b.suppress(Suppression{Address: address(t, "new@example.org"), Reason: Objection, Actor: ledger.Operator}, SuppressedNow)
	b.request("new@example.org", RequestSuppressed)
	b.activate("jim@example.org")
	b.suppress(Suppression{Address: address(t, "JIM@example.org"), Reason: ByOwner, Actor: ledger.Operator}, SuppressedNow)
	b.expectRow("jim@example.org", Suppressed, 2, false)
}

func TestExpire(t *testing.T) {
	b := setup(t)
	b.activate("back@example.org")
	b.click(b.store.Unsubscribe, b.unsubscribeLink("back@example.org"), UnsubscribedNow)
	b.advance(time.Hour)
	b.request("back@example.org", ConfirmationQueued)
	b.request("first@example.org", ConfirmationQueued)
	b.advance(time.Hour)
	b.request("young@example.org", ConfirmationQueued)
	b.activate("active@example.org")
	b.advance(pendingLifetime - time.Hour)

	expire := func(limit, want int) {
		t.Helper()
		if got, err := b.store.Expire(t.Context(), limit); err != nil || got != want {
			t.Fatalf("expired %d, %v, want %d", got, err, want)
		}
	}
	expire(1, 1)
	expire(10, 1)
	expire(10, 0)
	b.expectRow("back@example.org", Unsubscribed, 2, false)
	b.expectRow("first@example.org", None, 0, false)
	b.expectRow("young@example.org", Pending, 1, false)
	b.expectRow("active@example.org", Active, 1, false)
	if n := b.count(`ledger_events where kind = 'subscription.expired' and actor = 'system'`); n != 2 {
		t.Errorf("%d events", n)
	}
}

func TestExpireAgainstConfirm(t *testing.T) {
	b := setup(t)
	for range 20 {
		typed := uuid.NewString()[:8] + "@example.org"
		b.request(typed, ConfirmationQueued)
		c := b.link(typed)
		b.advance(pendingLifetime)
		var both sync.WaitGroup
		both.Go(func() {
			if _, err := b.store.Expire(t.Context(), 10); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			_ = try(t.Context(), func() error {
				_, err := b.store.Confirm(t.Context(), c, visit)
				return err
			})
		})
		both.Wait()
		b.checkHistory(typed)
	}
}

// TestADeclineTakesTheAddress of the link, in any spelling that is the same address.
func TestADeclineTakesTheAddress(t *testing.T) {
	b := setup(t)
	b.request(jane, ConfirmationQueued)
	b.request("bob@example.org", ConfirmationQueued)
	c := b.link(jane)
	for _, other := range []string{"bob@example.org", "jane+x@example.org", "jane@example.com"} {
		if got, err := b.store.Decline(t.Context(), c, address(t, other), visit); !errors.Is(err, ErrNotTheAddress) || got != "" {
			t.Errorf("%s: %q, %v", other, got, err)
		}
	}
	b.expectLedger("requested:confirmation_queued", "requested:confirmation_queued")
	b.expectRow(jane, Pending, 1, false)
	if n := b.count("suppressions"); n != 0 {
		t.Errorf("%d suppressions", n)
	}
	if got, err := b.store.Decline(t.Context(), c, address(t, "JANE@Example.org"), visit); got != DeclinedNow || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	b.expectRow("bob@example.org", Pending, 1, false)
	b.erase(Erasure{Address: address(t, jane)}, ErasedNow)
	if got, err := b.store.Decline(t.Context(), c, address(t, "jane@example.com"), visit); got != AlreadyEnded || err != nil {
		t.Errorf("after the erasure: %q, %v", got, err)
	}
}
