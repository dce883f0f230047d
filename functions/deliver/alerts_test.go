package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"newsletter/internal/devstack"
)

// channels are the doubles of everything that hears of alerts.
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

// heard is what each channel was told, as titles.
func (c *channels) heard() map[string]string {
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

const alertID = "0199b0d0-0000-7000-8000-0000000000a1"

// TestAlertsReachEveryChannel: each stage is told to each channel; one that is down holds up no other, and is told later.
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
	queue("alert.repeated") // it came too late
	queue("alert.resolved")
	b.run(t.Context(), f)
	b.due()
	b.run(t.Context(), f)
	title := "Emails and messages are not delivered"
	for channel, want := range map[string]string{
		"slack":   "🔴 " + title + " | 🔴 Still: " + title + " | 🟢 Over: " + title,
		"discord": title + " | Still: " + title + " | Over: " + title,
		"sns":     "critical: " + title + " | critical: Still: " + title + " | good: Over: " + title,
		"webhook": "alert.firing outbox_age critical | alert.repeated outbox_age critical | alert.resolved outbox_age critical",
	} {
		if got := c.heard()[channel]; got != want {
			t.Errorf("%s heard %q, want %q", channel, got, want)
		}
	}
	for _, call := range c.webhooks.Received() {
		var at time.Time
		column := map[string]string{"alert.firing": "firing_since", "alert.repeated": "repeated_at", "alert.resolved": "resolved_at"}[call.Type]
		b.Scan(`select `+column+` from alerts`, nil, &at)
		if !call.At.Equal(at) {
			t.Errorf("%s is of %v, want %v", call.Type, call.At, at)
		}
	}
	if text := c.sns.Messages()[0].Text; !strings.Contains(text, "waiting for 1 hour") || !strings.Contains(text, "What to do") {
		t.Errorf("said %q", text)
	}
	if left := b.Strings(`select kind from outbox where state <> 'done'`); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

// TestNoChannelHearsOfABeginningAfterTheEnd: one that was down then hears of the end alone.
func TestNoChannelHearsOfABeginningAfterTheEnd(t *testing.T) {
	b := setup(t)
	c := b.channels()
	f := b.Open(open)
	b.Exec(`insert into alerts values ($1, 'dead_letters', '', 'warning', '1 deliveries were given up.', now() - interval '1 hour', now(), null, null)`, alertID)
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
	if heard := c.heard(); heard["slack"] != "🟢 Over: Deliveries were given up" || heard["discord"] != "Deliveries were given up | Over: Deliveries were given up" {
		t.Errorf("heard %v", heard)
	}
}

// TestAnAlertWithoutChannelsEnds: nobody is set up, so nothing waits.
func TestAnAlertWithoutChannelsEnds(t *testing.T) {
	b := setup(t)
	b.Exec(`insert into outbox (id, kind, event_id, due_at, created_at) values (gen_random_uuid(), 'alert.firing', $1, now(), now())`, alertID)
	b.run(t.Context(), b.Open(open))
	b.expectRows("alert.firing done told 1")
}
