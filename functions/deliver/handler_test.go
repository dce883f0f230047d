package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/config"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

func TestConfirmationEmail(t *testing.T) {
	b := setup(t)
	asked := b.SignUp("Jane.Doe@example.org")
	f := b.Open(open)
	b.expect(b.run(t.Context(), f), `{"sent":1}`)
	b.expectRows("email.confirm done sent 1")
	emails := b.ses.Emails()
	if len(emails) != 1 {
		t.Fatalf("%d emails", len(emails))
	}
	m := emails[0]
	if m.To != "Jane.Doe@example.org" || m.Subject != "Bitte bestätigen: The Jane Letter" {
		t.Errorf("%q to %q", m.Subject, m.To)
	}
	confirm, leave := b.claims(m, confirmPath, token.Confirm), b.claims(m, unsubscribePath, token.Unsubscribe)
	if confirm.SubscriberID != asked.SubscriberID || confirm.EventID != asked.EventID || confirm.Epoch != asked.Epoch {
		t.Errorf("confirm link %+v, request %+v", confirm, asked)
	}
	if left := time.Until(confirm.Expires); left > token.ConfirmLifetime || left < token.ConfirmLifetime-time.Minute {
		t.Errorf("the link is valid for %v", left)
	}
	if leave.SubscriberID != asked.SubscriberID || !strings.Contains(m.Headers["List-Unsubscribe"], "<https://api.example.org"+unsubscribePath+"?token=") {
		t.Errorf("unsubscribe link %+v, header %q", leave, m.Headers["List-Unsubscribe"])
	}
	id := b.Strings(`select id::text from outbox`)[0]
	if m.Headers["List-Unsubscribe-Post"] != "List-Unsubscribe=One-Click" || m.Headers["Auto-Submitted"] != "auto-generated" ||
		m.Headers["X-Entity-Ref-ID"] != id || m.Tags["delivery"] != id {
		t.Errorf("headers %v, tags %v, delivery %s", m.Headers, m.Tags, id)
	}
	for _, part := range []string{m.Text, m.HTML} {
		if !strings.Contains(part, "12345 Town") || strings.Contains(part, "Test/1.0") || strings.Contains(part, "192.0.2.7") {
			t.Errorf("%s", part)
		}
	}
	if outcome, err := b.Store.Confirm(t.Context(), confirm.Link, functiontest.Visit); err != nil || outcome != subscription.ConfirmedNow {
		t.Errorf("the link does not work: %s %v", outcome, err)
	}
	b.expect(b.run(t.Context(), f), `{"expanded":1}`)
	b.expect(b.run(t.Context(), f), `{}`)
}

func TestKindsOfEmails(t *testing.T) {
	b := setup(t)
	active := b.Activate("active@example.org")
	b.SignUp("active@example.org")
	request := subscription.LinkRequest{Address: b.Address("active@example.org"), Visit: functiontest.Visit}
	for _, request.Email = range []subscription.Email{subscription.UnsubscribeLinkEmail, subscription.ExportLinkEmail, subscription.EraseLinkEmail} {
		if _, err := b.Store.RequestLink(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	request.Address = b.Address("unknown@example.org")
	if _, err := b.Store.RequestLink(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	// The sign-up was confirmed before its email was sent; the last row is the decoy for an unknown address.
	b.expect(b.run(t.Context(), b.Open(open)), `{"expanded":1,"none":1,"sent":4,"stale":1}`)
	b.expectRows("email.confirm done stale 1", "change done expanded 1", "email.already_subscribed done sent 1",
		"email.unsubscribe_link done sent 1", "email.privacy_export done sent 1", "email.privacy_erase done sent 1", "none done none 1")
	privacy := map[string]token.Purpose{"Ihre Daten bei The Jane Letter": token.Export, "Ihre Daten bei The Jane Letter löschen": token.Erase}
	subjects := map[string]bool{}
	for _, m := range b.ses.Emails() {
		subjects[m.Subject] = true
		if got := b.claims(m, unsubscribePath, token.Unsubscribe); got.SubscriberID != active.SubscriberID {
			t.Errorf("%s: %+v", m.Subject, got)
		}
		if strings.Contains(m.Text, confirmPath) {
			t.Errorf("%s has a link to confirm", m.Subject)
		}
		if purpose, found := privacy[m.Subject]; found {
			if got := b.claims(m, privacyPath, purpose); got.SubscriberID != active.SubscriberID || got.Expires.After(purpose.Expiry(time.Now())) {
				t.Errorf("%s: %+v", m.Subject, got)
			}
		}
	}
	if !subjects["Sie erhalten The Jane Letter bereits"] || !subjects["The Jane Letter abbestellen"] || len(subjects) != 4 {
		t.Errorf("%v", subjects)
	}
}

// A paused destination receives nothing until it is resumed; others are not affected.
func TestPause(t *testing.T) {
	b := setup(t)
	b.signUps(2)
	b.Activate("active@example.org")
	if err := b.handler().queue.Pause(t.Context(), outbox.Email, "bounces"); err != nil {
		t.Fatal(err)
	}
	f := b.Open(open)
	b.expect(b.run(t.Context(), f), `{"expanded":1,"paused":3}`)
	b.expect(b.run(t.Context(), f), `{}`)
	b.Exec(`update pauses set resumed_at = now()`)
	b.expect(b.run(t.Context(), f), `{"sent":2,"stale":1}`)
}

// After a long pause, a mailbox receives one email, whatever the spelling of its address. What was requested more than
// 72 hours before has ended, also while email was paused, and the owner was warned a day earlier.
func TestALongPauseEndsInOneEmail(t *testing.T) {
	b := setup(t)
	if err := b.handler().queue.Pause(t.Context(), outbox.Email, "maintenance"); err != nil {
		t.Fatal(err)
	}
	for day := range 4 {
		for i := range 3 {
			b.SignUp(fmt.Sprintf("vic.tim+t%d@gmail.com", 3*day+i))
			b.SignUp(fmt.Sprintf("jane%d@example.org", 3*day+i))
		}
		got := b.run(t.Context(), b.Open(open)) // another minute
		if ended, paused := []int{0, 0, 0, 6}[day], []int{6, 12, 18, 18}[day]; got[outbox.Outdated] != ended || got[outbox.Paused] != paused {
			t.Errorf("day %d: %v", day, got)
		}
		depth, err := b.handler().queue.Depth(t.Context())
		if want := []int64{0, 0, 6, 6}[day]; err != nil || depth.Overdue != want {
			t.Errorf("day %d: %d emails are overdue, want %d: %v", day, depth.Overdue, want, err)
		}
		b.age("25 hours")
	}
	b.Exec(`update pauses set resumed_at = now()`)
	b.due()
	f := b.Open(open)
	b.expect(b.run(t.Context(), f), `{"outdated":6,"sent":7,"superseded":5}`)
	b.expect(b.run(t.Context(), f), `{}`)
}

// The state is checked just before the send: no email is sent after a decline, unsubscribe or suppression has
// committed.
func TestNoEmailAfterTheEnd(t *testing.T) {
	b := setup(t)
	for name, end := range map[string]func(confirm token.Claims) error{
		"declined": func(c token.Claims) error {
			_, err := b.Store.Decline(t.Context(), c.Link, b.Address("declined@example.org"), functiontest.Visit)
			return err
		},
		"unsubscribed": func(c token.Claims) error {
			_, err := b.Store.Unsubscribe(t.Context(), token.Link{SubscriberID: c.SubscriberID}, functiontest.Visit)
			return err
		},
		"suppressed": func(c token.Claims) error {
			_, err := b.Store.Suppress(t.Context(), subscription.Suppression{
				SubscriberID: c.SubscriberID, Reason: subscription.Complaint, Actor: "provider", Visit: functiontest.Visit,
			})
			return err
		},
	} {
		if err := end(b.SignUp(name + "@example.org")); err != nil {
			t.Fatal(err)
		}
	}
	b.expect(b.run(t.Context(), b.Open(open)), `{"expanded":3,"stale":3}`)
	if calls := b.ses.Calls(); calls != 0 {
		t.Errorf("%d calls of the email service", calls)
	}
}

func TestOnlyScheduledEvents(t *testing.T) {
	b := setup(t)
	f := b.Open(open)
	for _, sample := range functiontest.SampleNames(t, "deliver") {
		_, err := f.Event(t.Context(), functiontest.Sample(t, "deliver", sample))
		if wrong := sample == "not-scheduled"; (err != nil) != wrong {
			t.Errorf("%s: %v", sample, err)
		}
	}
}

func TestLinger(t *testing.T) {
	b := setup(t)
	b.Variables["DELIVERY_LINGER"] = "59s"
	f := b.Open(open)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan map[outbox.Outcome]int)
	go func() {
		value, _ := f.Event(ctx, functiontest.Sample(t, "deliver", "scheduled"))
		outcomes, _ := value.(result)
		ended <- outcomes.Outcomes
	}()
	for i := range 2 {
		b.SignUp(fmt.Sprintf("late%d@example.org", i))
		await(t, "the email", func() bool { return len(b.ses.Emails()) == i+1 })
	}
	await(t, "the record", func() bool { return len(b.Strings(`select id::text from outbox where state = 'done'`)) == 2 })
	cancel()
	b.expect(<-ended, `{"sent":2}`)
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting for %s", what)
		}
	}
}

// With Loops, the settings of SES are not required.
func TestLoopsNeedsNoMailFrom(t *testing.T) {
	b := setup(t)
	b.Variables["LOOPS_API_KEY"], b.Variables["LOOPS_TRANSACTIONAL_ID"], b.Variables["MAIL_FROM"] = "key", "template", "nobody"
	b.Open(open)
}

func TestStartReportsAllConfigurationErrors(t *testing.T) {
	_, err := open(t.Context(), config.FromMap(map[string]string{
		"DELIVERY_LINGER": "1m", "MAIL_RATE_PER_MINUTE": "many", "MAIL_BOUNCE_PERCENT": "0", "MAIL_FROM": "nobody",
	}))
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{
		"SITE_PUBLIC_URL", "DATABASE_URL", "PEPPER", "SITE_NAME", "TOKEN_KEYS_CONFIRM", "TOKEN_KEYS_UNSUBSCRIBE",
		"TOKEN_KEYS_PRIVACY", "OUTBOX_KEYS",
		"DELIVERY_LINGER", "MAIL_RATE_PER_MINUTE", "MAIL_BOUNCE_PERCENT", "MAIL_FROM",
	} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
}
