package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"newsletter/internal/local/devstack"
)

// quiet returns the options of a system that delivers only on request.
func quiet() devstack.Options {
	return devstack.Options{Variables: with(generous, "DELIVERY_LINGER", "0s"), NoSchedules: true}
}

// fit checks that no service would have refused a request.
func fit(t *testing.T, d *devstack.Fakes) {
	t.Helper()
	for name, problems := range map[string][]string{
		"Slack": d.Slack.Problems(), "Discord": d.Discord.Problems(), "the webhook": d.Webhooks.Problems(), "Loops": d.Loops.Problems(), "GA4": d.GA4.Problems(), "SNS": d.SNS.Problems(),
	} {
		for _, problem := range problems {
			t.Errorf("%s would refuse: %s", name, problem)
		}
	}
}

func titles(messages []devstack.ChatMessage) (all []string) {
	for _, m := range messages {
		all = append(all, m.Title)
	}
	return all
}

// TestDestinationsReceiveChanges checks that each destination gets a change once, and that only Loops gets the address.
func TestDestinationsReceiveChanges(t *testing.T) {
	t.Parallel()
	s := start(t, quiet())
	defer fit(t, s.Fakes)
	jane := newVisitor(s.base, "127.12.0.1")
	const address = "jane.destinations@example.org"
	activate(t, s, jane, address)
	s.deliver(t)
	s.drained(t)
	if got := jane.send(t, http.MethodPost, jane.mail(t, address, 1).link(t, unsubscribePath), ""); got.Status != http.StatusOK {
		t.Fatalf("unsubscribe: %d %s", got.Status, got.Body)
	}
	s.deliver(t)
	s.drained(t)

	want := []string{"New subscriber", "Unsubscribed"}
	slack, discord, called := s.Fakes.Slack.Messages(), s.Fakes.Discord.Messages(), s.Fakes.Webhooks.Received()
	if !slices.Equal(titles(slack), want) || !slices.Equal(titles(discord), want) {
		t.Errorf("Slack %q, Discord %q", slack, discord)
	}
	if len(called) != 2 || called[0].Type != "subscription.confirmed" || called[1].Type != "subscription.unsubscribed" || called[0].ID == called[1].ID ||
		called[0].Data["subscriber_id"] == "" || called[0].Data["subscriber_id"] != called[1].Data["subscriber_id"] {
		t.Errorf("called %+v", called)
	}
	if contacts := s.Fakes.Loops.Contacts(); len(contacts) != 1 || contacts[0].Email != address || contacts[0].Subscribed {
		t.Errorf("contacts %+v", contacts)
	}
	if events := s.Fakes.GA4.Events(); len(events) != 2 {
		t.Errorf("counted %+v", events)
	}
	if sent := fmt.Sprint(slack, discord, called, s.Fakes.GA4.Events()); strings.Contains(sent, "jane") || strings.Contains(sent, "127.12.") {
		t.Errorf("a destination received personal data: %s", sent)
	}
}

// TestGoneEndpointIsPaused checks that an endpoint that answers 410 is not called again, that its messages are kept,
// and that other destinations are not affected.
func TestGoneEndpointIsPaused(t *testing.T) {
	t.Parallel()
	s := start(t, quiet())
	defer fit(t, s.Fakes)
	s.Fakes.Webhooks.Fail(devstack.Fault{Status: http.StatusGone})
	for i, address := range []string{"first.gone@example.org", "second.gone@example.org"} {
		activate(t, s, newVisitor(s.base, fmt.Sprintf("127.12.1.%d", i+1)), address)
		s.deliver(t)
	}
	if calls := s.Fakes.Webhooks.Calls(); len(calls) != 1 || calls["POST /webhook"] != 1 {
		t.Errorf("calls %v", calls)
	}
	if got := titles(s.Fakes.Slack.Messages()); len(got) != 2 {
		t.Errorf("Slack %q", got)
	}
	if n := s.count(t, "pauses where destination like 'webhook-%' and reason = 'gone' and resumed_at is null"); n != 1 {
		t.Errorf("%d pauses", n)
	}
	if dead, kept := s.count(t, "outbox where kind like 'notify.webhook-%' and state = 'dead'"), s.count(t, "outbox where kind like 'notify.webhook-%' and state = 'ready'"); dead != 1 || kept != 1 {
		t.Errorf("%d messages are dead-lettered, %d ready", dead, kept)
	}
}

// TestDestinationsFailIndependently checks that only the destination that failed is retried.
func TestDestinationsFailIndependently(t *testing.T) {
	t.Parallel()
	s := start(t, quiet())
	defer fit(t, s.Fakes)
	s.Fakes.Slack.Fail(devstack.Fault{Status: http.StatusInternalServerError})
	s.Fakes.Discord.Fail(devstack.Fault{Status: http.StatusTooManyRequests, Body: `{"message":"You are being rate limited.","retry_after":0.5}`})
	s.Fakes.Webhooks.Fail(devstack.Fault{Lost: true})
	activate(t, s, newVisitor(s.base, "127.12.2.1"), "jane.alone@example.org")
	s.deliver(t)
	if contacts := s.Fakes.Loops.Contacts(); len(contacts) != 1 || !contacts[0].Subscribed {
		t.Errorf("contacts %+v", contacts)
	}
	eventually(t, "all messages to be delivered", func() bool {
		s.exec(t, "update outbox set due_at = now() where state = 'ready'")
		s.deliver(t)
		return s.count(t, "outbox where state = 'ready'") == 0
	})
	if len(s.Fakes.Slack.Messages()) != 1 || len(s.Fakes.Discord.Messages()) != 1 {
		t.Errorf("Slack %q, Discord %q", s.Fakes.Slack.Messages(), s.Fakes.Discord.Messages())
	}
	called := s.Fakes.Webhooks.Received()
	if len(called) != 2 || called[0].ID != called[1].ID {
		t.Errorf("the retry has another id: %+v", called)
	}
}

// TestPrivateEndpointIsBlocked checks that the deployed binary refuses a host name with a private address.
func TestPrivateEndpointIsBlocked(t *testing.T) {
	t.Parallel()
	options := quiet()
	options.Variables["WEBHOOK_URLS"] = "https://localhost/hook"
	s := start(t, options)
	defer fit(t, s.Fakes)
	activate(t, s, newVisitor(s.base, "127.12.3.1"), "jane.inside@example.org")
	s.deliver(t)
	var state, why string
	s.query(t, &state, "select state from outbox where kind like 'notify.webhook-%'")
	s.query(t, &why, "select coalesce(outcome, '') from outbox where kind like 'notify.webhook-%'")
	if state != "dead" || why != "private_address_blocked" || len(s.Fakes.Slack.Messages()) != 1 {
		t.Errorf("%s %s", state, why)
	}
}
