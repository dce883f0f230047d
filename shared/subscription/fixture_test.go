package subscription

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/token"
)

const jane = "Jane@example.org"

var visit = Visit{Client: Client{IP: netip.MustParseAddr("192.0.2.7"), UserAgent: "Test/1.0"}, RequestID: "req-1", Channel: "api"}

func address(t testing.TB, s string) Address {
	t.Helper()
	a, err := ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// request signs up an address and expects an outcome.
func (b *fixture) request(typed string, want Outcome) {
	b.Helper()
	r := Request{Address: address(b, typed), Visit: visit, Locale: "de-AT", OptIn: b.optIn, Source: ledger.Source{Page: "https://example.org/blog", Origin: "toot"}}
	if got, err := b.store.Request(b.Context(), r); err != nil || got != want {
		b.Fatalf("request %s: %q, %v, want %q", typed, got, err, want)
	}
}

// link returns the claims of the confirm link in the newest email to an address.
func (b *fixture) link(typed string) token.Link {
	b.Helper()
	c := token.Link{}
	var subscriber, event string
	err := b.admin.QueryRow(b.Context(), `
		select o.subscriber_id::text, o.event_id::text, o.epoch
		from outbox o join identities i using (subscriber_id)
		where o.kind = 'email.confirm' and i.email_hmac = $1 order by o.created_at desc, o.id desc limit 1`,
		b.store.key.Address(address(b, typed).Normalized)).Scan(&subscriber, &event, &c.Epoch)
	if err != nil {
		b.Fatalf("no confirm email for %s: %v", typed, err)
	}
	c.SubscriberID, c.EventID = uuid.MustParse(subscriber), uuid.MustParse(event)
	return c
}

// unsubscribeLink returns the claims of a link in an email that is sent now.
func (b *fixture) unsubscribeLink(typed string) token.Link {
	b.Helper()
	r := b.row(typed)
	return token.Link{SubscriberID: r.ID, Epoch: r.Epoch}
}

type step func(context.Context, token.Link, Visit) (Outcome, error)

// click performs a step with a link and expects an outcome.
func (b *fixture) click(do step, c token.Link, want Outcome) {
	b.Helper()
	if got, err := do(b.Context(), c, visit); err != nil || got != want {
		b.Fatalf("%q, %v, want %q", got, err, want)
	}
}

// decline is Decline with the address that the link was sent to.
func (b *fixture) decline(ctx context.Context, c token.Link, v Visit) (Outcome, error) {
	return b.store.leave(ctx, leaving{id: c.SubscriberID, event: onDecline, actor: ledger.Subscriber, visit: v})
}

// activate signs up an address and confirms it.
func (b *fixture) activate(typed string) {
	b.Helper()
	b.request(typed, ConfirmationQueued)
	b.click(b.store.Confirm, b.link(typed), ConfirmedNow)
}

// row returns a subscriber as stored.
func (b *fixture) row(typed string) row {
	b.Helper()
	var r row
	batch := &pgx.Batch{}
	r.loadByNorm(batch, address(b, typed).Normalized, 1)
	if err := b.admin.SendBatch(b.Context(), batch).Close(); err != nil {
		b.Fatal(err)
	}
	return r
}

// expectRow checks the state of a subscriber.
func (b *fixture) expectRow(typed string, status State, epoch int32, returning bool) row {
	b.Helper()
	r := b.row(typed)
	if r.state() != status || r.Epoch != epoch || r.Returning != returning {
		b.Fatalf("%s is %s, epoch %d, returning %v; want %s, %d, %v", typed, r.state(), r.Epoch, r.Returning, status, epoch, returning)
	}
	return r
}

// strings runs a query for one text column.
func (b *fixture) strings(sql string, args ...any) []string {
	b.Helper()
	rows, err := b.admin.Query(b.Context(), sql, args...)
	if err != nil {
		b.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		b.Fatal(err)
	}
	return found
}

// expectLedger compares the whole ledger, as "kind:outcome", in order.
func (b *fixture) expectLedger(want ...string) {
	b.Helper()
	got := b.strings(`select substr(kind, strpos(kind, '.') + 1) || ':' || (data->>'outcome') from ledger_events order by id`)
	if !slices.Equal(got, want) {
		b.Fatalf("ledger\n%s, want\n%s", strings.Join(got, " "), strings.Join(want, " "))
	}
}

// expectEmails compares the emails in the outbox, in order.
func (b *fixture) expectEmails(want ...outbox.Kind) {
	b.Helper()
	got := b.strings(`select kind from outbox where kind like 'email.%' order by id`)
	if len(got) != len(want) {
		b.Fatalf("outbox has %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != string(want[i]) {
			b.Fatalf("outbox has %v, want %v", got, want)
		}
	}
}

// exec runs a statement with administrator rights.
func (b *fixture) exec(sql string, args ...any) {
	b.Helper()
	if _, err := b.admin.Exec(b.Context(), sql, args...); err != nil {
		b.Fatalf("%s: %v", sql, err)
	}
}

func (b *fixture) count(from string, args ...any) int {
	b.Helper()
	var n int
	if err := b.admin.QueryRow(b.Context(), "select count(*) from "+from, args...).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

// walPosition returns the position in the write-ahead log, in bytes.
func (b *fixture) walPosition() int64 {
	b.Helper()
	var at int64
	if err := b.admin.QueryRow(b.Context(), `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint`).Scan(&at); err != nil {
		b.Fatal(err)
	}
	return at
}

// inState returns functions that bring an address into each state and its variants.
func inState() map[string]func(b *fixture, typed string) {
	wait := func(b *fixture) { b.advance(25 * time.Hour) } // past all budgets
	return map[string]func(b *fixture, typed string){
		"none":                  func(*fixture, string) {},
		"pending":               func(b *fixture, typed string) { b.request(typed, ConfirmationQueued); wait(b) },
		"pending, just emailed": func(b *fixture, typed string) { b.request(typed, ConfirmationQueued) },
		"active":                func(b *fixture, typed string) { b.activate(typed); wait(b) },
		"active, just notified": func(b *fixture, typed string) {
			b.activate(typed)
			b.request(typed, AlreadySubscribed)
		},
		"unsubscribed": func(b *fixture, typed string) {
			b.activate(typed)
			b.click(b.store.Unsubscribe, b.unsubscribeLink(typed), UnsubscribedNow)
			wait(b)
		},
		"suppressed": func(b *fixture, typed string) {
			b.activate(typed)
			b.suppress(Suppression{SubscriberID: b.row(typed).ID, Reason: Complaint, Actor: ledger.Provider}, SuppressedNow)
			wait(b)
		},
		"suppressed without a row": func(b *fixture, typed string) {
			b.suppress(Suppression{Address: address(b, typed), Reason: Bounce, Actor: ledger.Provider}, SuppressedNow)
		},
		"restricted": func(b *fixture, typed string) {
			b.activate(typed)
			b.restrictData(typed)
			wait(b)
		},
		"erased": func(b *fixture, typed string) {
			b.activate(typed)
			b.erase(Erasure{Address: address(b, typed)}, ErasedNow)
			wait(b)
		},
		"erased with an objection": func(b *fixture, typed string) {
			b.activate(typed)
			b.erase(Erasure{Address: address(b, typed), Object: true}, ErasedNow)
			wait(b)
		},
		"objected without a row": func(b *fixture, typed string) {
			b.suppress(Suppression{Address: address(b, typed), Reason: Objection, Actor: ledger.Operator}, SuppressedNow)
		},
		"declined": func(b *fixture, typed string) {
			b.request(typed, ConfirmationQueued)
			b.click(b.decline, b.link(typed), DeclinedNow)
			wait(b)
		},
	}
}

// indistinguishableStates returns the states that look the same to a visitor: those of inState, and those caused by
// another spelling of the address.
func indistinguishableStates() map[string]func(b *fixture, typed string) {
	states := inState()
	maps.Copy(states, map[string]func(b *fixture, typed string){
		"declined under another spelling": func(b *fixture, typed string) {
			other := strings.Replace(typed, "@", "+other@", 1)
			b.request(other, ConfirmationQueued)
			b.click(b.decline, b.link(other), DeclinedNow)
			b.advance(25 * time.Hour)
		},
		"active, and another spelling complained": func(b *fixture, typed string) {
			b.activate(typed)
			b.suppress(Suppression{Address: address(b, strings.Replace(typed, "@", "+other@", 1)), Reason: Complaint, Actor: ledger.Provider}, SuppressedNow)
			b.advance(25 * time.Hour)
		},
	})
	return states
}

func (b *fixture) suppress(s Suppression, want Outcome) {
	b.Helper()
	s.Visit = visit
	if got, err := b.store.Suppress(b.Context(), s); err != nil || got != want {
		b.Fatalf("suppress: %q, %v, want %q", got, err, want)
	}
}
