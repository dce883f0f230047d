package subscription

import (
	"testing"

	"newsletter/shared/ledger"
)

func (b *fixture) removeSuppression(typed string, want Outcome) {
	b.Helper()
	if got, err := b.store.RemoveSuppression(b.Context(), address(b, typed), visit); err != nil || got != want {
		b.Fatalf("remove the suppression of %s: %q, %v, want %q", typed, got, err, want)
	}
}

func TestRemoveSuppression(t *testing.T) {
	b := setup(t)
	b.removeSuppression(jane, Unchanged)
	b.activate(jane)
	b.removeSuppression(jane, Unchanged)
	b.suppress(Suppression{SubscriberID: b.row(jane).ID, Reason: Bounce, Actor: ledger.Provider}, SuppressedNow)
	kept, err := b.store.ListSuppressions(t.Context(), "", 10)
	if err != nil || len(kept) != 1 || kept[0].Reason != Bounce || kept[0].SubscriberID != b.row(jane).ID {
		t.Errorf("%+v %v", kept, err)
	}
	b.removeSuppression(jane, SuppressionRemoved)
	b.expectRow(jane, Unsubscribed, 3, false) // never active without a new consent
	b.removeSuppression(jane, Unchanged)
	b.advance(confirmRepeat)
	b.request(jane, ConfirmationQueued)
	b.click(b.store.Confirm, b.link(jane), ConfirmedNow)
	b.expectEmails(ConfirmEmail.Kind(), ConfirmEmail.Kind())

	// Without a row: an objection after an erasure, and a mute period.
	b.erase(Erasure{Address: address(t, jane), Object: true}, ErasedNow)
	b.request(jane, RequestSuppressed)
	b.removeSuppression(jane, SuppressionRemoved)
	b.advance(2 * oneDay)
	b.request(jane, ConfirmationQueued)
	b.click(b.decline, b.link(jane), DeclinedNow)
	b.request(jane, RequestSuppressed)
	b.removeSuppression(jane, SuppressionRemoved)
	b.advance(confirmRepeat)
	b.request(jane, ConfirmationQueued)
}

func TestProof(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	first := b.row(jane).ID.String()
	b.click(b.store.Unsubscribe, b.unsubscribeLink(jane), UnsubscribedNow)
	proof, err := b.store.Proof(t.Context(), address(t, jane), visit)
	if err != nil {
		t.Fatal(err)
	}
	if proof.Status != Unsubscribed || len(proof.Steps) != 3 || proof.Steps[0].Kind != ledger.Requested || proof.Steps[2].Kind != ledger.Unsubscribed {
		t.Fatalf("%+v", proof)
	}
	asked, confirmed := proof.Steps[0], proof.Steps[1]
	if asked.IP != "192.0.2.7" || asked.UserAgent != "Test/1.0" || asked.Source.Page != "https://example.org/blog" || asked.Data.Workflow != "double-opt-in/1" ||
		asked.Text != nil || asked.Data.TextVersion != "" || asked.SubscriberID != first { // the form named no text
		t.Errorf("%+v", asked)
	}
	if confirmed.Text == nil || confirmed.Text.Version != "default-1" || confirmed.Text.Locale != "de" || confirmed.Data.RequestEvent != asked.EventID || confirmed.Data.Workflow != "double-opt-in/1" {
		t.Errorf("%+v", confirmed)
	}
	// The operator's access is recorded.
	if got := b.strings(`select actor from ledger_events where kind = 'consent.proved'`); len(got) != 1 || got[0] != "operator" {
		t.Errorf("%v", got)
	}
	if proof, err = b.store.Proof(t.Context(), address(t, "nobody@example.org"), visit); err != nil || len(proof.Steps) != 0 {
		t.Errorf("%+v %v", proof, err)
	}
	b.optIn = SingleOptIn
	b.request(jane, ConfirmationQueued) // a returning subscriber confirms, and the proof shows it
	if proof, err = b.store.Proof(t.Context(), address(t, jane), visit); err != nil || proof.Steps[len(proof.Steps)-1].Data.Workflow != "double-opt-in/1" {
		t.Errorf("%+v %v", proof, err)
	}
	b.request("single@example.org", Activated)
	if proof, err = b.store.Proof(t.Context(), address(t, "single@example.org"), visit); err != nil || proof.Steps[0].Data.Workflow != "single-opt-in/1" {
		t.Errorf("%+v %v", proof, err)
	}
}
