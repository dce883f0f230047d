package subscription

import (
	"testing"
	"time"

	"newsletter/shared/ledger"
)

// TestSuppressedSignUpsExpire checks that the address of a sign-up that bounced or was suppressed before its
// confirmation is deleted as one that was never answered, and that its suppression stays. Who was active keeps the row.
func TestSuppressedSignUpsExpire(t *testing.T) {
	b := setup(t)
	b.activate("active@example.org")
	b.request("bounced@example.org", ConfirmationQueued)
	b.request("complained@example.org", ConfirmationQueued)
	for typed, reason := range map[string]SuppressionReason{"active@example.org": Complaint, "bounced@example.org": Bounce, "complained@example.org": Complaint} {
		b.suppress(Suppression{SubscriberID: b.row(typed).ID, Reason: reason, Actor: ledger.Provider}, SuppressedNow)
	}
	for _, step := range []struct {
		passes  time.Duration
		expired int
	}{{pendingLifetime - time.Hour, 0}, {time.Hour, 2}, {time.Hour, 0}} {
		b.advance(step.passes)
		if got, err := b.store.Expire(t.Context(), 10); err != nil || got != step.expired {
			t.Fatalf("expired %d, %v, want %d", got, err, step.expired)
		}
	}
	b.expectRow("active@example.org", Suppressed, 2, false)
	for _, typed := range []string{"bounced@example.org", "complained@example.org"} {
		b.expectRow(typed, None, 0, false)
		b.request(typed, RequestSuppressed)
	}
	if n := b.count(`identities where until = $1`, b.now().Add(identityGrace-time.Hour)); n != 2 {
		t.Errorf("%d identities end", n)
	}
	if _, err := b.store.RemoveSuppression(t.Context(), address(t, "bounced@example.org"), visit); err != nil {
		t.Fatal(err)
	}
	b.request("bounced@example.org", ConfirmationQueued)
}
