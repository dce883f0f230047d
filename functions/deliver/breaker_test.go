package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/email"
	"newsletter/shared/engagement"
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

// The decision as a table: what opens, opens again and closes.
func TestDecideBreakers(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cfg := email.BreakerConfig{BouncePercent: 5, ComplaintPercent: 0.1, BouncesMin: 10, ComplaintsMin: 5}
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	reports := func(n int, complaint bool, scope outbox.Scope, sent time.Duration) (all []engagement.Report) {
		for range n {
			all = append(all, engagement.Report{Complaint: complaint, SentAt: ago(sent), Scope: scope})
		}
		return all
	}
	domain, network := outbox.Scope{Domain: "aa"}, outbox.Scope{Network: "192.0.2.0/24"}
	open := func(s outbox.Scope, openings int, halfOpen, first time.Duration) outbox.Breaker {
		b := outbox.Breaker{Scope: s, Reason: "bounces", OpenedAt: ago(9 * time.Hour), HalfOpenAt: ago(halfOpen), Openings: openings}
		if first > 0 {
			b.FirstSent = ago(first)
		}
		return b
	}
	closed := func(s outbox.Scope, openings int, at time.Duration) outbox.Breaker {
		b := open(s, openings, at+time.Hour, 0)
		b.ClosedAt = ago(at)
		return b
	}
	for name, test := range map[string]struct {
		breakers []outbox.Breaker
		sent     int
		reports  []engagement.Report
		total    int
		want     string // scope, openings, hours until half-open; or closed
	}{
		"nine bounces":                       {nil, 9, reports(9, false, outbox.Scope{}, time.Hour), 0, ""},
		"ten of 200":                         {nil, 200, reports(10, false, outbox.Scope{}, time.Hour), 0, "all 1 1h"},
		"ten of 201":                         {nil, 201, reports(10, false, outbox.Scope{}, time.Hour), 0, ""},
		"five complaints of 5000":            {nil, 5000, reports(5, true, outbox.Scope{}, time.Hour), 0, "all 1 1h"},
		"four complaints":                    {nil, 40, reports(4, true, outbox.Scope{}, time.Hour), 0, ""},
		"a domain's bounces":                 {nil, 100, reports(50, false, domain, time.Hour), 50, "domain 1 1h"},
		"four of a domain":                   {nil, 100, reports(4, false, domain, time.Hour), 4, ""},
		"few of a domain's emails":           {nil, 1000, reports(9, false, domain, time.Hour), 46, ""},
		"few of them, but many of all":       {nil, 100, reports(11, false, domain, time.Hour), 60, "all 1 1h"},
		"a network's complaints":             {nil, 100, reports(5, true, network, time.Hour), 5, "network 1 1h"},
		"open":                               {[]outbox.Breaker{open(outbox.Scope{}, 1, -time.Minute, 0)}, 10, reports(10, false, outbox.Scope{}, time.Hour), 0, ""},
		"half-open, no report":               {[]outbox.Breaker{open(outbox.Scope{}, 1, 59*time.Minute, 59*time.Minute)}, 10, reports(10, false, outbox.Scope{}, 2*time.Hour), 0, ""},
		"half-open, one bounce":              {[]outbox.Breaker{open(outbox.Scope{}, 1, 2*time.Hour, 30*time.Minute)}, 10, reports(1, false, outbox.Scope{}, time.Minute), 0, ""},
		"half-open, two bounces":             {[]outbox.Breaker{open(outbox.Scope{}, 1, 2*time.Hour, 30*time.Minute)}, 10, reports(2, false, outbox.Scope{}, time.Minute), 0, "all 2 2h"},
		"a fifth time":                       {[]outbox.Breaker{open(outbox.Scope{}, 4, 2*time.Hour, 30*time.Minute)}, 10, reports(2, false, outbox.Scope{}, time.Minute), 0, "all 5 8h"},
		"a hundredth time":                   {[]outbox.Breaker{open(outbox.Scope{}, 99, 2*time.Hour, 30*time.Minute)}, 10, reports(2, false, outbox.Scope{}, time.Minute), 0, "all 100 8h"},
		"an hour of trickle":                 {[]outbox.Breaker{open(outbox.Scope{}, 1, 3*time.Hour, time.Hour)}, 10, reports(10, false, outbox.Scope{}, 5*time.Hour), 0, "all closed"},
		"nothing to send for long":           {[]outbox.Breaker{open(outbox.Scope{}, 1, 23*time.Hour, 0)}, 0, nil, 0, ""},
		"nothing to send for a day":          {[]outbox.Breaker{open(outbox.Scope{}, 1, 24*time.Hour, 0)}, 0, nil, 0, "all closed"},
		"earlier bounces after closing":      {[]outbox.Breaker{closed(outbox.Scope{}, 2, time.Hour)}, 10, reports(10, false, outbox.Scope{}, time.Hour), 0, ""},
		"bounces after closing":              {[]outbox.Breaker{closed(outbox.Scope{}, 2, time.Hour)}, 10, reports(10, false, outbox.Scope{}, time.Minute), 0, "all 3 4h"},
		"a closed domain's earlier bounces":  {[]outbox.Breaker{closed(domain, 1, time.Hour)}, 50, reports(50, false, domain, 2*time.Hour), 50, ""},
		"other bounces beside a domain's":    {[]outbox.Breaker{open(domain, 1, -time.Minute, 0)}, 60, append(reports(50, false, domain, time.Hour), reports(10, false, network, time.Hour)...), 1000, "all 1 1h"},
		"a domain's are not counted for all": {[]outbox.Breaker{open(domain, 1, -time.Minute, 0)}, 60, append(reports(50, false, domain, time.Hour), reports(9, false, outbox.Scope{}, time.Hour)...), 50, ""},
	} {
		r := engagement.Reports{Sent: test.sent, Reports: test.reports}
		totals := map[outbox.Scope]int{}
		for _, scope := range suspects(test.breakers, r) {
			totals[scope] = test.total
		}
		var got []string
		for _, b := range decideBreakers(cfg, now, test.breakers, r, totals) {
			what := map[bool]string{b.IsAll(): "all", b.Domain != "": "domain", b.Network != "": "network"}[true]
			if b.Closed() {
				got = append(got, what+" closed")
				continue
			}
			got = append(got, fmt.Sprintf("%s %d %.0fh", what, b.Openings, b.HalfOpenAt.Sub(now).Hours()))
		}
		if strings.Join(got, ", ") != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
