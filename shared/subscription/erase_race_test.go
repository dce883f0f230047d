package subscription

import (
	"errors"
	"sync"
	"testing"
	"time"

	"newsletter/shared/outbox"
)

// An erasure waits for transactions that have read the subscriber and are about to write, so that it also deletes what
// they write: an export, and a decline without a row. Without waiting, the network address would stay.
func TestAnErasureSeesWhatBeganBeforeIt(t *testing.T) {
	for name, begin := range map[string]func(b *fixture, s *Store) error{
		"export": func(b *fixture, s *Store) error {
			_, err := s.Export(b.Context(), b.unsubscribeLink(jane), visit)
			return err
		},
		"decline": func(b *fixture, s *Store) error {
			claims := b.link(jane)
			b.advance(pendingLifetime)
			if n, err := b.store.Expire(b.Context(), 10); err != nil || n != 1 {
				b.Fatalf("%d, %v", n, err)
			}
			_, err := s.Decline(b.Context(), claims, address(b, jane), visit)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			b.request(jane, ConfirmationQueued)
			erased := make(chan error, 1)
			store := b.on(between{b.db, &sync.Once{}, func() {
				go func() {
					_, err := b.eraser().Erase(b.Context(), Erasure{Address: address(b, jane), Visit: visit})
					erased <- err
				}()
				b.blockedOr(erased)
			}})
			if err := begin(b, store); err != nil {
				t.Fatal(err)
			}
			if err := <-erased; err != nil {
				t.Fatal(err)
			}
			if left := b.strings(`select host(ip) from event_context`); len(left) != 0 {
				t.Errorf("kept after the erasure: %v", left)
			}
		})
	}
}

// What is added for the destinations while a subscriber is erased goes with the erasure, or is not added after it.
func TestAnErasureDuringAnExpansion(t *testing.T) {
	const left = "outbox where event_id not in (select id from ledger_events where kind = 'subscription.erased')"
	t.Run("before it", func(t *testing.T) {
		b := setup(t)
		b.activate(jane)
		claimed, err := outbox.NewWorker(b.db, b.now).Claim(t.Context(), outbox.Limits{Due: 10}, time.Minute)
		if err != nil || len(claimed) == 0 {
			t.Fatal(claimed, err)
		}
		b.erase(Erasure{Address: address(t, jane)}, ErasedNow)
		for _, d := range claimed {
			if err := outbox.NewWorker(b.db, b.now).Expand(t.Context(), d, outbox.Destination{Name: "loops"}); err != nil {
				t.Fatal(err)
			}
		}
		if n := b.count(left); n != 0 {
			t.Errorf("%d messages of an erased subscriber", n)
		}
	})
	t.Run("meanwhile", func(t *testing.T) {
		b := setup(t)
		b.activate(jane)
		deliver := b.server.Conn(t)
		if _, err := deliver.Exec(t.Context(), `begin;
			update outbox set state = 'done', outcome = 'expanded', finished_at = now() where kind = 'change';
			insert into outbox (id, kind, subscriber_id, event_id, epoch, due_at, created_at, state)
			select gen_random_uuid(), 'change:loops', subscriber_id, event_id, epoch, due_at, created_at, 'ready' from outbox where kind = 'change'`); err != nil {
			t.Fatal(err)
		}
		erased := make(chan error, 1)
		go func() {
			_, err := b.eraser().Erase(b.Context(), Erasure{Address: address(b, jane), Visit: visit})
			erased <- err
		}()
		b.blockedOr(erased)
		if _, err := deliver.Exec(t.Context(), "commit"); err != nil {
			t.Fatal(err)
		}
		if err := <-erased; err != nil {
			t.Fatal(err)
		}
		if n := b.count(left); n != 0 {
			t.Errorf("%d messages of an erased subscriber", n)
		}
	})
}

// blockedOr waits until a session waits for a lock, or until done has a result.
func (b *fixture) blockedOr(done chan error) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if waiting := b.strings(`select pid::text from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`); len(waiting) > 0 {
			return
		}
		select {
		case err := <-done:
			done <- err
			return
		default:
		}
	}
	b.Error("the erasure neither waits nor ends")
}

// An export after the erasure finds no data and records nothing.
func TestAnExportAfterTheErasure(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	link := b.unsubscribeLink(jane)
	store := b.on(afterFirstRead{b.db, func() { b.erase(Erasure{Address: address(t, jane)}, ErasedNow) }})
	if _, err := store.Export(t.Context(), link, visit); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
	if exported := b.strings(`select id::text from ledger_events where kind = 'privacy.exported'`); len(exported) != 0 {
		t.Errorf("%v", exported)
	}
}

// A complaint after an objection changes nothing.
func TestAComplaintAfterAnObjection(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	b.erase(Erasure{Address: address(t, jane), Object: true}, ErasedNow)
	for range 2 {
		b.suppress(Suppression{Address: address(t, jane), Reason: Complaint, Actor: "provider"}, AlreadySuppressed)
	}
	if events := b.strings(`select kind from ledger_events where kind = 'subscription.suppressed'`); len(events) != 0 {
		t.Errorf("%v", events)
	}
}
