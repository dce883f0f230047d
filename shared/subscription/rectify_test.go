package subscription

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/token"
)

const moved = "jane@new.example.org"

// rectify asks for another address by the link of a privacy email.
func (b *fixture) rectify(from, to string, want Outcome) {
	b.Helper()
	r := b.row(from)
	if got, err := b.eraser().Rectify(b.Context(), token.Link{SubscriberID: r.ID, Epoch: r.Epoch}, address(b, to), visit); err != nil || got != want {
		b.Fatalf("%s to %s: %q, %v, want %q", from, to, got, err, want)
	}
}

// rectifyLink returns the claims of the link in the newest email to a new address.
func (b *fixture) rectifyLink(typed string) token.Link {
	b.Helper()
	var subscriber, event string
	c := token.Link{}
	err := b.admin.QueryRow(b.Context(), `
		select o.subscriber_id::text, o.event_id::text, o.epoch from outbox o join identities i using (subscriber_id)
		where o.kind = 'email.rectify' and i.email_hmac = $1 order by o.created_at desc, o.id desc limit 1`,
		b.store.key.Address(address(b, typed).Normalized)).Scan(&subscriber, &event, &c.Epoch)
	if err != nil {
		b.Fatalf("no email for %s: %v", typed, err)
	}
	c.SubscriberID, c.EventID = uuid.MustParse(subscriber), uuid.MustParse(event)
	return c
}

// TestRectify moves a subscription: the subscriber's id, history, proof and old unsubscribe links stay, and nothing
// but the sealed message to the destinations has the old address.
func TestRectify(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	before, old := b.row(jane), b.unsubscribeLink(jane)
	b.advance(time.Hour)
	b.rectify(jane, "Jane@New.example.org", LinkQueued)
	b.expectRow(jane, Active, 1, false)
	b.expectRow(moved, Pending, 1, false)
	link := b.rectifyLink(moved)
	if text, err := b.store.ConsentText(t.Context(), link); err != nil || !text.Rectifies || text.Body == "" {
		t.Errorf("%+v %v", text, err)
	}
	b.click(b.store.Confirm, link, AddressChanged)
	after := b.expectRow(moved, Active, 2, false)
	if after.ID != before.ID || after.Email != "Jane@new.example.org" || !after.ConfirmedAt.Equal(*before.ConfirmedAt) {
		t.Errorf("%+v, before %+v", after, before)
	}
	b.expectRow(jane, None, 0, false)
	b.expectLedger("requested:confirmation_queued", "confirmed:confirmed", "requested:link_queued", "requested:confirmation_queued", "rectified:address_changed")
	proof := b.strings(`select concat_ws(' ', actor, channel, data ->> 'from', data ->> 'to', data ->> 'request_event' = $1, consent_text_id is not null)
		from ledger_events where kind = 'subscription.rectified' and subscriber_id = $2`, link.EventID.String(), before.ID)
	if !slices.Equal(proof, []string{"subscriber api active active t t"}) {
		t.Errorf("proof %q", proof)
	}
	if got := b.strings(`select kind || ' ' || outcome from privacy_requests where sealed is null and event_id is null`); !slices.Equal(got, []string{"rectify rectified"}) {
		t.Errorf("%q", got)
	}
	if n := b.count(`outbox where kind = 'change' and sealed is not null and subscriber_id = $1`, before.ID); n != 1 {
		t.Errorf("%d messages to the destinations", n)
	}
	for _, r := range b.rows() {
		if strings.Contains(strings.ToLower(r.text), "jane@example.org") || strings.Contains(r.text, b.hashesOf(jane)[0].value) {
			t.Errorf("the old address is left: %s %s", r.table, r.text)
		}
	}
	copied, err := b.store.Export(t.Context(), token.Link{SubscriberID: before.ID}, visit)
	if err != nil || len(copied.Events) != 6 || len(copied.Identities) != 2 || !strings.Contains(string(copied.Profile), "Jane@new.example.org") {
		t.Errorf("%d events, %d identities, %s, %v", len(copied.Events), len(copied.Identities), copied.Profile, err)
	}

	b.click(b.store.Confirm, link, AlreadyConfirmed)
	b.advance(24 * time.Hour)
	b.request(jane, ConfirmationQueued) // the old address is free
	b.click(b.store.Unsubscribe, old, UnsubscribedNow)
	b.expectRow(moved, Unsubscribed, 3, false)
	b.expectRow(jane, Pending, 1, false)
	b.erase(Erasure{Address: address(t, moved), SubscriberID: before.ID}, ErasedNow)
	if n := b.count("identities"); n != 1 { // of the new sign-up
		t.Errorf("%d identities", n)
	}
}

// TestRectifyLooksTheSame asks for a new address in every state. The outcome, the rows of the request and the work for the
// address do not depend on it. The subscription moves, unless email to the new address is suppressed or it is subscribed.
func TestRectifyLooksTheSame(t *testing.T) {
	for name, prepare := range indistinguishableStates() {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			b.activate("subscriber@example.net")
			prepare(b, moved)
			events, emails := b.count("ledger_events"), b.count("outbox")
			b.rectify("subscriber@example.net", moved, LinkQueued)
			if got := b.count("ledger_events") - events; got != 2 {
				t.Errorf("%d events", got)
			}
			if got := b.count("outbox") - emails; got != 1 {
				t.Errorf("%d messages", got)
			}
			sent := b.strings(`select kind from outbox order by id desc limit 1`)[0]
			switch name {
			case "suppressed", "suppressed without a row", "erased with an objection",
				"objected without a row", "declined", "declined under another spelling", "restricted", "active, and another spelling complained":
				if sent != "none" {
					t.Errorf("%s is sent", sent)
				}
			case "active", "active, just notified": // CheckSend drops the second
				if sent != "email.already_subscribed" {
					t.Errorf("%s is sent", sent)
				}
			default:
				b.click(b.store.Confirm, b.rectifyLink(moved), AddressChanged)
				if r := b.row(moved); r.Status != Active || b.row("subscriber@example.net").exists {
					t.Errorf("%+v", r)
				}
				return
			}
			b.expectRow("subscriber@example.net", Active, 1, false)
		})
	}
}

// TestAnEndedSubscriptionDoesNotMove checks that the link to the new address does nothing once the subscription has ended
// or moved elsewhere, and that only that link moves it: not that of a sign-up at the new address.
func TestAnEndedSubscriptionDoesNotMove(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	b.rectify(jane, moved, LinkQueued)
	first := b.rectifyLink(moved)
	b.advance(time.Hour)
	b.rectify(jane, "jane@third.example.org", LinkQueued)
	b.click(b.store.Confirm, b.rectifyLink("jane@third.example.org"), AddressChanged)
	if got, err := b.store.Confirm(t.Context(), first, visit); !errors.Is(err, ErrUnknown) {
		t.Errorf("moved elsewhere: %q %v", got, err)
	}
	b.expectRow(moved, Pending, 1, false)

	b.activate("bob@example.org")
	b.advance(time.Hour)
	b.rectify("bob@example.org", "bob@new.example.org", LinkQueued)
	b.click(b.store.Unsubscribe, b.unsubscribeLink("bob@example.org"), UnsubscribedNow)
	if got, err := b.store.Confirm(t.Context(), b.rectifyLink("bob@new.example.org"), visit); !errors.Is(err, ErrUnknown) {
		t.Errorf("unsubscribed: %q %v", got, err)
	}

	b.activate("mallory@example.org")
	b.rectify("mallory@example.org", "victim@example.org", LinkQueued)
	b.advance(time.Hour)
	b.request("victim@example.org", ConfirmationQueued)
	b.click(b.store.Confirm, b.link("victim@example.org"), ConfirmedNow)
	if b.row("victim@example.org").ID == b.row("mallory@example.org").ID || b.row("mallory@example.org").Status != Active {
		t.Error("the sign-up of another person takes over a subscription")
	}
}

// TestWhoMayRectify checks the link, the state and the limits, and that a request that failed halfway can be repeated.
func TestWhoMayRectify(t *testing.T) {
	b := setup(t)
	ask := func(link token.Link, to string) (Outcome, error) {
		return b.eraser().Rectify(t.Context(), link, address(t, to), visit)
	}
	b.request("pending@example.org", ConfirmationQueued)
	b.rectify("pending@example.org", moved, LinkUnknown)
	b.activate(jane)
	r := b.row(jane)
	link := token.Link{SubscriberID: r.ID, Epoch: r.Epoch}
	for name, wrong := range map[string]token.Link{"another epoch": {SubscriberID: r.ID, Epoch: 2}, "unknown": {SubscriberID: uuid.New(), Epoch: 1}} {
		if got, err := ask(wrong, moved); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	if got, err := ask(link, "JANE@example.org"); !errors.Is(err, ErrSameAddress) {
		t.Errorf("the same address: %q %v", got, err)
	}
	b.exec(`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'full'; end $$`)
	b.exec(`create trigger refuse before insert on subscribers for each row execute function refuse()`)
	if got, err := ask(link, moved); err == nil {
		t.Errorf("the second half fails: %q", got)
	}
	b.exec(`drop trigger refuse on subscribers`)
	for i, want := range []Outcome{LinkQueued, LinkOverBudget, LinkQueued, LinkQueued, LinkOverBudget} {
		if i > 1 {
			b.advance(20 * time.Minute)
		}
		b.rectify(jane, uuid.NewString()[:8]+"@example.net", want)
	}
	if n := b.count(`subscribers where email_norm like '%@example.net'`); n != 3 {
		t.Errorf("%d sign-ups of new addresses", n)
	}
}

// TestNoReminderOfANewAddress checks that a change of address is not repeated as a sign-up, whose email would not say
// what its link does.
func TestNoReminderOfANewAddress(t *testing.T) {
	b := setup(t)
	b.activate(jane)
	b.rectify(jane, moved, LinkQueued)
	b.request("other@example.org", ConfirmationQueued)
	b.deliver()
	b.exec(`update outbox set state = 'done', outcome = 'sent', finished_at = now() where state = 'ready'`)
	b.advance(50 * time.Hour)
	list, err := b.store.ListUnconfirmed(t.Context(), 48*time.Hour, uuid.Nil, 10)
	if err != nil || len(list) != 1 || list[0].Address.Normalized != "other@example.org" {
		t.Errorf("%+v %v", list, err)
	}
}

// TestErasureAfterAMoveLeavesNoTrail checks that nothing leads from the old or the new address to the events once the
// subscriber is erased.
func TestErasureAfterAMoveLeavesNoTrail(t *testing.T) {
	b := setup(t)
	life := func(typed, to string) (id string) {
		b.activate(typed)
		b.deliver()
		b.advance(26*time.Hour + 7*time.Minute)
		b.rectify(typed, to, LinkQueued)
		b.deliver()
		b.advance(3 * time.Minute)
		b.click(b.store.Confirm, b.rectifyLink(to), AddressChanged)
		b.advance(26*time.Hour + 7*time.Minute)
		return b.row(to).ID.String()
	}
	life("john@example.org", "john@new.example.org")
	common := map[key]bool{}
	for _, r := range b.rows() {
		for _, c := range r.keys {
			common[c] = true
		}
	}
	id := life(jane, moved)
	history := map[string]bool{}
	for _, event := range b.strings(`
		select e.id::text from ledger_events e join identities i using (subscriber_id) where i.email_hmac = $1`, b.store.key.Address(moved)) {
		history[event] = true
	}
	trail := func(typed string) string {
		return walk(b.rows(), b.hashesOf(typed), common, func(r tableRow) bool {
			return r.table == "ledger_events" && slices.ContainsFunc(r.keys, func(c key) bool { return history[c.value] })
		})
	}
	if path := trail(jane); path != "" {
		t.Errorf("after the move, a path leads from the old address: %s", path)
	}
	if len(history) != 5 || trail(moved) == "" {
		t.Fatalf("%d events, and no path before the erasure", len(history))
	}
	b.erase(Erasure{Address: address(t, moved), SubscriberID: mustID(id), Object: true}, ErasedNow)
	b.deliver()
	for _, typed := range []string{jane, moved} {
		if path := trail(typed); path != "" {
			t.Errorf("%s: a path leads to the events: %s", typed, path)
		}
	}
	if n := b.count(`privacy_requests where coalesce(sign_up_event_id, event_id, subscriber_id) is not null`); n != 1 { // john's
		t.Errorf("%d requests lead to events", n)
	}
}
