package main

import "testing"

// became lets some of what was sent bounce for good, or be complained about.
func (b *bundle) became(kind, detail string, n int) {
	b.Helper()
	b.Exec(`insert into engagement_events (id, at, kind, detail, permanent, delivery_id)
		select gen_random_uuid(), now(), $1, $2, true, id from outbox where outcome = 'sent' and id not in (select delivery_id from engagement_events) limit $3`, kind, detail, n)
}

// A wave of addresses that do not exist ends all email, until the owner has looked. What was before that does not count
// again.
func TestBouncesPauseAllMail(t *testing.T) {
	for kind, least := range map[string]int{"bounce": 10, "complaint": 5} {
		t.Run(kind, func(t *testing.T) {
			b := setup(t)
			b.Variables["MAIL_DOMAIN_RATE_PER_MINUTE"] = "0"
			f := b.Open(open)
			b.signUps(40)
			b.expect(b.run(t.Context(), f), `{"sent":40}`)
			b.became(kind, "", least-1)
			b.SignUp("one@example.org")
			b.expect(b.run(t.Context(), f), `{"sent":1}`)
			b.became(kind, "", 1)
			b.SignUp("two@example.org")
			b.expect(b.run(t.Context(), f), `{"paused":1}`)
			if got := b.Strings(`select destination || ' ' || reason from pauses where resumed_at is null`); len(got) != 1 || got[0] != "email "+kind+"s" {
				t.Errorf("%v", got)
			}
			b.due()
			b.expect(b.run(t.Context(), f), `{"paused":1}`) // once
			b.Exec(`update pauses set resumed_at = now()`)
			b.due()
			b.expect(b.run(t.Context(), f), `{"sent":1}`)
			b.SignUp("three@example.org")
			b.expect(b.run(t.Context(), f), `{"sent":1}`)
		})
	}
}

// Few bounces among many emails are the usual, and so are some of a few.
func TestTheUsualBounces(t *testing.T) {
	b := setup(t)
	b.Variables["MAIL_DOMAIN_RATE_PER_MINUTE"] = "0"
	b.Variables["MAIL_BOUNCE_PERCENT"] = "30"
	f := b.Open(open)
	b.signUps(40)
	b.expect(b.run(t.Context(), f), `{"sent":40}`)
	b.became("bounce", "General", 11) // 27.5 %
	b.SignUp("one@example.org")
	b.expect(b.run(t.Context(), f), `{"sent":1}`)
	if got := b.Strings(`select destination from pauses`); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// What SES has not sent, what a person has rescued, what a machine has written, and what is about emails of others stops nobody.
func TestWhatDoesNotCount(t *testing.T) {
	b := setup(t)
	b.Variables["MAIL_DOMAIN_RATE_PER_MINUTE"], b.Variables["LIMITS_DOMAIN_EMAILS_PER_HOUR"] = "0", "0"
	f := b.Open(open)
	b.signUps(100)
	for range 4 {
		b.run(t.Context(), f)
	}
	b.became("bounce", "OnAccountSuppressionList", 11)
	b.became("bounce", "OnTenantSuppressionList", 11)
	b.became("bounce", "EmailValidationSuppressed", 11)
	for _, detail := range []string{"not-spam", "auth-failure", "virus", "OnAccountSuppressionList"} {
		b.became("complaint", detail, 11)
	}
	for _, kind := range []string{"bounce", "complaint"} {
		b.Exec(`insert into engagement_events (id, at, kind, permanent, delivery_id) select gen_random_uuid(), now(), $1, true, gen_random_uuid() from generate_series(1, 20)`, kind)
	}
	b.SignUp("one@example.org")
	b.expect(b.run(t.Context(), f), `{"sent":1}`)
	if got := b.Strings(`select destination || ' ' || reason from pauses`); len(got) != 0 {
		t.Errorf("%v", got)
	}
	b.became("bounce", "Suppressed", 10) // Amazon counts those
	b.SignUp("two@example.org")
	b.expect(b.run(t.Context(), f), `{"paused":1}`)
}
