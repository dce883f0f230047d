package main

import (
	"fmt"
	"strings"
	"testing"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

// emailsTo returns the subjects of the emails that an address received.
func (b *bundle) emailsTo(address string) (subjects []string) {
	for _, m := range b.ses.Emails() {
		if m.To == address {
			subjects = append(subjects, m.Subject)
		}
	}
	return subjects
}

// Who unsubscribes by mistake and signs up again gets the email within 15 minutes of the first one: it says something
// new.
func TestSubscribeAgainWithin15Minutes(t *testing.T) {
	b := setup(t)
	f := b.Open(open)
	const address = "jane@example.org"
	claims := b.SignUp(address)
	b.expect(b.run(t.Context(), f), `{"sent":1}`)
	if _, err := b.Store.Confirm(t.Context(), claims.Link, functiontest.Visit); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Store.Unsubscribe(t.Context(), token.Link{SubscriberID: claims.SubscriberID}, functiontest.Visit); err != nil {
		t.Fatal(err)
	}
	b.SignUp(address)
	b.run(t.Context(), f)
	if got := b.emailsTo(address); len(got) != 2 {
		t.Errorf("received %q", got)
	}
}

// A lost email: at once, another one would be the same; after 15 minutes a sign-up sends it again. When the budget is
// used up, the email waits until the budget allows it, and all earlier links still work.
func TestALostEmail(t *testing.T) {
	b := setup(t)
	f := b.Open(open)
	const address = "jane@example.org"
	for i, want := range []string{`{"sent":1}`, `{"just_sent":1}`, `{"sent":1}`, `{"over_budget":1}`} {
		b.SignUp(address)
		b.expect(b.run(t.Context(), f), want)
		if i > 0 {
			b.age("16 minutes")
		}
	}
	emails := b.ses.Emails()
	if len(emails) != 2 {
		t.Fatalf("%d emails", len(emails))
	}
	confirm := b.claims(emails[len(emails)-1], "/api/newsletter/confirm", token.Confirm)
	b.age("24 hours")
	b.due()
	b.expect(b.run(t.Context(), f), `{"sent":1}`)
	if _, err := b.Store.Confirm(t.Context(), confirm.Link, functiontest.Visit); err != nil {
		t.Errorf("the first link: %v", err)
	}
}

// The 51st person of a company who signs up at a meeting waits for a slot, and gets the email with the next run when the
// owner exempts the domain. The owner's own domains have no slots.
func TestTheFiftyFirstOfACompany(t *testing.T) {
	b := setup(t)
	f := b.Open(open)
	for i := range 51 {
		b.SignUp(fmt.Sprintf("person%d@company.net", i))
		b.SignUp(fmt.Sprintf("person%d@news.example.org", i))
	}
	b.run(t.Context(), f)
	count := func(domain string) (n int) {
		for _, m := range b.ses.Emails() {
			if strings.HasSuffix(m.To, "@"+domain) {
				n++
			}
		}
		return n
	}
	for range 3 {
		b.run(t.Context(), f)
	}
	if company, own := count("company.net"), count("news.example.org"); company != 5 || own != 51 {
		t.Errorf("%d emails to the company, and %d to the owner's domain", company, own)
	}
	depth, err := b.handler().queue.Depth(t.Context())
	if err != nil || depth.WithoutSlot != 41 { // all but the next five
		t.Errorf("%d emails wait for longer than an hour: %v", depth.WithoutSlot, err)
	}
	waits, err := b.Store.ListSlotWaits(t.Context())
	if err != nil || len(waits) != 1 || waits[0].Domain != "company.net" || waits[0].Emails != 46 {
		t.Errorf("%+v, %v", waits, err)
	}
	b.Variables["LIMITS_EXEMPT_DOMAINS"] = "company.net"
	f = b.Open(open)
	for range 3 {
		b.run(t.Context(), f)
	}
	if got := count("company.net"); got != 51 {
		t.Errorf("%d of 51 received their email after the exemption", got)
	}
}

// An email that waits for a slot until it is 72 hours old ends with a reason.
func TestAWaitEnds(t *testing.T) {
	b := setup(t)
	f := b.Open(open)
	b.SignUp("jane@example.net")
	b.Exec(`update outbox set waits_for = 'slot', due_at = now() + interval '1 hour', deferred_until = now() + interval '1 hour'`)
	b.Exec(`update outbox set created_at = now() - interval '71 hours 59 minutes'`)
	b.expect(b.run(t.Context(), f), `{}`)
	b.Exec(`update outbox set created_at = now() - interval '72 hours'`)
	f = b.Open(open) // another minute
	b.expect(b.run(t.Context(), f), `{"outdated":1}`)
	b.expectRows("email.confirm done outdated 0")
	if got := b.Strings(`select outcome from outbox where domain_hmac is not null`); len(got) != 0 {
		t.Error("it keeps its domain")
	}
	if _, err := b.Store.Request(t.Context(), subscription.Request{Address: b.Address("jane@example.net"), Visit: functiontest.Visit}); err != nil {
		t.Fatal(err)
	}
	b.expect(b.run(t.Context(), f), `{"sent":1}`)
}
