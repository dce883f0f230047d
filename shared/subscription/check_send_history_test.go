package subscription

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestAnyHistoryKeepsTheBudgets requests, confirms, leaves, holds, releases, pauses and delivers at random, and checks
// the sent emails.
func TestAnyHistoryKeepsTheBudgets(t *testing.T) {
	b := setup(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var sent []sentEmail
	paused := false
	for range 300 {
		typed := []string{
			spelling(random.IntN(4)), fmt.Sprintf("jane%d@example.org", random.IntN(2)), fmt.Sprintf("jane+%d@lists.example.net", random.IntN(3)),
		}[random.IntN(3)]
		r := Request{Address: address(t, typed), Visit: visit}
		var err error
		switch what := random.IntN(14); {
		case what < 5:
			_, err = b.store.Request(t.Context(), r)
		case what < 6:
			r.Hold = "disposable"
			_, err = b.store.Request(t.Context(), r)
		case what < 9:
			purpose := []Email{UnsubscribeLinkEmail, ExportLinkEmail, EraseLinkEmail}[random.IntN(3)]
			_, err = b.store.RequestLink(t.Context(), LinkRequest{Address: r.Address, Email: purpose, Visit: visit})
		case what < 10:
			paused = !paused
		case what < 11:
			var holds []HeldEmail
			holds, err = b.store.ListHeld(t.Context(), 100)
			for _, h := range holds {
				err = errors.Join(err, b.store.ReleaseHeld(t.Context(), h.ID, operator))
			}
		case what < 12:
			if b.row(typed).state() == Pending {
				_, err = b.store.Confirm(t.Context(), b.link(typed), visit)
				if errors.Is(err, ErrUnknown) { // of an earlier epoch
					err = nil
				}
			}
		case what < 13:
			if b.row(typed).state() == Active {
				_, err = b.store.Unsubscribe(t.Context(), b.unsubscribeLink(typed), visit)
			}
		default:
			b.advance(time.Duration(random.Int64N(int64(30 * time.Hour))))
		}
		if err != nil {
			t.Fatal(err)
		}
		b.advance(time.Duration(random.Int64N(int64(10 * time.Minute))))
		if !paused {
			sent = append(sent, b.deliver()...)
		}
	}
	b.expectSendings(sent)
	if len(sent) < 20 {
		t.Errorf("only %d emails were sent: the test is void", len(sent))
	}
}

// TestAClockMovedBackKeepsTheBudgets and, once it is right again, delays nothing for longer than they do.
func TestAClockMovedBackKeepsTheBudgets(t *testing.T) {
	b := setup(t)
	ask := func() int {
		t.Helper()
		a := address(t, spelling(0))
		_, requested := b.store.Request(t.Context(), Request{Address: a, Visit: visit})
		_, linked := b.store.RequestLink(t.Context(), LinkRequest{Address: a, Email: ExportLinkEmail, Visit: visit})
		if err := errors.Join(requested, linked); err != nil {
			t.Fatal(err)
		}
		return len(b.deliver())
	}
	sent := 0
	for range 10 {
		sent += ask()
		b.advance(-6 * time.Hour)
	}
	if sent < 2 || sent > 3 {
		t.Errorf("%d emails while the clock was moved back, want a confirmation and a link, at most one more", sent)
	}
	b.advance(10*6*time.Hour + 25*time.Hour)
	if got := ask(); got != 2 {
		t.Errorf("%d emails a day later, want a confirmation and a link", got)
	}
}
