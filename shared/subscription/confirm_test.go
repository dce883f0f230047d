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

func TestConfirmRecordsTheConsentOfTheTokensRequest(t *testing.T) {
	b := setup(t)
	b.request(jane, ConfirmationQueued) // in German
	first := b.link(jane)
	b.advance(time.Hour)
	r := Request{Address: address(t, jane), Visit: visit, Locale: "fr"}
	if got, err := b.store.Request(t.Context(), r); got != ConfirmationQueued || err != nil {
		t.Fatal(got, err)
	}
	b.advance(time.Hour)
	b.click(b.store.Confirm, first, ConfirmedNow) // the older email's link stays valid
	if r := b.expectRow(jane, Active, 1, false); !r.ConfirmedAt.Equal(now.Add(2 * time.Hour)) {
		t.Errorf("%+v", r)
	}
	shown := b.strings(`select t.locale || ' ' || (e.data->>'request_event') || ' ' || e.actor || ' ' || (e.source->>'utm_source')
		from ledger_events e join consent_texts t on t.id = e.consent_text_id where e.kind = 'subscription.confirmed'`)
	if len(shown) != 1 || shown[0] != "de "+first.EventID.String()+" subscriber toot" {
		t.Errorf("proof: %v", shown)
	}
	b.click(b.store.Confirm, first, AlreadyConfirmed)
	b.click(b.store.Confirm, b.link(jane), AlreadyConfirmed) // and the newer one is harmless
	b.expectLedger("requested:confirmation_queued", "requested:confirmation_queued", "confirmed:confirmed")
	if n := b.count(`event_context c join ledger_events e on e.id = c.event_id where e.kind = 'subscription.confirmed' and c.ip = '192.0.2.7'`); n != 1 {
		t.Errorf("%d contexts", n)
	}
}

func TestLinksThatConfirmNothing(t *testing.T) {
	b := setup(t)
	refuse := func(name string, c token.Link) {
		t.Helper()
		before := b.count("ledger_events")
		if got, err := b.store.Confirm(t.Context(), c, visit); !errors.Is(err, ErrUnknown) || got != "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if b.count("ledger_events") != before {
			t.Errorf("%s: recorded", name)
		}
	}
	refuse("unknown subscriber", token.Link{SubscriberID: uuid.New(), EventID: uuid.New(), Epoch: 1})

	b.request(jane, ConfirmationQueued)
	good := b.link(jane)
	otherEvent, otherEpoch := good, good
	otherEvent.EventID = uuid.New()
	otherEpoch.Epoch = 2
	refuse("unknown event", otherEvent)
	refuse("another epoch", otherEpoch)

	b.request("john@example.org", ConfirmationQueued)
	foreign := good
	foreign.EventID = b.link("john@example.org").EventID
	refuse("another subscriber's event", foreign)

	b.click(b.store.Confirm, good, ConfirmedNow)
	confirmed := good
	if err := b.admin.QueryRow(t.Context(), `select id::text from ledger_events where kind = 'subscription.confirmed'`).Scan(&confirmed.EventID); err != nil {
		t.Fatal(err)
	}
	refuse("an event that is no request", confirmed)

	b.click(b.store.Unsubscribe, b.unsubscribeLink(jane), UnsubscribedNow)
	refuse("unsubscribed", good)
	b.advance(time.Hour)
	b.request(jane, ConfirmationQueued)
	refuse("from before the unsubscribe", good)
	returned := b.link(jane)
	b.suppress(Suppression{SubscriberID: good.SubscriberID, Reason: Complaint, Actor: ledger.Provider}, SuppressedNow)
	refuse("suppressed", returned)

	declined := b.link("john@example.org")
	b.click(b.decline, declined, DeclinedNow)
	refuse("declined", declined)
}

// A suppression of the address alone, for example by the operator's tool, overrides a pending row.
func TestASuppressedAddressIsNotConfirmed(t *testing.T) {
	b := setup(t)
	b.request(jane, ConfirmationQueued)
	if _, err := b.admin.Exec(t.Context(), `insert into suppressions (email_hmac, key_id, reason, created_at)
		select email_hmac, key_id, 'objection', now() from identities`); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Confirm(t.Context(), b.link(jane), visit); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	b.request(jane, RequestSuppressed)
}

func TestParallelConfirmationsAreRecordedOnce(t *testing.T) {
	b := setup(t)
	b.request(jane, ConfirmationQueued)
	c := b.link(jane)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			err := try(t.Context(), func() error {
				_, err := b.store.Confirm(t.Context(), c, visit)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	b.expectLedger("requested:confirmation_queued", "confirmed:confirmed")
}

// The result of concurrent operations is that of some serial order, and the ledger has that order.
func TestConcurrentStepsHaveASerialOutcome(t *testing.T) {
	b := setup(t)
	for round := range 40 {
		typed := string(rune('a'+round%26)) + uuid.NewString()[:8] + "@example.org"
		b.request(typed, ConfirmationQueued)
		c := b.link(typed)
		b.advance(time.Hour)
		var all sync.WaitGroup
		for _, do := range []func() error{
			func() error { _, err := b.store.Confirm(t.Context(), c, visit); return err },
			func() error { _, err := b.store.Unsubscribe(t.Context(), c, visit); return err },
			func() error {
				_, err := b.store.Request(t.Context(), Request{Address: address(t, typed), Visit: visit})
				return err
			},
		} {
			all.Go(func() {
				if err := try(t.Context(), do); err != nil && !errors.Is(err, ErrUnknown) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		b.checkHistory(typed)
	}
}

// checkHistory replays the ledger of an address and compares the final state with the row.
func (b *fixture) checkHistory(typed string) {
	b.Helper()
	moves := b.strings(`select (e.data->>'from') || ' ' || (e.data->>'to')
		from ledger_events e join identities i using (subscriber_id) where i.email_hmac = $1
		order by e.at, e.id`, b.store.key.Address(address(b, typed).Normalized))
	// Events of one instant have no order; the next one is any that fits the current state.
	state := string(None)
	for len(moves) > 0 {
		next := -1
		for i, move := range moves {
			if len(move) > len(state) && move[:len(state)+1] == state+" " {
				next = i
				if move != state+" "+state { // a request that changed nothing fits anywhere
					continue
				}
				break
			}
		}
		if next < 0 {
			b.Fatalf("%s: no event starts from %s among %v", typed, state, moves)
		}
		state = moves[next][len(state)+1:]
		moves = append(moves[:next], moves[next+1:]...)
	}
	if got := b.row(typed).state(); string(got) != state {
		b.Fatalf("%s: the ledger ends in %s, the row is %s", typed, state, got)
	}
}
