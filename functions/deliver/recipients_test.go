package main

import (
	"strings"
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/config"
	"newsletter/shared/privacy"
)

// Recipients follow from the configuration, and former ones stay on record.
func TestRecipients(t *testing.T) {
	b := setup(t)
	expect := func(want string) {
		t.Helper()
		got := strings.Join(b.Strings(`select name || case when until is null then '' else ' until' end from recipients order by 1`), ", ")
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	b.run(t.Context(), b.Open(open))
	expect("ses")

	b.Variables["FAKES_URL"] = "http://127.0.0.1:1"
	for name, value := range map[string]string{
		"LOOPS_API_KEY": devstack.LoopsKey, "GA4_MEASUREMENT_ID": devstack.GA4ID, "GA4_API_SECRET": devstack.GA4Secret,
		"SLACK_WEBHOOK_URL": "http://127.0.0.1:1/slack", "DISCORD_WEBHOOK_URL": "http://127.0.0.1:1/discord",
		"WEBHOOK_URLS": "http://127.0.0.1:1/a,http://127.0.0.1:1/b", "WEBHOOK_SECRETS": devstack.WebhookSecret,
		"UPSTASH_VECTOR_REST_URL": "http://127.0.0.1:1", "UPSTASH_VECTOR_REST_TOKEN": devstack.VectorToken,
		"ALERTS_TOPIC_ARN": devstack.TopicARN, "JOURNAL_URL": "file://" + t.TempDir(),
		"CAPTCHA_PROVIDER": "turnstile", "SENTRY_DSN": "http://key@127.0.0.1:1/1",
	} {
		b.Variables[name] = value
	}
	const all = "discord, ga4, loops, sentry, ses, slack, vector, webhook"
	b.run(t.Context(), b.Open(open))
	expect(all) // not the CAPTCHA, which gets no network address, nor the journal and the topic, which are the owner's own

	f := b.Open(open)
	b.run(t.Context(), f)
	b.run(t.Context(), f)
	expect(all)

	b.Variables["LOOPS_TRANSACTIONAL_ID"], b.Variables["GA4_API_SECRET"], b.Variables["GA4_MEASUREMENT_ID"] = "cmTemplate", "", ""
	b.run(t.Context(), b.Open(open))
	expect("discord, ga4 until, loops, loops_email, sentry, ses until, slack, vector, webhook")

	env := b.Env()
	document := config.Read[privacy.Config](env).Describe(privacy.Document{}, nil, nil, time.Now())
	if len(document.Recipients) != 2 || !strings.Contains(document.Recipients[1].Purpose, "not recorded yet") {
		t.Errorf("before the first run: %+v", document.Recipients)
	}
	var uses []privacy.Use
	for _, service := range privacy.Services() {
		uses = append(uses, privacy.Use{Service: service})
	}
	for _, r := range config.Read[privacy.Config](env).Describe(privacy.Document{}, nil, uses, time.Now()).Recipients {
		if r.Name == "" || r.Purpose == "" {
			t.Errorf("a recipient without texts: %+v", r)
		}
	}
}

// Recipients are recorded before any email is sent.
func TestRecipientsAreRecordedFirst(t *testing.T) {
	b := setup(t)
	b.SignUp("jane@example.org")
	b.Exec(`alter table recipients rename to lost`)
	f := b.Open(open)
	if value, err := f.Event(t.Context(), []byte(`{"scheduled":true}`)); err == nil {
		t.Errorf("%v", value)
	}
	b.expectRows("email.confirm" + " ready - 0")
	b.Exec(`alter table lost rename to recipients`)
	b.expect(b.run(t.Context(), f), `{"sent":1}`)
}
