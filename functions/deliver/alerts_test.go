package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/alert"
)

// channels are the fakes of all destinations of alerts.
type channels struct {
	slack    *devstack.Slack
	discord  *devstack.Discord
	webhooks *devstack.Webhooks
	sns      *devstack.SNS
}

func (b *bundle) channels() *channels {
	b.Helper()
	c := &channels{&devstack.Slack{}, &devstack.Discord{}, devstack.NewWebhooks(time.Now), &devstack.SNS{}}
	b.Variables["SLACK_WEBHOOK_URL"], b.Variables["DISCORD_WEBHOOK_URL"] = b.Fake("/slack", c.slack), b.Fake("/discord", c.discord)
	b.Variables["WEBHOOK_URLS"], b.Variables["WEBHOOK_SECRETS"] = b.Fake("/webhook", c.webhooks), devstack.WebhookSecret
	b.Fake("/sns/", c.sns)
	b.Variables["ALERTS_TOPIC_ARN"] = devstack.TopicARN
	b.Cleanup(func() {
		for _, problem := range append(append(c.slack.Problems(), c.discord.Problems()...), append(c.webhooks.Problems(), c.sns.Problems()...)...) {
			b.Errorf("a service would refuse: %s", problem)
		}
	})
	return c
}

// received returns the titles that each channel received.
func (c *channels) received() map[string]string {
	titles := func(messages []devstack.ChatMessage) string {
		var all []string
		for _, m := range messages {
			all = append(all, m.Title)
		}
		return strings.Join(all, " | ")
	}
	var calls []string
	for _, call := range c.webhooks.Received() {
		calls = append(calls, call.Type+" "+call.Data["rule"]+" "+call.Data["severity"])
	}
	return map[string]string{
		"slack": titles(c.slack.Messages()), "discord": titles(c.discord.Messages()), "sns": titles(c.sns.Messages()), "webhook": strings.Join(calls, " | "),
	}
}

func title(rule alert.Rule, stage alert.Stage) string { return alert.Alert{Rule: rule}.Title(stage) }

const alertID = "0199b0d0-0000-7000-8000-0000000000a1"

// Each stage reaches each channel; a failing channel delays no other and receives the stage later.
func TestAlertsReachEveryChannel(t *testing.T) {
	b := setup(t)
	c := b.channels()
	f := b.Open(open)
	b.Exec(`insert into alerts values ($1, 'outbox_age', '', 'critical', 'The oldest delivery has been waiting for 1 hour.', now() - interval '1 hour', now(), null, null)`, alertID)
	queue := func(kind string) {
		b.Exec(`insert into outbox (id, kind, event_id, due_at, created_at) values (gen_random_uuid(), $1, $2, now(), now())`, kind, alertID)
	}
	c.slack.Fail(devstack.Fault{Status: http.StatusInternalServerError})
	queue("alert.firing")
	b.run(t.Context(), f)
	b.due()
	b.run(t.Context(), f)
	b.Exec(`update alerts set repeated_at = now() - interval '1 minute'`)
	queue("alert.repeated")
	b.run(t.Context(), f)
	b.due()
	b.run(t.Context(), f)
	b.Exec(`update alerts set resolved_at = now()`)
	queue("alert.repeated") // too late
	queue("alert.resolved")
	b.run(t.Context(), f)
	b.due()
	b.run(t.Context(), f)
	firing, repeated, resolved := title("outbox_age", "firing"), title("outbox_age", "repeated"), title("outbox_age", "resolved")
	for channel, want := range map[string]string{
		"slack":   "🔴 " + firing + " | 🔴 " + repeated + " | 🟢 " + resolved,
		"discord": firing + " | " + repeated + " | " + resolved,
		"sns":     "critical: " + firing + " | critical: " + repeated + " | good: " + resolved,
		"webhook": "alert.firing outbox_age critical | alert.repeated outbox_age critical | alert.resolved outbox_age critical",
	} {
		if got := c.received()[channel]; got != want {
			t.Errorf("%s received %q, want %q", channel, got, want)
		}
	}
	for _, call := range c.webhooks.Received() {
		var at time.Time
		column := map[string]string{"alert.firing": "firing_since", "alert.repeated": "repeated_at", "alert.resolved": "resolved_at"}[call.Type]
		b.Scan(`select `+column+` from alerts`, nil, &at)
		if !call.At.Equal(at) {
			t.Errorf("%s has the time %v, want %v", call.Type, call.At, at)
		}
	}
	if text := c.sns.Messages()[0].Text; !strings.Contains(text, "waiting for 1 hour") || !strings.Contains(text, "What to do") {
		t.Errorf("text %q", text)
	}
	if left := b.Strings(`select kind from outbox where state <> 'done'`); len(left) != 0 {
		t.Errorf("not completed: %v", left)
	}
}

// A channel that was down while the alert fired receives only its resolution.
func TestResolvedAlertIsNotAnnouncedAsFiring(t *testing.T) {
	b := setup(t)
	c := b.channels()
	f := b.Open(open)
	b.Exec(`insert into alerts values ($1, 'dead_letters', '', 'warning', '1 delivery is dead-lettered.', now() - interval '1 hour', now(), null, null)`, alertID)
	b.Exec(`insert into outbox (id, kind, event_id, due_at, created_at) values (gen_random_uuid(), 'alert.firing', $1, now(), now())`, alertID)
	c.slack.Fail(devstack.Fault{Status: http.StatusInternalServerError})
	b.run(t.Context(), f)
	b.due()
	b.Exec(`update alerts set resolved_at = now()`)
	b.Exec(`insert into outbox (id, kind, event_id, due_at, created_at) values (gen_random_uuid(), 'alert.resolved', $1, now() - interval '1 minute', now())`, alertID)
	for range 3 {
		b.run(t.Context(), f)
		b.due()
	}
	firing, resolved := title("dead_letters", "firing"), title("dead_letters", "resolved")
	if got := c.received(); got["slack"] != "🟢 "+resolved || got["discord"] != firing+" | "+resolved {
		t.Errorf("received %v", got)
	}
}

// Without a destination for alerts, the message is completed.
func TestAlertWithoutDestinations(t *testing.T) {
	b := setup(t)
	b.Exec(`insert into outbox (id, kind, event_id, due_at, created_at) values (gen_random_uuid(), 'alert.firing', $1, now(), now())`, alertID)
	b.run(t.Context(), b.Open(open))
	b.expectRows("alert.firing done expanded 1")
}
