package subscription

import (
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"newsletter/shared/field"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/token"
)

// ask signs up an address with values of declared fields.
func (b *fixture) ask(typed string, values field.Values) Outcome {
	b.Helper()
	outcome, err := b.store.Request(b.Context(), Request{Address: address(b, typed), Visit: visit, Fields: values, OptIn: b.optIn})
	if err != nil {
		b.Fatal(err)
	}
	return outcome
}

func (b *fixture) expectFields(typed string, want field.Values) {
	b.Helper()
	got, err := b.store.Fields(b.Context(), b.row(typed).ID)
	if err != nil || !maps.Equal(got, want) {
		b.Fatalf("%s has %v, %v; want %v", typed, got, err, want)
	}
}

func TestFieldsAreThoseOfTheConfirmedSignUp(t *testing.T) {
	b := setup(t)
	b.ask(jane, field.Values{"company": "Acme", "vip": true})
	own := b.link(jane)
	b.expectFields(jane, nil)
	b.advance(time.Second)
	b.ask(jane, field.Values{"company": "Evil"}) // by another visitor
	b.click(b.store.Confirm, own, ConfirmedNow)
	b.expectFields(jane, field.Values{"company": "Acme", "vip": true})

	if got := b.ask(jane, field.Values{"company": "Evil"}); got != AlreadySubscribed {
		t.Fatal(got)
	}
	b.click(b.store.Confirm, own, AlreadyConfirmed)
	b.expectFields(jane, field.Values{"company": "Acme", "vip": true})
	if n := b.count("requested_fields"); n != 0 {
		t.Errorf("values of %d sign-ups that nobody can confirm", n)
	}

	// Who returns keeps the values that the new form does not ask for, from the confirmation on.
	b.click(b.store.Unsubscribe, b.unsubscribeLink(jane), UnsubscribedNow)
	b.advance(time.Second)
	b.ask(jane, field.Values{"company": "Other"})
	b.expectFields(jane, field.Values{"company": "Acme", "vip": true})
	b.click(b.store.Confirm, b.link(jane), ConfirmedNow)
	b.expectFields(jane, field.Values{"company": "Other", "vip": true})

	if all := strings.Join(b.strings(`select to_jsonb(e)::text from ledger_events e union all select to_jsonb(o)::text from outbox o`), "\n"); strings.Contains(all, "Acme") || strings.Contains(all, "Evil") {
		t.Errorf("a value in the ledger or the outbox:\n%s", all)
	}
}

func TestFieldsOfSingleOptIn(t *testing.T) {
	b := setup(t)
	b.optIn = SingleOptIn
	b.ask(jane, field.Values{"company": "Acme"})
	b.expectFields(jane, field.Values{"company": "Acme"})
	b.ask(jane, field.Values{"company": "Evil"})
	b.expectFields(jane, field.Values{"company": "Acme"})
}

// TestFieldsFollowTheirSignUps runs random sign-ups, confirmations and leaves, and compares with a model: a subscriber
// has, of each field, the value of the last confirmed sign-up that had one.
func TestFieldsFollowTheirSignUps(t *testing.T) {
	b := setup(t)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	var sent []token.Link
	byLink := map[token.Link]field.Values{}
	want := field.Values{}
	for step := range 150 {
		b.advance(time.Minute)
		switch random.IntN(4) {
		case 0, 1:
			values := field.Values{}
			for _, name := range []string{"company", "plan", "vip"} {
				if random.IntN(2) == 0 {
					values[name] = strings.Repeat(name, 1+random.IntN(3))
				}
			}
			if b.ask(jane, values) == ConfirmationQueued {
				link := b.link(jane)
				sent, byLink[link] = append(sent, link), values
			}
		case 2:
			if len(sent) == 0 {
				continue
			}
			link := sent[random.IntN(len(sent))]
			outcome, err := b.store.Confirm(t.Context(), link, visit)
			if err != nil && !errors.Is(err, ErrUnknown) {
				t.Fatal(err)
			}
			if outcome == ConfirmedNow {
				maps.Copy(want, byLink[link])
			}
		case 3:
			if r := b.row(jane); r.Status == Active || r.Status == Pending && r.Returning {
				if _, err := b.store.Unsubscribe(t.Context(), b.unsubscribeLink(jane), visit); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !b.row(jane).exists {
			continue
		}
		if got, err := b.store.Fields(t.Context(), b.row(jane).ID); err != nil || !maps.Equal(got, want) {
			t.Fatalf("seed %d, step %d: %v, %v; want %v", seed, step, got, err, want)
		}
	}
}

func TestFieldsOfADeclinedSignUpAreDeleted(t *testing.T) {
	b := setup(t)
	b.ask(jane, field.Values{"company": "Acme"})
	b.click(b.decline, b.link(jane), DeclinedNow)
	if n := b.count("requested_fields"); n != 0 {
		t.Errorf("values of %d declined sign-ups", n)
	}
}

func TestFieldsAreRectified(t *testing.T) {
	b := setup(t)
	b.ask(jane, field.Values{"company": "Acme", "vip": true})
	b.click(b.store.Confirm, b.link(jane), ConfirmedNow)
	for _, want := range []Outcome{FieldsRectified, Unchanged} {
		got, err := b.store.RectifyFields(t.Context(), address(t, jane), map[string]any{"company": "Other", "vip": nil}, visit)
		if err != nil || got != want {
			t.Fatalf("%q, %v, want %q", got, err, want)
		}
		b.expectFields(jane, field.Values{"company": "Other"})
	}
	b.expectLedger("requested:confirmation_queued", "confirmed:confirmed", "fields_rectified:fields_rectified")
	if kinds := b.strings(`select o.kind from outbox o join ledger_events e on e.id = o.event_id where e.kind = $1`, string(ledger.FieldsRectified)); !slices.Equal(kinds, []string{string(outbox.Change)}) {
		t.Errorf("destinations: %v", kinds)
	}
	if _, err := b.store.RectifyFields(t.Context(), address(t, "nobody@example.org"), map[string]any{"company": "X"}, visit); !errors.Is(err, ErrUnknown) {
		t.Errorf("a stranger: %v", err)
	}
}

func TestFieldsEndWithTheirPeriod(t *testing.T) {
	b := setup(t)
	declared := field.Declarations{{Name: "company", Type: field.Text, MaxLength: 80, RetentionDays: 10}, {Name: "vip", Type: field.Boolean}}
	for _, typed := range []string{jane, "kate@example.org", "rita@example.org"} {
		b.ask(typed, field.Values{"company": "Acme", "vip": true})
		b.click(b.store.Confirm, b.link(typed), ConfirmedNow)
	}
	if _, err := b.store.RestrictByLetter(t.Context(), address(t, "rita@example.org"), visit); err != nil {
		t.Fatal(err)
	}
	b.ask("mary@example.org", field.Values{"company": "Acme"})
	expire := func(want int64) {
		t.Helper()
		total := int64(0)
		for more := true; more; {
			n, again, err := b.store.ExpireFields(t.Context(), declared, 1)
			if err != nil {
				t.Fatal(err)
			}
			total, more = total+n, again
		}
		if total != want {
			t.Fatalf("%d lost values, want %d", total, want)
		}
	}
	b.advance(10*24*time.Hour - time.Minute)
	expire(0)
	b.advance(time.Hour)
	expire(2)
	b.expectFields(jane, field.Values{"vip": true})
	b.expectFields("rita@example.org", field.Values{"company": "Acme", "vip": true})
	b.advance(pendingLifetime)
	expire(1)
	b.expectFields("mary@example.org", nil)
	if n := b.count("requested_fields"); n != 0 {
		t.Errorf("values of %d expired sign-ups", n)
	}
}

// A value of a field that is no longer declared stays with its subscriber: in the copy, for a correction, until erasure.
func TestFieldsInTheCopyAndAfterAnErasure(t *testing.T) {
	b := setup(t)
	b.ask(jane, field.Values{"gone": "Acme"})
	b.click(b.store.Confirm, b.link(jane), ConfirmedNow)
	b.click(b.store.Unsubscribe, b.unsubscribeLink(jane), UnsubscribedNow)
	b.advance(time.Second)
	b.ask(jane, field.Values{"company": "Waiting"})
	copied, err := b.store.ExportByLetter(t.Context(), address(t, jane), visit)
	if err != nil {
		t.Fatal(err)
	}
	var profile struct{ Fields field.Values }
	if err := json.Unmarshal(copied.Profile, &profile); err != nil || profile.Fields["gone"] != "Acme" {
		t.Errorf("profile %s, %v", copied.Profile, err)
	}
	if len(copied.RequestedFields) != 1 || !strings.Contains(string(copied.RequestedFields[0]), "Waiting") {
		t.Errorf("requested: %s", copied.RequestedFields)
	}
	if _, err := b.eraser().Erase(t.Context(), Erasure{Address: address(t, jane), Visit: visit}); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"subscribers", "requested_fields"} {
		if n := b.count(table); n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
}
