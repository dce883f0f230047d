package subscription

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/config"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/token"
)

func testVault(t testing.TB) *outbox.Vault {
	t.Helper()
	env := config.FromMap(map[string]string{"OUTBOX_KEYS": "test:" + strings.Repeat("QUJD", 11)})
	vault := outbox.ReadVault(env)
	if err := env.Err(); err != nil {
		t.Fatal(err)
	}
	return vault
}

func (b *fixture) eraser() *Eraser { return NewEraser(b.store, testVault(b)) }

func (b *fixture) erase(e Erasure, want Outcome) {
	b.Helper()
	e.Visit = visit
	if got, err := b.eraser().Erase(b.Context(), e); err != nil || got != want {
		b.Fatalf("erase: %q, %v, want %q", got, err, want)
	}
}

// dump returns every row of the database as text.
func (b *fixture) dump() string {
	b.Helper()
	var all []string
	for _, table := range b.strings(`select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`) {
		all = append(all, b.strings("select '"+table+" ' || to_jsonb(t)::text from "+table+" t")...)
	}
	return strings.Join(all, "\n")
}

func TestErase(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	b.advance(time.Hour)
	unsubscribe, id := b.unsubscribeLink(jane), b.row(jane).ID
	b.requestLink(jane, EraseLinkEmail, LinkQueued)
	b.requestLink(jane, ExportLinkEmail, LinkQueued) // an email that still waits
	b.activate("john@example.org")

	wrong := Erasure{Address: address(t, "john@example.org"), SubscriberID: id, Visit: visit}
	if _, err := b.eraser().Erase(t.Context(), wrong); !errors.Is(err, ErrNotTheAddress) {
		t.Errorf("another address: %v", err)
	}
	b.erase(Erasure{Address: address(t, jane), SubscriberID: uuid.New()}, Unchanged) // of an erased subscriber
	b.expectRow(jane, Active, 1, false)

	b.erase(Erasure{Address: address(t, "JANE@example.org"), SubscriberID: id}, ErasedNow)
	everything := b.dump()
	for _, personal := range []string{"jane", "Jane"} {
		if strings.Contains(everything, personal) {
			t.Errorf("%q is left:\n%s", personal, everything)
		}
	}
	if n := b.count("identities where subscriber_id = $1", id); n != 0 {
		t.Errorf("%d pseudonyms are left", n)
	}
	if n := b.count("event_context c join ledger_events e on e.id = c.event_id where e.subscriber_id = $1", id); n != 0 {
		t.Errorf("%d contexts are left", n)
	}
	if n := b.count("outbox where subscriber_id = $1", id); n != 1 {
		t.Errorf("%d messages besides the change", n-1)
	}
	if n := b.count("privacy_requests where kind = 'erase' and subscriber_id is null and outcome = 'answered'"); n != 1 {
		t.Errorf("%d answered requests", n)
	}
	b.expectErasedContact(id, ErasedContact{Email: jane, EmailHMAC: b.store.key.Address("jane@example.org"), KeyID: b.store.key.ID()})

	// Links of an erased subscriber change nothing, and unsubscribing still succeeds.
	b.erase(Erasure{Address: address(t, jane), SubscriberID: id}, Unchanged)
	b.click(b.store.Unsubscribe, unsubscribe, AlreadyEnded)
	if _, err := b.store.Confirm(t.Context(), token.Link{SubscriberID: id, Epoch: 1}, visit); !errors.Is(err, ErrUnknown) {
		t.Errorf("confirm: %v", err)
	}
	b.expectRow("john@example.org", Active, 1, false)

	// Without an objection, a new sign-up is like the first one.
	b.advance(25 * time.Hour)
	b.activate(jane)
	if b.row(jane).ID == id {
		t.Error("the new row has the old id")
	}
	b.erase(Erasure{Address: address(t, jane), SubscriberID: id}, Unchanged) // the old link is not about the new row
	b.expectRow(jane, Active, 1, false)
}

// expectErasedContact decrypts and checks the contact that destinations receive after an erasure.
func (b *fixture) expectErasedContact(id uuid.UUID, want ErasedContact) {
	b.Helper()
	var event uuid.UUID
	var sealed []byte
	err := b.admin.QueryRow(b.Context(), `
		select o.event_id::text, o.sealed from outbox o join ledger_events e on e.id = o.event_id
		where o.kind = 'change' and e.kind = 'subscription.erased' and e.subscriber_id = $1`, id).Scan(&event, &sealed)
	if err != nil {
		b.Fatal(err)
	}
	plain, err := testVault(b).Open(event, sealed)
	if err != nil {
		b.Fatal(err)
	}
	var got ErasedContact
	if err := json.Unmarshal(plain, &got); err != nil || got.Email != want.Email || string(got.EmailHMAC) != string(want.EmailHMAC) ||
		got.KeyID != want.KeyID || got.Objected != want.Objected {
		b.Errorf("erased contact %+v, %v, want %+v", got, err, want)
	}
}

func TestEraseEveryState(t *testing.T) {
	for name, prepare := range inState() {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			prepare(b, jane)
			before := b.count("ledger_events")
			want, events := ErasedNow, 1
			if name == "none" || strings.HasPrefix(name, "erased") {
				want, events = Unchanged, 0
			}
			b.erase(Erasure{Address: address(t, jane)}, want)
			b.expectRow(jane, None, 0, false)
			if got := b.count("ledger_events") - before; got != events {
				t.Errorf("%d events", got)
			}
			if n := b.count("identities"); n != 0 {
				t.Errorf("%d pseudonyms are left", n)
			}
			if want := strings.HasPrefix(name, "suppressed") || strings.Contains(name, "objec"); (b.count("suppressions where until is null") == 1) != want {
				t.Errorf("the permanent suppression: want %v", want)
			}
		})
	}
}

func TestAnObjectionOutlastsTheErasure(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	b.erase(Erasure{Address: address(t, jane), Object: true}, ErasedNow)
	b.advance(1000 * 24 * time.Hour)
	b.request(jane, RequestSuppressed)
	b.expectRow(jane, None, 0, false)
	if got := b.strings(`select actor || ' ' || (data->>'reasons') from ledger_events where kind = $1`, string(ledger.Erased)); got[0] != `operator ["objection"]` {
		t.Errorf("%v", got)
	}
}

// In any order, the outcome is that of serial execution, and no rows are left without an identity.
func TestConcurrentErasures(t *testing.T) {
	b := setup(t)
	for round := range 8 {
		b.advance(25 * time.Hour)
		b.request(jane, ConfirmationQueued)
		c := b.link(jane)
		erased := b.count("ledger_events where kind = 'subscription.erased'")
		var all sync.WaitGroup
		for _, do := range []func() error{
			func() error {
				_, err := b.eraser().Erase(t.Context(), Erasure{Address: address(t, jane), SubscriberID: c.SubscriberID, Visit: visit})
				return err
			},
			func() error { _, err := b.store.Confirm(t.Context(), c, visit); return ignore(err, ErrUnknown) },
			func() error { _, err := b.store.Confirm(t.Context(), c, visit); return ignore(err, ErrUnknown) },
			func() error { _, err := b.store.Unsubscribe(t.Context(), c, visit); return err },
			func() error {
				_, err := b.store.Request(t.Context(), Request{Address: address(t, jane), Visit: visit})
				return err
			},
		} {
			all.Go(func() {
				if err := do(); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		all.Wait()
		// Either the id of the link was erased, or that of a request between the end of the first one and the erasure.
		if n := b.count("ledger_events where kind = 'subscription.erased'") - erased; n != 1 {
			t.Errorf("round %d: erased %d times", round, n)
		}
		if n := b.count("subscribers where id = $1", c.SubscriberID); n != 0 {
			t.Errorf("round %d: the row is back", round)
		}
		if n := b.count("identities i where subscriber_id = $1", c.SubscriberID); n != 0 {
			t.Errorf("round %d: the pseudonym is back", round)
		}
		if n := b.count("subscribers s where not exists (select from identities i where i.subscriber_id = s.id)"); n != 0 {
			t.Errorf("round %d: %d rows without a pseudonym", round, n)
		}
		b.erase(Erasure{Address: address(t, jane)}, b.expectedErasure(jane))
	}
}

// expectedErasure returns the outcome of an erasure now.
func (b *fixture) expectedErasure(typed string) Outcome {
	b.Helper()
	if b.count("identities where email_hmac = $1", b.store.key.Address(address(b, typed).Normalized)) > 0 {
		return ErasedNow
	}
	return Unchanged
}

func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// TestAnErasureKeepsTheMailboxBudget, so that it allows no further emails, and takes none away.
func TestAnErasureKeepsTheMailboxBudget(t *testing.T) {
	b := setup(t)
	for _, want := range []int{1, 1, 0} {
		b.request(jane, ConfirmationQueued)
		if sent := b.deliver(); len(sent) != want {
			t.Errorf("sent %v, want %d", sent, want)
		}
		b.erase(Erasure{Address: address(t, jane)}, ErasedNow)
		b.advance(time.Minute)
	}
	b.advance(oneDay)
	b.request(jane, ConfirmationQueued)
	if sent := b.deliver(); len(sent) != 1 {
		t.Errorf("a day later, sent %v", sent)
	}
}
