package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

// Emails above the rate wait unclaimed; emails to proven mailboxes, links and other deliveries do not wait. A decoy counts
// in place of each email that passed, so that what strangers wait for depends on the number of sign-ups alone.
func TestRate(t *testing.T) {
	b := setup(t)
	b.signUps(5)
	b.Activate("active@example.org")
	b.Variables["MAIL_RATE_PER_MINUTE"] = "2"
	f := b.Open(open)
	b.expect(b.run(t.Context(), f), `{"expanded":1,"rate_limited":3,"sent":2,"stale":1}`)
	b.expect(b.run(t.Context(), f), `{}`) // counted in the database, over all runs
	for _, email := range []subscription.Email{subscription.UnsubscribeLinkEmail, subscription.ExportLinkEmail} {
		if _, err := b.Store.RequestLink(t.Context(), subscription.LinkRequest{Address: b.Address("active@example.org"), Visit: functiontest.Visit, Email: email}); err != nil {
			t.Fatal(err)
		}
	}
	b.SignUp("active@example.org")
	b.expect(b.run(t.Context(), f), `{"sent":3}`)
	b.Exec(`update outbox set finished_at = now() - interval '61 seconds' where state = 'done'`)
	b.expect(b.run(t.Context(), f), `{"sent":2}`)
	// One more sign-up, and the decoys of the two emails that passed.
	if got := b.Strings(`select kind || ' ' || waits_for || ' ' || attempts from outbox where state = 'ready' order by kind`); strings.Join(got, ", ") !=
		"email.confirm rate 0, none rate 0, none rate 0" {
		t.Errorf("%v", got)
	}
}

// Nothing is written while the rate has no room, however many emails wait, and they leave in their order.
func TestABacklogIsLookedAtOnce(t *testing.T) {
	b := setup(t)
	b.Variables["MAIL_RATE_PER_MINUTE"], b.Variables["MAIL_DOMAIN_RATE_PER_MINUTE"] = "1", "0"
	b.signUps(30)
	f := b.Open(open)
	b.expect(b.run(t.Context(), f), `{"rate_limited":29,"sent":1}`)
	versions := func() string {
		return strings.Join(b.Strings(`select xmin::text from outbox where state = 'ready' order by id`), " ")
	}
	before := versions()
	b.expect(b.run(t.Context(), f), `{}`)
	if versions() != before {
		t.Error("waiting emails were written")
	}
	for i := range 3 {
		b.Exec(`update outbox set finished_at = now() - interval '61 seconds' where state = 'done'`)
		b.expect(b.run(t.Context(), f), `{"sent":1}`)
		if got := b.ses.Emails()[0].To; got != fmt.Sprintf("jane%03d@example.org", i+1) {
			t.Errorf("email %d went to %s", i+1, got)
		}
	}
}

// The rate of a domain protects small domains and exempts large providers. Decoys count as emails do; emails to proven
// mailboxes, and links that a subscriber asked for, do not wait.
func TestDomainRate(t *testing.T) {
	b := setup(t)
	b.signUpsAt("example.net", 3)
	for i := range 3 {
		b.SignUp(fmt.Sprintf("jane%03d@gmail.com", i))
	}
	b.Variables["MAIL_DOMAIN_RATE_PER_MINUTE"] = "2"
	b.SignUp("john@lists.example.net") // the same registrable domain
	f := b.Open(open)
	b.expect(b.run(t.Context(), f), `{"rate_limited":2,"sent":5}`)
	if got := b.Strings(`select o.kind from outbox o join subscribers s on s.id = o.subscriber_id where o.state = 'ready' and s.email like '%example.net' and attempts = 0`); len(got) != 2 {
		t.Errorf("%d emails wait", len(got))
	}
	if got := b.Strings(`select id::text from email_log`); len(got) != 5 { // the rate comes before CheckSend
		t.Errorf("%d emails are in the log", len(got))
	}
	b.expect(b.run(t.Context(), f), `{}`)
	b.due()
	b.expect(b.run(t.Context(), f), `{"sent":2}`) // in their places
}

// Invented addresses of a company delay no email to a proven mailbox there, and no link.
func TestDomainRateDelaysNoProvenMailbox(t *testing.T) {
	b := setup(t)
	b.Activate("active@example.net")
	b.Variables["MAIL_DOMAIN_RATE_PER_MINUTE"] = "2"
	f := b.Open(open)
	b.run(t.Context(), f)
	b.signUpsAt("example.net", 6)
	b.SignUp("active@example.net")
	b.Exec(`update outbox set due_at = created_at, waits_for = null where waits_for = 'slot'`)
	if _, err := b.Store.RequestLink(t.Context(), subscription.LinkRequest{
		Address: b.Address("active@example.net"), Visit: functiontest.Visit, Email: subscription.EraseLinkEmail,
	}); err != nil {
		t.Fatal(err)
	}
	b.run(t.Context(), f)
	var got []string
	for _, m := range b.ses.Emails() {
		if m.To == "active@example.net" {
			got = append(got, m.Subject)
		}
	}
	if len(got) != 2 {
		t.Errorf("the proven mailbox received %q", got)
	}
	// A decoy takes a place of the domain.
	bounced := b.Address("bounced@example.net")
	if _, err := b.Store.Suppress(t.Context(), subscription.Suppression{Address: bounced, Reason: subscription.Bounce, Actor: ledger.Provider, Visit: functiontest.Visit}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Store.Request(t.Context(), subscription.Request{Address: bounced, Visit: functiontest.Visit}); err != nil {
		t.Fatal(err)
	}
	b.Exec(`update outbox set due_at = created_at, waits_for = null where waits_for = 'slot'`)
	b.run(t.Context(), f)
	if got := b.Strings(`select kind from outbox where state = 'ready' and waits_for = 'domain' and kind = 'none'`); len(got) != 1 {
		t.Errorf("%d decoys wait for the domain", len(got))
	}
}

// An address that this version no longer accepts counts toward the rate of the text after its @.
func TestDomainRateOfAnUnacceptableAddress(t *testing.T) {
	b := setup(t)
	b.signUpsAt("example.net", 3)
	b.Exec(`update subscribers set email = rpad(split_part(email, '@', 1), 65, 'x') || '@Example.net'`) // too long a local part
	if _, err := subscription.ParseAddress(b.Strings(`select email from subscribers`)[0]); err == nil {
		t.Fatal("the address is accepted")
	}
	b.Variables["MAIL_DOMAIN_RATE_PER_MINUTE"] = "2"
	b.SignUp("john@example.net")
	b.expect(b.run(t.Context(), b.Open(open)), `{"rate_limited":2,"sent":2}`)
	if got := b.Strings(`select attempts::text from outbox where state = 'ready'`); len(got) != 2 || got[0] != "0" || got[1] != "0" {
		t.Errorf("attempts %v", got)
	}
	if got := b.Strings(`select id::text from email_log`); len(got) != 2 {
		t.Errorf("%d emails are in the log", len(got))
	}
}

// The clock is read under the lock: an older minute must not reset the count.
func TestDomainLimiterReadsClockUnderLock(t *testing.T) {
	p := &domainLimiter{limit: 1}
	p.now = func() time.Time {
		if p.mu.TryLock() {
			p.mu.Unlock()
			t.Error("the clock was read without the lock")
		}
		return time.Now()
	}
	if until := p.take(outbox.Delivery{}, "a"); !until.IsZero() {
		t.Errorf("the first email waits until %v", until)
	}
}

// Every email gets a place in the first minute with room, and is counted once.
func TestDomainLimiterGivesPlaces(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	l := &domainLimiter{limit: 2, now: func() time.Time { return now }}
	minute := func(n int) time.Time { return now.Truncate(time.Minute).Add(time.Duration(n) * time.Minute) }
	for i, want := range []time.Time{{}, {}, minute(1), minute(1), minute(2)} {
		if got := l.take(outbox.Delivery{}, "a"); !got.Equal(want) {
			t.Errorf("email %d: %v, want %v", i, got, want)
		}
	}
	if got := l.take(outbox.Delivery{}, "b"); !got.IsZero() {
		t.Errorf("another domain waits until %v", got)
	}
	if got := l.take(outbox.Delivery{}, ""); !got.IsZero() {
		t.Errorf("an email of no limited domain waits until %v", got)
	}
	room := minute(2)
	now = now.Add(time.Minute)
	if got := l.take(outbox.Delivery{HasPlace: true}, "a"); !got.IsZero() {
		t.Errorf("the third email has its place, and waits until %v", got)
	}
	if got := l.take(outbox.Delivery{}, "a"); !got.Equal(room) {
		t.Errorf("a new email: %v, want the minute with room", got)
	}
	now = now.Add(3 * time.Minute)
	if got := l.take(outbox.Delivery{}, "a"); !got.IsZero() || len(l.places) != 1 {
		t.Errorf("after all places: %v, %d places", got, len(l.places))
	}
}
