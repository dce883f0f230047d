package main

import "testing"

// addFeedback records feedback for n of the sent emails that have none.
func (b *bundle) addFeedback(kind, detail string, n int) {
	b.Helper()
	b.Exec(`insert into engagement_events (id, at, kind, detail, permanent, delivery_id)
		select gen_random_uuid(), now(), $1, $2, true, id from outbox where outcome = 'sent' and id not in (select delivery_id from engagement_events) limit $3`, kind, detail, n)
}

// Many bounces or complaints pause all emails until the owner resumes. Earlier feedback does not count again.
func TestBreakerPausesEmails(t *testing.T) {
	for kind, minimum := range map[string]int{"bounce": 10, "complaint": 5} {
		t.Run(kind, func(t *testing.T) {
			b := setup(t)
			b.Variables["MAIL_DOMAIN_RATE_PER_MINUTE"] = "0"
			f := b.Open(open)
			b.signUps(40)
			b.expect(b.run(t.Context(), f), `{"sent":40}`)
			b.addFeedback(kind, "", minimum-1)
			b.SignUp("one@example.org")
			b.expect(b.run(t.Context(), f), `{"sent":1}`)
			b.addFeedback(kind, "", 1)
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

// Bounces below the percentage do not pause emails.
func TestBreakerToleratesFewBounces(t *testing.T) {
	b := setup(t)
	b.Variables["MAIL_DOMAIN_RATE_PER_MINUTE"] = "0"
	b.Variables["MAIL_BOUNCE_PERCENT"] = "30"
	f := b.Open(open)
	b.signUps(40)
	b.expect(b.run(t.Context(), f), `{"sent":40}`)
	b.addFeedback("bounce", "General", 11) // 27.5 %
	b.SignUp("one@example.org")
	b.expect(b.run(t.Context(), f), `{"sent":1}`)
	if got := b.Strings(`select destination from pauses`); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// Emails that SES did not send, complaints that are none, and feedback on unknown emails do not count.
func TestBreakerIgnoresOtherFeedback(t *testing.T) {
	b := setup(t)
	b.Variables["MAIL_DOMAIN_RATE_PER_MINUTE"], b.Variables["LIMITS_DOMAIN_EMAILS_PER_HOUR"] = "0", "0"
	f := b.Open(open)
	b.signUps(100)
	for range 4 {
		b.run(t.Context(), f)
	}
	b.addFeedback("bounce", "OnAccountSuppressionList", 11)
	b.addFeedback("bounce", "OnTenantSuppressionList", 11)
	b.addFeedback("bounce", "EmailValidationSuppressed", 11)
	for _, detail := range []string{"not-spam", "auth-failure", "virus", "OnAccountSuppressionList"} {
		b.addFeedback("complaint", detail, 11)
	}
	for _, kind := range []string{"bounce", "complaint"} {
		b.Exec(`insert into engagement_events (id, at, kind, permanent, delivery_id) select gen_random_uuid(), now(), $1, true, gen_random_uuid() from generate_series(1, 20)`, kind)
	}
	b.SignUp("one@example.org")
	b.expect(b.run(t.Context(), f), `{"sent":1}`)
	if got := b.Strings(`select destination || ' ' || reason from pauses`); len(got) != 0 {
		t.Errorf("%v", got)
	}
	b.addFeedback("bounce", "Suppressed", 10) // Amazon counts those
	b.SignUp("two@example.org")
	b.expect(b.run(t.Context(), f), `{"paused":1}`)
}
