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

// request signs an address up and expects an outcome.
func (b *bundle) request(typed string, want Outcome) {
	b.Helper()
	r := Request{Address: address(b, typed), Visit: visit, Locale: "de-AT", OptIn: b.optIn, Source: ledger.Source{Page: "https://example.org/blog", Origin: "toot"}}
	if got, err := b.store.Request(b.Context(), r); err != nil || got != want {
		b.Fatalf("request %s: %q, %v, want %q", typed, got, err, want)
	}
}

// link is the claims that the newest confirm mail to an address was, or would be, signed with.
func (b *bundle) link(typed string) token.Claims {
	b.Helper()
	c := token.Claims{Purpose: token.Confirm}
	var subscriber, event string
	err := b.admin.QueryRow(b.Context(), `
		select o.subscriber_id::text, o.event_id::text, o.epoch
		from outbox o join identities i using (subscriber_id)
		where o.kind = 'email.confirm' and i.email_hmac = $1 order by o.created_at desc, o.id desc limit 1`,
		b.store.key.Address(address(b, typed).Normalized)).Scan(&subscriber, &event, &c.Epoch)
	if err != nil {
		b.Fatalf("no confirm mail for %s: %v", typed, err)
	}
	c.SubscriberID, c.EventID = uuid.MustParse(subscriber), uuid.MustParse(event)
	return c
}

// unsubscribeLink is the claims of a link in an email that was sent now.
func (b *bundle) unsubscribeLink(typed string) token.Claims {
	b.Helper()
	r := b.row(typed)
	return token.Claims{Purpose: token.Unsubscribe, SubscriberID: r.ID, Epoch: r.Epoch}
}

type step func(context.Context, token.Claims, Visit) (Outcome, error)

// click does a step with a link and expects an outcome.
func (b *bundle) click(do step, c token.Claims, want Outcome) {
	b.Helper()
	if got, err := do(b.Context(), c, visit); err != nil || got != want {
		b.Fatalf("%q, %v, want %q", got, err, want)
	}
}

// activate signs an address up and confirms it.
func (b *bundle) activate(typed string) {
	b.Helper()
	b.request(typed, ConfirmationQueued)
	b.click(b.store.Confirm, b.link(typed), ConfirmedNow)
}

// row reads a subscriber as it is stored.
func (b *bundle) row(typed string) row {
	b.Helper()
	var r row
	batch := &pgx.Batch{}
	r.loadByNorm(batch, address(b, typed).Normalized, 1)
	if err := b.admin.SendBatch(b.Context(), batch).Close(); err != nil {
		b.Fatal(err)
	}
	return r
}

// expectRow compares what matters of a subscriber.
func (b *bundle) expectRow(typed string, status State, epoch int32, returning bool) row {
	b.Helper()
	r := b.row(typed)
	if r.state() != status || r.Epoch != epoch || r.Returning != returning {
		b.Fatalf("%s is %s, epoch %d, returning %v; want %s, %d, %v", typed, r.state(), r.Epoch, r.Returning, status, epoch, returning)
	}
	return r
}

// strings runs a query of one text column.
func (b *bundle) strings(sql string, args ...any) []string {
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
func (b *bundle) expectLedger(want ...string) {
	b.Helper()
	got := b.strings(`select substr(kind, strpos(kind, '.') + 1) || ':' || (data->>'outcome') from ledger_events order by id`)
	if !slices.Equal(got, want) {
		b.Fatalf("ledger\n%s, want\n%s", strings.Join(got, " "), strings.Join(want, " "))
	}
}

// expectMails compares the emails in the outbox, in order.
func (b *bundle) expectMails(want ...outbox.Kind) {
	b.Helper()
	got := b.strings(`select kind from outbox where kind like 'email.%' order by id`)
	if len(got) != len(want) {
		b.Fatalf("outbox holds %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != string(want[i]) {
			b.Fatalf("outbox holds %v, want %v", got, want)
		}
	}
}

// exec runs a statement that no function would.
func (b *bundle) exec(sql string, args ...any) {
	b.Helper()
	if _, err := b.admin.Exec(b.Context(), sql, args...); err != nil {
		b.Fatalf("%s: %v", sql, err)
	}
}

func (b *bundle) count(from string, args ...any) int {
	b.Helper()
	var n int
	if err := b.admin.QueryRow(b.Context(), "select count(*) from "+from, args...).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

// wal is the position in the write-ahead log, in bytes.
func (b *bundle) wal() int64 {
	b.Helper()
	var at int64
	if err := b.admin.QueryRow(b.Context(), `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint`).Scan(&at); err != nil {
		b.Fatal(err)
	}
	return at
}

// inState brings an address into each of the states, and into the variants that a request must not tell apart.
func inState() map[string]func(b *bundle, typed string) {
	wait := func(b *bundle) { b.advance(25 * time.Hour) } // past all caps
	return map[string]func(b *bundle, typed string){
		"none":                  func(*bundle, string) {},
		"pending":               func(b *bundle, typed string) { b.request(typed, ConfirmationQueued); wait(b) },
		"pending, just emailed": func(b *bundle, typed string) { b.request(typed, ConfirmationQueued) },
		"active":                func(b *bundle, typed string) { b.activate(typed); wait(b) },
		"active, just told": func(b *bundle, typed string) {
			b.activate(typed)
			b.request(typed, AlreadySubscribed)
		},
		"unsubscribed": func(b *bundle, typed string) {
			b.activate(typed)
			b.click(b.store.Unsubscribe, b.unsubscribeLink(typed), UnsubscribedNow)
			wait(b)
		},
		"suppressed": func(b *bundle, typed string) {
			b.activate(typed)
			b.suppress(Suppression{SubscriberID: b.row(typed).ID, Reason: Complaint, Actor: ledger.Provider}, SuppressedNow)
			wait(b)
		},
		"suppressed without a row": func(b *bundle, typed string) {
			b.suppress(Suppression{Address: address(b, typed), Reason: Bounce, Actor: ledger.Provider}, SuppressedNow)
		},
		"erased": func(b *bundle, typed string) {
			b.activate(typed)
			b.erase(Erasure{Address: address(b, typed)}, ErasedNow)
			wait(b)
		},
		"erased with an objection": func(b *bundle, typed string) {
			b.activate(typed)
			b.erase(Erasure{Address: address(b, typed), Object: true}, ErasedNow)
			wait(b)
		},
		"objected without a row": func(b *bundle, typed string) {
			b.suppress(Suppression{Address: address(b, typed), Reason: Objection, Actor: ledger.Operator}, SuppressedNow)
		},
		"not me": func(b *bundle, typed string) {
			b.request(typed, ConfirmationQueued)
			b.click(b.store.Decline, b.link(typed), DeclinedNow)
			wait(b)
		},
	}
}

// toObservers are the states that a request must not tell apart: those, and what another spelling of the address did.
func toObservers() map[string]func(b *bundle, typed string) {
	states := inState()
	maps.Copy(states, map[string]func(b *bundle, typed string){
		"not me, under another spelling": func(b *bundle, typed string) {
			other := strings.Replace(typed, "@", "+other@", 1)
			b.request(other, ConfirmationQueued)
			b.click(b.store.Decline, b.link(other), DeclinedNow)
			b.advance(25 * time.Hour)
		},
		"active, and another spelling complained": func(b *bundle, typed string) {
			b.activate(typed)
			b.suppress(Suppression{Address: address(b, strings.Replace(typed, "@", "+other@", 1)), Reason: Complaint, Actor: ledger.Provider}, SuppressedNow)
			b.advance(25 * time.Hour)
		},
	})
	return states
}

func (b *bundle) suppress(s Suppression, want Outcome) {
	b.Helper()
	s.Visit = visit
	if got, err := b.store.Suppress(b.Context(), s); err != nil || got != want {
		b.Fatalf("suppress: %q, %v, want %q", got, err, want)
	}
}
