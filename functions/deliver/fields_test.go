package main

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/local/devstack"
	"newsletter/shared/field"
	"newsletter/shared/subscription"
)

// A wiretap records what is sent to a fake.
type wiretap struct {
	mu   sync.Mutex
	sent map[string]string // by service
}

func (w *wiretap) on(service string, fake http.Handler) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		w.sent[service] += r.URL.String() + string(body) + "\n"
		w.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		fake.ServeHTTP(response, r)
	})
}

// tapAll configures every destination, and records what each receives.
func (b *bundle) tapAll(tap *wiretap) *devstack.Loops {
	b.Helper()
	chats := &channels{&devstack.Slack{}, &devstack.Discord{}, devstack.NewWebhooks(time.Now), &devstack.SNS{}}
	loops, ga4 := &devstack.Loops{}, devstack.NewGA4(time.Now)
	b.Variables["SLACK_WEBHOOK_URL"], b.Variables["DISCORD_WEBHOOK_URL"] = b.Fake("/slack", tap.on("slack", chats.slack)), b.Fake("/discord", tap.on("discord", chats.discord))
	b.Variables["WEBHOOK_URLS"], b.Variables["WEBHOOK_SECRETS"] = b.Fake("/webhook", tap.on("webhook", chats.webhooks)), devstack.WebhookSecret
	b.Fake("/loops/", tap.on("loops", http.StripPrefix("/loops", loops)))
	b.Fake("/ga4/", tap.on("ga4", http.StripPrefix("/ga4", ga4)))
	b.Variables["LOOPS_API_KEY"], b.Variables["JOURNAL_URL"] = devstack.LoopsKey, "file://"+b.TempDir()
	b.Variables["GA4_MEASUREMENT_ID"], b.Variables["GA4_API_SECRET"] = devstack.GA4ID, devstack.GA4Secret
	b.Cleanup(func() {
		for _, problem := range slices.Concat(chats.slack.Problems(), chats.discord.Problems(), chats.webhooks.Problems(), loops.Problems(), ga4.Problems()) {
			b.Errorf("a service would refuse: %s", problem)
		}
	})
	return loops
}

// TestFieldsReachOnlyTheirDestinations signs up with a different value in each field, and looks for each value in
// everything that leaves: only the destinations that its declaration names receive it.
func TestFieldsReachOnlyTheirDestinations(t *testing.T) {
	b := setup(t)
	tap := &wiretap{sent: map[string]string{}}
	audience := b.tapAll(tap)
	b.Variables["FIELDS"] = `{"for_none":{"type":"text","purpose":"p"},"for_webhook":{"type":"text","purpose":"p","destinations":["webhook"]},
		"for_loops":{"type":"text","purpose":"p","destinations":["loops"]},"born_on":{"type":"date","purpose":"p","destinations":["loops"]},
		"agreed":{"type":"boolean","purpose":"p","destinations":["loops","webhook"]},"first_name":{"type":"text","purpose":"p","destinations":["loops"]}}`
	values := field.Values{"for_none": "canary-none", "for_webhook": "canary-webhook", "for_loops": "canary-loops", "born_on": "2024-02-29", "agreed": true, "removed": "canary-removed"}
	request := subscription.Request{Address: b.Address("jane@example.org"), Fields: values, OptIn: subscription.SingleOptIn, Visit: functiontest.Visit}
	if _, err := b.Store.Request(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	f := b.Open(open)
	b.run(t.Context(), f)
	b.run(t.Context(), f)
	for service, sent := range tap.sent {
		for _, canary := range []string{"canary-none", "canary-webhook", "canary-loops", "canary-removed"} {
			if allowed := canary == "canary-"+service; strings.Contains(sent, canary) != allowed {
				t.Errorf("%s, allowed %v, in what %s received:\n%s", canary, allowed, service, sent)
			}
		}
	}
	for _, service := range []string{"webhook", "slack", "discord", "ga4", "loops"} {
		if tap.sent[service] == "" {
			t.Errorf("%s received nothing", service)
		}
	}
	if !strings.Contains(tap.sent["webhook"], `"fields":{"agreed":true,"for_webhook":"canary-webhook"}`) {
		t.Errorf("the webhook received %s", tap.sent["webhook"])
	}

	expectContact := func(want map[string]any) {
		t.Helper()
		contacts := audience.Contacts()
		if len(contacts) != 1 {
			t.Fatalf("%d contacts", len(contacts))
		}
		if got := contacts[0].Properties; got["unsubscribeUrl"] == nil || len(got) != len(want)+1 {
			t.Errorf("the contact has %v, want %v", got, want)
		}
		for name, value := range want {
			if got := contacts[0].Properties[name]; got != value {
				t.Errorf("the contact's %s is %v, want %v", name, got, value)
			}
		}
	}
	expectContact(map[string]any{"forLoops": "canary-loops", "bornOn": "2024-02-29T00:00:00Z", "agreed": true})

	// A correction reaches them; of who has left, nothing does.
	tap.sent["webhook"] = ""
	if _, err := b.Store.RectifyFields(t.Context(), request.Address, map[string]any{"for_webhook": nil, "for_loops": nil, "first_name": "Jane", "agreed": false}, functiontest.Visit); err != nil {
		t.Fatal(err)
	}
	b.run(t.Context(), f)
	b.run(t.Context(), f)
	if got := tap.sent["webhook"]; !strings.Contains(got, "subscription.fields_rectified") || !strings.Contains(got, `"fields":{"agreed":false}`) {
		t.Errorf("after a correction: %s", got)
	}
	expectContact(map[string]any{"firstName": "Jane", "bornOn": "2024-02-29T00:00:00Z", "agreed": false})
	if _, err := b.Store.Suppress(t.Context(), subscription.Suppression{Address: request.Address, Reason: subscription.Complaint, Actor: "operator", Visit: functiontest.Visit}); err != nil {
		t.Fatal(err)
	}
	tap.sent["webhook"] = ""
	b.run(t.Context(), f)
	b.run(t.Context(), f)
	if got := tap.sent["webhook"]; !strings.Contains(got, "subscription.suppressed") || strings.Contains(got, "agreed") {
		t.Errorf("after the end: %s", got)
	}
	for _, table := range []string{"ledger_events", "outbox", "event_context", "privacy_requests"} {
		if all := strings.Join(b.Strings(`select to_jsonb(t)::text from `+table+` t`), "\n"); strings.Contains(all, "canary-") {
			t.Errorf("a value in %s: %s", table, all)
		}
	}
}
