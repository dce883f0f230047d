package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/local/devstack"
)

const queuedSample = "queued"

// TestOneClickWithoutDatabase checks that an unsubscribe is enqueued while the database is unavailable, and applied
// later.
func TestOneClickWithoutDatabase(t *testing.T) {
	b := functiontest.New(t)
	queue := &devstack.SQS{}
	b.Fake("/sqs/", queue)
	t.Setenv("FAKES_URL", b.Variables["FAKES_URL"])
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	link := b.Sign(b.Activate("jane@example.org"))
	available := b.Variables["DATABASE_URL"]
	b.Variables["DATABASE_URL"] = "postgres://app:password@127.0.0.1:1/newsletter"

	unqueued := functiontest.Serve(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "unsubscribe", "one-click", link))
	if unqueued.Response.StatusCode != 503 || unqueued.Response.Headers["Retry-After"] == "" {
		t.Errorf("without a queue: %d", unqueued.Response.StatusCode)
	}
	b.Variables["UNSUBSCRIBE_QUEUE_URL"] = "https://sqs.eu-central-1.amazonaws.com/123456789012/unsubscribe"
	down := b.Open(open)
	for range 2 {
		got := functiontest.Serve(t, down.HTTP, functiontest.SampleHTTP(t, "unsubscribe", "one-click", link))
		if got.Response.StatusCode != 200 || !strings.Contains(got.Response.Body, "You are unsubscribed") {
			t.Fatalf("%d %s", got.Response.StatusCode, got.Response.Body)
		}
	}
	if got := functiontest.Serve(t, down.HTTP, functiontest.SampleHTTP(t, "unsubscribe", "token-malformed", "")); got.Response.StatusCode != 404 {
		t.Errorf("a forged link: %d", got.Response.StatusCode)
	}
	for name := range bodies {
		if got := down.HTTP.Serve(t.Context(), oneClick(t, name, link)); got.Response.StatusCode != 200 {
			t.Errorf("%s: %d %s", name, got.Response.StatusCode, got.Response.Body)
		}
	}
	waiting := queue.Waiting()
	if len(waiting) != 2+len(bodies) || strings.Contains(waiting[0], "198.51.100") || strings.Contains(waiting[0], link) {
		t.Fatalf("queue: %v", waiting)
	}
	queue.Fail(devstack.Fault{Status: 500, Body: `{}`})
	if got := functiontest.Serve(t, down.HTTP, functiontest.SampleHTTP(t, "unsubscribe", "one-click", link)); got.Response.StatusCode != 503 {
		t.Errorf("with an unavailable queue: %d", got.Response.StatusCode)
	}
	b.ExpectState(active, before, emails)

	batch := events.SQSEvent{Records: []events.SQSMessage{
		{MessageId: "1", EventSource: "aws:sqs", Body: waiting[0]}, {MessageId: "2", Body: `{"x":1}`}, {MessageId: "3", Body: waiting[1]},
	}}
	payload, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	apply := func(url string) string {
		t.Helper()
		b.Variables["DATABASE_URL"] = url
		value, err := b.Open(open).Event(t.Context(), payload)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	failed := func(ids ...string) string {
		return `{"batchItemFailures":[{"itemIdentifier":"` + strings.Join(ids, `"},{"itemIdentifier":"`) + `"}]}`
	}
	if got := apply(b.Variables["DATABASE_URL"]); got != failed("1", "2", "3") {
		t.Errorf("while the database is unavailable: %s", got)
	}
	if got := apply(available); got != failed("2") {
		t.Errorf("after its recovery: %s", got)
	}
	b.ExpectState(left, after, emailsAndChange)
	// The ledger has the time of the request, not only that of its application.
	if got := b.Strings(`select channel || ' ' || (data->>'original_at') from ledger_events where kind = 'subscription.unsubscribed'`); got[0] != "queue 2026-01-31T12:00:00Z" {
		t.Errorf("%v", got)
	}
	if value, err := b.Open(open).Event(t.Context(), functiontest.Sample(t, "unsubscribe", queuedSample)); err != nil || len(value.(events.SQSEventResponse).BatchItemFailures) != 0 {
		t.Errorf("unknown subscriber: %v %v", value, err)
	}
	if _, err := down.Event(t.Context(), json.RawMessage(`{}`)); err == nil {
		t.Error("another event is accepted")
	}
}
