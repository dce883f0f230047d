package subscription

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

const john = "john@example.org"

var operator = Visit{RequestID: "operator", Channel: "tool"}

// requestHeld signs up an address whose email is held.
func (b *fixture) requestHeld(typed string, want Outcome) {
	b.Helper()
	r := Request{Address: address(b, typed), Visit: visit, Hold: "disposable", Reasons: []string{"disposable"}, Source: ledger.Source{Origin: "toot"}}
	if got, err := b.store.Request(b.Context(), r); err != nil || got != want {
		b.Fatalf("request %s: %q, %v, want %q", typed, got, err, want)
	}
}

// held returns the only held email.
func (b *fixture) held() HeldEmail {
	b.Helper()
	holds, err := b.store.ListHeld(b.Context(), 10)
	if err != nil || len(holds) != 1 {
		b.Fatalf("%+v, %v", holds, err)
	}
	return holds[0]
}

func (b *fixture) expectOutbox(want ...string) {
	b.Helper()
	got := b.strings(`select kind || ' ' || state || ' ' || coalesce(hold_reason, '-') || ' ' || coalesce(outcome, '-') from outbox order by id`)
	if !slices.Equal(got, want) {
		b.Fatalf("outbox\n%q, want\n%q", got, want)
	}
}

func TestAHeldEmailIsReleased(t *testing.T) {
	b := setup(t)
	b.requestHeld(jane, ConfirmationQueued)
	h := b.held()
	if h.Reason != "disposable" || h.Kind != "email.confirm" || h.Domain != "example.org" || h.Status != Pending || h.Source.Origin != "toot" ||
		h.Channel != visit.Channel || h.SubscriberID != b.row(jane).ID || !h.At.Equal(now) {
		t.Errorf("%+v", h)
	}
	queue := outbox.NewWorker(b.db, b.now)
	if claimed, err := queue.Claim(t.Context(), outbox.Limits{Due: 10}, time.Minute); err != nil || len(claimed) != 0 {
		t.Fatalf("claimed %+v, %v", claimed, err)
	}
	b.advance(time.Hour)
	if err := b.store.ReleaseHeld(t.Context(), h.ID, operator); err != nil {
		t.Fatal(err)
	}
	b.expectOutbox("email.confirm ready - released")
	b.expectLedger("requested:confirmation_queued", "released:released")
	if got := b.strings(`select kind || ' ' || actor || ' ' || channel || ' ' || (data->>'reasons') from ledger_events where actor = 'operator'`); !slices.Equal(got, []string{`hold.released operator tool ["disposable"]`}) {
		t.Errorf("ledger: %v", got)
	}
	if claimed, err := queue.Claim(t.Context(), outbox.Limits{Due: 10}, time.Minute); err != nil || len(claimed) != 1 || claimed[0].ID != h.ID {
		t.Fatalf("claimed %+v, %v", claimed, err)
	}
	if err := b.store.ReleaseHeld(t.Context(), h.ID, operator); !errors.Is(err, ErrNotHeld) {
		t.Errorf("a second time: %v", err)
	}
	b.click(b.store.Confirm, b.link(jane), ConfirmedNow)
}

func TestAHeldSignUpIsRejected(t *testing.T) {
	b := setup(t)
	b.activate(john)
	b.click(b.store.Unsubscribe, b.unsubscribeLink(john), UnsubscribedNow)
	b.advance(time.Hour)
	for _, c := range []struct {
		typed string
		left  State
	}{{jane, None}, {john, Unsubscribed}} {
		b.requestHeld(c.typed, ConfirmationQueued)
		b.expectRow(c.typed, Pending, b.row(c.typed).Epoch, c.left == Unsubscribed)
		if err := b.store.RejectHeld(t.Context(), b.held().ID, operator); err != nil {
			t.Fatal(err)
		}
		if got := b.row(c.typed).state(); got != c.left {
			t.Errorf("%s is %s, want %s", c.typed, got, c.left)
		}
	}
	last := b.strings(`select kind || ' ' || actor from ledger_events order by id desc limit 2`)
	if !slices.Equal(last, []string{"subscription.expired operator", "hold.rejected operator"}) {
		t.Errorf("ledger: %v", last)
	}
	if n := b.count(`outbox where state = 'done' and outcome = 'rejected' and finished_at is not null`); n != 2 {
		t.Errorf("%d rejected", n)
	}
}

// TestARejectionLeavesALaterSignUp rejects a held email after a later sign-up that was not held.
func TestARejectionLeavesALaterSignUp(t *testing.T) {
	b := setup(t)
	b.requestHeld(jane, ConfirmationQueued)
	h := b.held()
	b.advance(time.Hour)
	b.request(jane, ConfirmationQueued)
	if err := b.store.RejectHeld(t.Context(), h.ID, operator); err != nil {
		t.Fatal(err)
	}
	b.expectRow(jane, Pending, 1, false)
	b.expectOutbox("email.confirm done - rejected", "email.confirm ready - -")
	b.click(b.store.Confirm, b.link(jane), ConfirmedNow)
}

// TestARejectionLeavesAnEarlierSignUp rejects what a bot sent with the address of a visitor who signed up before.
func TestARejectionLeavesAnEarlierSignUp(t *testing.T) {
	b := setup(t)
	b.request(jane, ConfirmationQueued)
	link := b.link(jane)
	b.deliver()
	b.advance(time.Hour)
	b.requestHeld(jane, ConfirmationQueued)
	if err := b.store.RejectHeld(t.Context(), b.held().ID, operator); err != nil {
		t.Fatal(err)
	}
	b.expectRow(jane, Pending, 1, false)
	b.click(b.store.Confirm, link, ConfirmedNow)
}

func TestARejectedNoticeKeepsTheSubscriber(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	b.requestHeld(jane, AlreadySubscribed)
	if err := b.store.RejectHeld(t.Context(), b.held().ID, operator); err != nil {
		t.Fatal(err)
	}
	b.expectRow(jane, Active, 1, false)
}

// TestARejectionAfterTheRequestEnded is recorded all the same.
func TestARejectionAfterTheRequestEnded(t *testing.T) {
	b := setup(t)
	b.requestHeld(jane, ConfirmationQueued)
	h := b.held()
	b.click(b.store.Unsubscribe, b.unsubscribeLink(jane), DeclinedNow)
	if again := b.held(); again.Status != None || again.Domain != "" {
		t.Errorf("%+v", again)
	}
	if err := b.store.RejectHeld(t.Context(), h.ID, operator); err != nil {
		t.Fatal(err)
	}
	b.expectLedger("requested:confirmation_queued", "declined:declined", "rejected:rejected")
}

func TestOnlyHeldEmailsAreReleasedOrRejected(t *testing.T) {
	b := setup(t)
	b.request(jane, ConfirmationQueued)
	ready := uuid.MustParse(b.strings(`select id::text from outbox where kind = 'email.confirm'`)[0])
	for _, id := range []uuid.UUID{ready, uuid.New(), uuid.Nil} {
		if err := b.store.ReleaseHeld(t.Context(), id, operator); !errors.Is(err, ErrNotHeld) {
			t.Errorf("release %v: %v", id, err)
		}
		if err := b.store.RejectHeld(t.Context(), id, operator); !errors.Is(err, ErrNotHeld) {
			t.Errorf("reject %v: %v", id, err)
		}
	}
	b.expectRow(jane, Pending, 1, false)
	b.expectLedger("requested:confirmation_queued")
}

func TestConcurrentDecisionsCountOnce(t *testing.T) {
	b := setup(t)
	b.requestHeld(jane, ConfirmationQueued)
	h := b.held()
	var wg sync.WaitGroup
	results := make([]error, 4)
	for i := range results {
		wg.Go(func() {
			decide := b.store.ReleaseHeld
			if i%2 == 1 {
				decide = b.store.RejectHeld
			}
			results[i] = decide(t.Context(), h.ID, operator)
		})
	}
	wg.Wait()
	succeeded := 0
	for _, err := range results {
		if err == nil {
			succeeded++
		}
	}
	if n := b.count(`ledger_events where kind like 'hold.%'`); succeeded != 1 || n != 1 {
		t.Errorf("%d succeeded, %d in the ledger: %v", succeeded, n, results)
	}
}

// TestHeldEmailsExpire before their sign-ups, and so do decoys, which the owner never sees.
func TestHeldEmailsExpire(t *testing.T) {
	b := setup(t)
	b.requestHeld(jane, ConfirmationQueued)
	b.advance(time.Minute)
	b.suppress(Suppression{Address: address(t, john), Reason: Bounce, Actor: ledger.Operator}, SuppressedNow)
	b.exec(`delete from outbox where kind = 'change'`)
	b.requestHeld(john, RequestSuppressed) // a decoy: held too, so that it writes the same
	b.expectOutbox("email.confirm held disposable -", "none held disposable -")
	b.held()
	end := func(want int) {
		t.Helper()
		if n, err := outbox.NewWorker(b.db, b.now).EndOverdue(t.Context()); err != nil || n != want {
			t.Fatalf("%d ended, want %d: %v", n, want, err)
		}
	}
	b.advance(outbox.MaxWait - 2*time.Minute)
	end(0)
	b.expectOutbox("email.confirm held disposable -", "none held disposable -")
	b.advance(2 * time.Minute)
	end(1)
	b.expectOutbox("email.confirm done - outdated", "none done - outdated")
	b.advance(pendingLifetime - outbox.MaxWait)
	if n, err := b.store.Expire(t.Context(), 10); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	b.expectRow(jane, None, 0, false)
}
