package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/lambdafn"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

// addFeedback records feedback for n of the sent emails that have none.
func (b *bundle) addFeedback(kind, detail string, n int) {
	b.Helper()
	b.Exec(`insert into engagement_events (id, at, kind, detail, permanent, subscriber_id, delivery_id)
		select gen_random_uuid(), now(), $1, $2, true, subscriber_id, id from outbox
		where outcome = 'sent' and id not in (select delivery_id from engagement_events) order by id limit $3`, kind, detail, n)
}

// signUpFrom signs up an address from a network.
func (b *bundle) signUpOf(address, ip string) {
	b.Helper()
	visit := functiontest.Visit
	visit.Client.IP = netip.MustParseAddr(ip)
	if _, err := b.Store.Request(b.Context(), subscription.Request{Address: b.Address(address), Visit: visit}); err != nil {
		b.Fatal(err)
	}
}

// strangers signs up n people of different domains and networks, from the first-th on.
func (b *bundle) strangers(first, n int) {
	b.Helper()
	for i := first; i < first+n; i++ {
		b.signUpOf(fmt.Sprintf("john%d@company-%d.org", i, i), fmt.Sprintf("198.51.%d.7", i))
	}
}

// timed opens the function with a clock, which the returned function moves.
func (b *bundle) timed() (f lambdafn.Function, advance func(time.Duration)) {
	b.Helper()
	var ahead time.Duration
	clock := func() time.Time { return time.Now().Add(ahead) }
	f = b.openWith(func(h *handler) { h.now, h.queue = clock, outbox.NewWorker(h.db, clock) })
	return f, func(d time.Duration) { ahead += d }
}

// breakers lists the sending circuit breakers that are not closed, as "all bounces 1".
func (b *bundle) breakers() string {
	return strings.Join(b.Strings(`select case when domain_hmac is not null then 'domain' when network is not null then network::text else 'all' end || ' ' || reason || ' ' || openings
		from sending_breakers where closed_at is null order by 1`), ", ")
}

// Whatever strangers make bounce or complain about, emails to proven mailboxes and links that a subscriber asked for
// leave at once. Emails to others wait, and a decoy waits in place of each email that passed.
func TestBreakerStopsOnlyUnprovenMailboxes(t *testing.T) {
	for kind, reports := range map[string]int{"bounce": 10, "complaint": 5} {
		t.Run(kind, func(t *testing.T) {
			b := setup(t)
			b.Activate("active@example.org")
			b.SignUp("delivered@example.net")
			f := b.Open(open)
			b.run(t.Context(), f)
			b.addFeedback("delivery", "", 1)
			b.age("16 minutes")
			b.strangers(0, reports)
			b.expect(b.run(t.Context(), f), fmt.Sprintf(`{"sent":%d}`, reports))
			b.addFeedback(kind, "", reports)

			b.strangers(100, 3)
			b.SignUp("Deli.vered+x@example.net") // another spelling is another mailbox at this domain
			b.SignUp("delivered+x@example.net")
			b.SignUp("active@example.org")
			for i, e := range []subscription.Email{subscription.UnsubscribeLinkEmail, subscription.ExportLinkEmail, subscription.EraseLinkEmail} {
				for _, address := range []string{"active@example.org", fmt.Sprintf("john%d@company-%d.org", 100+i, 100+i)} {
					r := subscription.LinkRequest{Address: b.Address(address), Email: e, Visit: functiontest.Visit}
					if _, err := b.Store.RequestLink(t.Context(), r); err != nil {
						t.Fatal(err)
					}
				}
			}
			got := b.run(t.Context(), f)
			b.expect(got, `{"sent":8,"stopped":4}`)
			if got := b.breakers(); got != "all "+kind+"s 1" {
				t.Errorf("breakers: %s", got)
			}
			if got := b.Strings(`select kind from outbox where state = 'ready' and waits_for = 'breaker' and due_at > now() + interval '55 minutes' order by 1`); strings.Join(got, " ") !=
				"email.confirm email.confirm email.confirm email.confirm none none" {
				t.Errorf("waiting: %v", got)
			}
			if got := b.Strings(`select destination from pauses`); len(got) != 0 {
				t.Errorf("pauses: %v", got)
			}
			b.expect(b.run(t.Context(), f), `{}`)
		})
	}
}

// The bounces of one network, or of one domain, stop the emails of that network or domain alone.
func TestBreakerStopsOneNetworkOrDomainFirst(t *testing.T) {
	b := setup(t)
	b.Variables["MAIL_DOMAIN_RATE_PER_MINUTE"] = "0"
	f := b.Open(open)
	for i := range 12 { // one host, many domains
		b.signUpOf(fmt.Sprintf("bounce@nosuch-%d.org", i), "203.0.113.9")
	}
	for i := range 12 { // many hosts, one domain
		b.signUpOf(fmt.Sprintf("invented%d@company.org", i), fmt.Sprintf("198.51.%d.7", i))
	}
	b.expect(b.run(t.Context(), f), `{"sent":24}`)
	b.addFeedback("bounce", "", 24)
	b.signUpOf("jane@elsewhere.org", "192.0.2.1")
	b.signUpOf("jane@same-network.org", "203.0.113.77")
	b.signUpOf("jane@lists.company.org", "192.0.2.1") // the same registrable domain
	b.expect(b.run(t.Context(), f), `{"sent":1,"stopped":2}`)
	if got := b.breakers(); got != "203.0.113.0/24 bounces 1, domain bounces 1" {
		t.Errorf("breakers: %s", got)
	}
}

// A half-open breaker lets 20 emails leave in an hour. It opens again for longer when they bounce, and closes when they
// do not; then all emails leave.
func TestBreakerHalfOpensByItself(t *testing.T) {
	b := setup(t)
	f, advance := b.timed()
	b.strangers(0, 10)
	b.run(t.Context(), f)
	b.addFeedback("bounce", "", 10)
	b.strangers(50, 60)
	b.expect(b.run(t.Context(), f), `{"stopped":60}`)
	advance(59 * time.Minute)
	b.expect(b.run(t.Context(), f), `{}`)
	advance(time.Minute)
	b.expect(b.run(t.Context(), f), `{"sent":1}`)
	b.expect(b.run(t.Context(), f), `{}`)
	advance(3 * time.Minute)
	b.expect(b.run(t.Context(), f), `{"sent":1}`)
	b.addFeedback("bounce", "", 2)
	b.expect(b.run(t.Context(), f), `{"stopped":58}`)
	if got := b.breakers(); got != "all bounces 2" {
		t.Errorf("breakers: %s", got)
	}
	advance(119 * time.Minute)
	b.expect(b.run(t.Context(), f), `{}`)
	sent := 0
	for range 20 {
		advance(3 * time.Minute)
		sent += b.run(t.Context(), f)["sent"]
		b.addFeedback("delivery", "", 100)
	}
	if sent != 20 || b.breakers() != "all bounces 2" {
		t.Errorf("%d emails left in an hour, breakers: %s", sent, b.breakers())
	}
	advance(3 * time.Minute)
	b.expect(b.run(t.Context(), f), `{"sent":38}`)
	if got := b.breakers(); got != "" {
		t.Errorf("breakers: %s", got)
	}
	b.strangers(150, 5)
	b.expect(b.run(t.Context(), f), `{"sent":5}`) // earlier bounces no longer count
}

// An operator's resumption of email closes the breakers, and what waited leaves.
func TestResumingEmailClosesBreakers(t *testing.T) {
	b := setup(t)
	f := b.Open(open)
	b.strangers(0, 10)
	b.run(t.Context(), f)
	b.addFeedback("bounce", "", 10)
	b.strangers(50, 3)
	b.expect(b.run(t.Context(), f), `{"stopped":3}`)
	var ended int64
	if err := b.handler().db.Batch(t.Context(), func(batch *pgx.Batch) {
		outbox.ResumeDestination(batch, outbox.Email, time.Now(), func(n int64) { ended = n })
	}); err != nil || ended != 1 {
		t.Fatalf("%d ended, %v", ended, err)
	}
	b.expect(b.run(t.Context(), f), `{"sent":3}`)
}

// An email that waits for the breaker longer than it may be sent ends with that reason.
func TestBreakerWaitEnds(t *testing.T) {
	b := setup(t)
	f, advance := b.timed()
	b.strangers(0, 10)
	b.run(t.Context(), f)
	b.addFeedback("bounce", "", 10)
	b.strangers(50, 1)
	b.run(t.Context(), f)
	b.Exec(`update sending_breakers set next_at = now() + interval '1 year', half_open_at = now() + interval '1 year'`)
	advance(61 * time.Minute)
	b.Exec(`update outbox set due_at = now(), waits_for = null where state = 'ready'`)
	b.run(t.Context(), f)
	lifetime := outbox.MaxWait
	if got := b.Strings(`select (due_at - created_at)::text from outbox where state = 'ready' and due_at <= created_at + $1`, lifetime); len(got) != 1 {
		t.Errorf("%d emails are due by the end of their lifetime", len(got))
	}
	b.Exec(`update outbox set created_at = created_at - $1::interval - interval '1 minute' where state = 'ready'`, lifetime)
	advance(lifetime)
	b.expect(b.run(t.Context(), f), `{"outdated":1}`)
}

// Emails that SES did not send, complaints that are none, feedback on unknown emails, and bounces of mailboxes that were
// proven before do not count.
func TestBreakerIgnoresOtherFeedback(t *testing.T) {
	b := setup(t)
	f := b.Open(open)
	b.strangers(0, 88)
	b.run(t.Context(), f)
	for _, detail := range []string{"OnAccountSuppressionList", "OnTenantSuppressionList", "EmailValidationSuppressed"} {
		b.addFeedback("bounce", detail, 11)
	}
	for _, detail := range []string{"not-spam", "auth-failure", "virus", "OnAccountSuppressionList"} {
		b.addFeedback("complaint", detail, 11)
	}
	b.Exec(`update subscribers s set status = 'active', confirmed_at = now() - interval '1 day' from outbox o
		where o.subscriber_id = s.id and o.id not in (select delivery_id from engagement_events)`)
	b.addFeedback("bounce", "General", 11) // proven before
	for _, kind := range []string{"bounce", "complaint"} {
		b.Exec(`insert into engagement_events (id, at, kind, permanent, delivery_id) select gen_random_uuid(), now(), $1, true, gen_random_uuid() from generate_series(1, 20)`, kind)
	}
	b.strangers(100, 10)
	b.expect(b.run(t.Context(), f), `{"sent":10}`)
	if got := b.breakers(); got != "" {
		t.Errorf("breakers: %s", got)
	}
	b.addFeedback("bounce", "Suppressed", 10) // Amazon counts those
	b.strangers(120, 1)
	b.expect(b.run(t.Context(), f), `{"stopped":1}`)
}
