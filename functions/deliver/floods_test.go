package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/lambdafn"
	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
)

// floods are what a stranger may do to one mailbox, which is unknown, subscribed or suppressed, or to many.
var floods = []string{"many addresses", "unknown", "subscribed", "suppressed", "links, unknown", "links, subscribed"}

// flood prepares the victim of a flood, lets a minute pass, and returns a function that makes the i-th request, from a
// network.
func (b *bundle) flood(kind string, f lambdafn.Function) func(i int, from netip.Addr) {
	switch kind {
	case "subscribed", "links, subscribed":
		b.Activate("victim@gmail.com")
	case "suppressed":
		if _, err := b.Store.Suppress(b.Context(), subscription.Suppression{
			Address: b.Address("victim@gmail.com"), Reason: subscription.Complaint, Actor: ledger.Provider, Visit: functiontest.Visit,
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.run(b.Context(), f)
	b.minute()
	return func(i int, from netip.Addr) {
		switch {
		case strings.HasPrefix(kind, "links"):
			request := subscription.LinkRequest{Address: b.Address("victim@gmail.com"), Visit: functiontest.Visit, Email: subscription.UnsubscribeLinkEmail}
			if _, err := b.Store.RequestLink(b.Context(), request); err != nil {
				b.Fatal(err)
			}
		case kind == "many addresses":
			b.signUpAs(fmt.Sprintf("victim%d@gmail.com", i), from)
		default:
			b.signUpAs(fmt.Sprintf("victim+%d@gmail.com", i), from)
		}
	}
}

// minute lets the minute pass in which emails left.
func (b *bundle) minute() {
	b.Exec(`update outbox set finished_at = now() - interval '61 seconds' where state = 'done'`)
}

// signUpAs signs up an address from a network, whatever its state.
func (b *bundle) signUpAs(address string, ip netip.Addr) {
	visit := functiontest.Visit
	visit.Client.IP = ip
	if _, err := b.Store.Request(b.Context(), subscription.Request{Address: b.Address(address), Visit: visit}); err != nil {
		b.Fatal(err)
	}
}

// people signs up two people from networks of their own.
func (b *bundle) people() {
	b.signUpAs("jane@gmail.com", netip.MustParseAddr("203.0.113.7"))
	b.signUpAs("joe@gmail.com", netip.MustParseAddr("2001:db8:7::7"))
}

// reached returns how many of the people have their email.
func (b *bundle) reached() int {
	return len(b.Strings(`select o.id::text from outbox o join subscribers s on s.id = o.subscriber_id
		where o.outcome = 'sent' and s.email_norm in ('jane@gmail.com', 'joe@gmail.com')`))
}

// eachFlood runs a test for each kind of flood, with a rate of emails a minute.
func eachFlood(t *testing.T, perMinute string, test func(b *bundle, kind string, f lambdafn.Function, request func(i int, from netip.Addr))) {
	for _, kind := range floods {
		t.Run(kind, func(t *testing.T) {
			b := setup(t)
			b.Variables["MAIL_RATE_PER_MINUTE"], b.Variables["MAIL_DOMAIN_RATE_PER_MINUTE"] = perMinute, "0"
			f := b.Open(open)
			test(b, kind, f, b.flood(kind, f))
		})
	}
}

// TestNetworksTakeTurns checks that a flood from one network does not delay the emails of two people elsewhere, who ask
// later, and that nobody can tell by the delay what the flood was about.
func TestNetworksTakeTurns(t *testing.T) {
	eachFlood(t, "1", func(b *bundle, _ string, f lambdafn.Function, request func(int, netip.Addr)) {
		for i := range 30 {
			request(i, functiontest.Visit.Client.IP)
		}
		b.run(b.Context(), f)
		b.people()
		for minute := range 2 {
			b.minute()
			b.run(b.Context(), f)
			if got := b.reached(); got != minute+1 {
				b.Fatalf("after %d minutes, %d people have their email", minute+1, got)
			}
		}
	})
}

// TestFloodsFromManyNetworks checks that nobody can tell by the delay of their own email what others ask for, even if each
// of their requests has its turn: for all of them but the links, two people wait for six turns.
func TestFloodsFromManyNetworks(t *testing.T) {
	eachFlood(t, "1", func(b *bundle, kind string, f lambdafn.Function, request func(int, netip.Addr)) {
		turns := 6
		for i := range turns {
			request(i, netip.AddrFrom4([4]byte{198, 18, byte(i), 7}))
		}
		if strings.HasPrefix(kind, "links") {
			turns = 1
		}
		b.run(b.Context(), f)
		b.people()
		for minute := 1; minute <= turns+1; minute++ {
			b.minute()
			b.run(b.Context(), f)
			if got, want := b.reached(), max(0, minute-turns+1); got != want {
				b.Fatalf("after %d minutes, %d people have their email, want %d", minute, got, want)
			}
		}
	})
}

// TestFloodsTakeTheSameRate checks that sign-ups take as much of the rate for every mailbox, and links nothing.
func TestFloodsTakeTheSameRate(t *testing.T) {
	eachFlood(t, "5", func(b *bundle, kind string, f lambdafn.Function, request func(int, netip.Addr)) {
		want := 1
		if strings.HasPrefix(kind, "links") {
			want = 2
		}
		for i := range 4 {
			request(i, functiontest.Visit.Client.IP)
		}
		b.run(b.Context(), f)
		b.people()
		b.run(b.Context(), f)
		if got := b.reached(); got != want {
			b.Errorf("%d people have their email within the minute, want %d", got, want)
		}
	})
}
